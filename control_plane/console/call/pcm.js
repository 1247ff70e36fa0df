// PCM arithmetic shared by the page and the audio worklets. Samples are Float32 in -1..1, mono. Pure.

/** Float samples to little-endian PCM16. */
export function toPcm16(samples) {
  const view = new DataView(new ArrayBuffer(samples.length * 2));
  for (let i = 0; i < samples.length; i += 1) {
    const clipped = Math.max(-1, Math.min(1, samples[i]));
    view.setInt16(i * 2, Math.round(clipped < 0 ? clipped * 32768 : clipped * 32767), true);
  }
  return view.buffer;
}

/** Little-endian PCM16 to float samples; an odd last byte is ignored. */
export function fromPcm16(buffer) {
  const view = new DataView(buffer);
  const samples = new Float32Array(Math.floor(view.byteLength / 2));
  for (let i = 0; i < samples.length; i += 1) samples[i] = view.getInt16(i * 2, true) / 32768;
  return samples;
}

export function rms(samples) {
  let sum = 0;
  for (let i = 0; i < samples.length; i += 1) sum += samples[i] * samples[i];
  return samples.length ? Math.sqrt(sum / samples.length) : 0;
}

const HALF_TAPS = 12;

/** Streaming windowed-sinc resampler, for browsers that give no capture at the wire's rate. */
export class Resampler {
  constructor(fromHz, toHz) {
    this.step = fromHz / toHz;
    this.cutoff = Math.min(1, toHz / fromHz) * 0.94;
    this.reach = Math.ceil(HALF_TAPS / this.cutoff);
    this.held = new Float32Array(this.reach);
    this.at = this.reach;
  }

  /** The output that `input` completes; the rest is held for the next call. */
  push(input) {
    if (this.step === 1) return input;
    const joined = new Float32Array(this.held.length + input.length);
    joined.set(this.held);
    joined.set(input, this.held.length);
    const out = [];
    for (; this.at + this.reach < joined.length; this.at += this.step) out.push(this.#sampleAt(joined));
    const drop = Math.max(0, Math.floor(this.at) - this.reach);
    this.held = joined.slice(drop);
    this.at -= drop;
    return Float32Array.from(out);
  }

  #sampleAt(samples) {
    const centre = Math.floor(this.at);
    let [sum, weight] = [0, 0];
    for (let i = Math.max(0, centre - this.reach + 1); i <= centre + this.reach; i += 1) {
      const tap = kernel(i - this.at, this.cutoff, this.reach);
      sum += samples[i] * tap;
      weight += tap;
    }
    return sum / weight;
  }
}

function kernel(x, cutoff, reach) {
  if (Math.abs(x) < 1e-9) return cutoff;
  if (Math.abs(x) >= reach) return 0;
  return (Math.sin(Math.PI * x * cutoff) / (Math.PI * x)) * (0.5 + 0.5 * Math.cos((Math.PI * x) / reach));
}

/** Cuts a stream into frames of one length. */
export class Framer {
  constructor(length) {
    this.frame = new Float32Array(length);
    this.filled = 0;
  }

  /** Complete frames, each a fresh array. */
  push(samples) {
    const frames = [];
    for (let i = 0; i < samples.length; i += 1) {
      this.frame[this.filled] = samples[i];
      this.filled += 1;
      if (this.filled === this.frame.length) {
        frames.push(this.frame.slice());
        this.filled = 0;
      }
    }
    return frames;
  }
}

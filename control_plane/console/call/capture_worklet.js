// The capture worklet: microphone samples to frames of 20 ms at the wire's rate.
import { Framer, Resampler, rms, toPcm16 } from "./pcm.js";

const FRAME_MS = 20;

class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.resampler = new Resampler(sampleRate, processorOptions.rateHz);
    this.framer = new Framer((processorOptions.rateHz * FRAME_MS) / 1000);
  }

  process([input]) {
    if (!input[0]) return true;
    for (const frame of this.framer.push(this.resampler.push(input[0]))) {
      const pcm = toPcm16(frame);
      this.port.postMessage({ pcm, rms: rms(frame) }, [pcm]);
    }
    return true;
  }
}

registerProcessor("nexus-capture", Capture);

// The playback worklet: a PlayoutBuffer on the audio thread.
import { rms } from "./pcm.js";
import { PlayoutBuffer } from "./playout_buffer.js";

const REPORT_MS = 150;
const LEVEL_MS = 50;

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.buffer = new PlayoutBuffer(sampleRate);
    this.sinceReport = 0;
    this.sinceLevel = 0;
    this.peak = 0;
    this.port.onmessage = ({ data }) => this.#take(data);
  }

  process(_inputs, [[out]]) {
    const { reports, underrun, playing } = this.buffer.pull(out);
    reports.forEach((report) => this.port.postMessage({ kind: "played", ...report }));
    if (underrun) this.port.postMessage({ kind: "underrun" });
    this.#tellProgress(out.length, playing);
    this.#tellLevel(out);
    return true;
  }

  #take(data) {
    if (data.kind === "begin") this.buffer.begin(data.item);
    else if (data.kind === "audio") this.buffer.push(data.samples);
    else {
      const reports = data.kind === "end" ? this.buffer.end(data.item) : this.buffer.clear();
      reports.forEach((report) => this.port.postMessage({ kind: "played", ...report }));
      if (data.kind === "clear") this.port.postMessage({ kind: "cleared" });
    }
  }

  #tellProgress(samples, playing) {
    this.sinceReport += samples;
    if (!playing || this.sinceReport < (sampleRate * REPORT_MS) / 1000) return;
    this.sinceReport = 0;
    const progress = this.buffer.progress();
    if (progress) this.port.postMessage({ kind: "played", ...progress });
  }

  #tellLevel(out) {
    this.peak = Math.max(this.peak, rms(out));
    this.sinceLevel += out.length;
    if (this.sinceLevel < (sampleRate * LEVEL_MS) / 1000) return;
    this.port.postMessage({ kind: "level", rms: this.peak });
    this.sinceLevel = 0;
    this.peak = 0;
  }
}

registerProcessor("nexus-playback", Playback);

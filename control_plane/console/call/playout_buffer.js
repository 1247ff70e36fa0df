// What waits to be heard: agent audio by item, and how much of each item has been played. Pure; runs in the playback worklet.

const START_MS = 60;
const FADE_MS = 5;
const HELD_S = 60;

/** Feed it with `begin`, `push`, `end`, `clear`; every `pull` fills one block of output and tells what happened. */
export class PlayoutBuffer {
  constructor(rateHz) {
    this.rateHz = rateHz;
    this.fade = Math.round((rateHz * FADE_MS) / 1000);
    this.queue = [];
    this.items = new Map();
    this.current = "";
    this.waiting = 0;
    this.running = false;
    this.last = 0;
    this.rise = 0;
    this.underruns = 0;
  }

  /** Audio that follows belongs to this item. */
  begin(item) {
    this.current = item;
    this.items.set(item, { played: 0, ended: false });
  }

  /** Queue samples; beyond 60 s the newest are dropped, which a paced server never causes. */
  push(samples) {
    if (!this.current || this.waiting + samples.length > HELD_S * this.rateHz) return;
    this.queue.push({ item: this.current, samples, at: 0 });
    this.waiting += samples.length;
  }

  /** No more audio of this item will come. Gives its report when all of it has been played already. */
  end(item) {
    const state = this.items.get(item);
    if (!state) return [];
    state.ended = true;
    return this.#finished();
  }

  /** Forget what is not yet heard, but for a fade of 5 ms. Gives what each item had played. */
  clear() {
    const reports = [...this.items].map(([item, state]) => this.#report(item, state, true));
    this.tail = this.#tail();
    Object.assign(this, { queue: [], waiting: 0, running: false, current: "", last: 0 });
    this.items.clear();
    return reports;
  }

  /** Fill `out`. @returns {{reports: object[], underrun: boolean, playing: boolean}} */
  pull(out) {
    out.fill(0);
    if (this.tail) return this.#playTail(out);
    if (!this.running && !this.#mayStart()) return this.#idle(out);
    if (!this.running) Object.assign(this, { running: true, rise: 0 });
    const filled = this.#take(out);
    const underrun = filled < out.length && !this.#allEnded();
    if (filled < out.length) this.#fall(out, filled);
    if (filled < out.length) this.running = false;
    if (underrun) this.underruns += 1;
    return { reports: this.#finished(), underrun, playing: true };
  }

  /** What the item now playing has played, or null. */
  progress() {
    const item = this.queue[0]?.item;
    return item ? this.#report(item, this.items.get(item), false) : null;
  }

  #mayStart() {
    return this.waiting > 0 && (this.waiting >= (this.rateHz * START_MS) / 1000 || this.#allEnded());
  }

  #allEnded() {
    return [...this.items.values()].every((state) => state.ended);
  }

  #idle() {
    return { reports: this.#finished(), underrun: false, playing: false };
  }

  #take(out) {
    let filled = 0;
    while (filled < out.length && this.queue.length > 0) {
      const head = this.queue[0];
      const count = Math.min(out.length - filled, head.samples.length - head.at);
      for (let i = 0; i < count; i += 1) out[filled + i] = head.samples[head.at + i] * this.#gain();
      filled += count;
      head.at += count;
      this.waiting -= count;
      this.items.get(head.item).played += count;
      if (head.at === head.samples.length) this.queue.shift();
    }
    if (filled > 0) this.last = out[filled - 1];
    return filled;
  }

  #gain() {
    if (this.rise >= this.fade) return 1;
    this.rise += 1;
    return this.rise / this.fade;
  }

  #fall(out, from) {
    for (let i = from; i < out.length; i += 1) out[i] = this.last * Math.max(0, 1 - (i - from + 1) / this.fade);
    this.last = 0;
  }

  #tail() {
    const joined = new Float32Array(this.fade);
    if (!this.running || this.#take(joined) === 0) return null;
    return joined.map((sample, i) => sample * (1 - (i + 1) / this.fade));
  }

  #playTail(out) {
    const count = Math.min(out.length, this.tail.length);
    out.set(this.tail.subarray(0, count));
    this.tail = count < this.tail.length ? this.tail.slice(count) : null;
    return { reports: [], underrun: false, playing: true };
  }

  #finished() {
    const queued = new Set(this.queue.map((part) => part.item));
    const done = [...this.items].filter(([item, state]) => state.ended && !queued.has(item));
    done.forEach(([item]) => this.items.delete(item));
    return done.map(([item, state]) => this.#report(item, state, true));
  }

  #report(item, state, done) {
    return { item, played_ms: Math.round((state.played * 1000) / this.rateHz), done };
  }
}

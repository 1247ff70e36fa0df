// One call from start to end: microphone, speaker and connection together, as a value that a page can show.
import { Problem } from "../core/api.js";
import { placeCall } from "./connection.js";
import { MicrophoneError, openMicrophone } from "./microphone.js";
import { openSpeaker } from "./speaker.js";
import { emptyTranscript, withMessage, withNote } from "./transcript.js";

const HANG_UP_MS = 3000;
const FAREWELL_MS = 1500;

const IDLE = Object.freeze({
  phase: "idle", tenant: "", callId: "", agent: "listening", mode: "voice", modeReason: "", mic: "off", transcript: emptyTranscript,
  startedAt_ms: 0, endedAt_ms: 0, endReason: "", problem: null, micProblem: "",
});

/**
 * `view` is the state as one frozen value; `onChange(view)` is called after each change, `onLevel(who, rms)` about 20 times a second.
 * Phases: idle → asking → connecting → live → ending → ended; `failed` and `nomic` lead back to idle by another start.
 */
export class LiveCall {
  constructor({ onChange, onLevel }) {
    this.onChange = onChange;
    this.onLevel = onLevel;
    this.view = IDLE;
  }

  get busy() {
    return ["asking", "connecting", "live", "ending"].includes(this.view.phase);
  }

  /** Place a call. With `microphone: false` it is held by typing. */
  async start(tenant, { microphone }) {
    if (this.busy) return;
    this.attempt = new AbortController();
    this.view = IDLE;
    this.#set({ tenant, phase: microphone ? "asking" : "connecting" });
    try {
      if (microphone) await this.#openMicrophone();
      await this.#connect(tenant);
    } catch (error) {
      this.#giveUp(error);
    }
  }

  say(text) {
    this.connection?.say(text);
  }

  toggleMute() {
    const muted = this.view.mic === "on";
    this.microphone?.setMuted(muted);
    this.onLevel("caller", 0);
    this.#set({ mic: muted ? "muted" : "on" });
  }

  /** End the call, or the attempt to place it. */
  hangUp() {
    if (this.view.phase !== "live") return this.attempt?.abort();
    this.#set({ phase: "ending" });
    this.connection.hangUp();
    this.patience = setTimeout(() => this.#finish("caller_hangup"), HANG_UP_MS);
  }

  async #openMicrophone() {
    const signal = this.attempt.signal;
    this.microphone = await openMicrophone((frame) => this.#onFrame(frame));
    if (signal.aborted) throw new DOMException("stopped", "AbortError");
    this.#set({ mic: "on", phase: "connecting" });
  }

  async #connect(tenant) {
    const listeners = { onMessage: (message) => this.#onMessage(message), onAudio: (buffer) => this.speaker.audio(buffer), onLost: (code) => this.#onLost(code) };
    this.speaker = await openSpeaker({
      onPlayed: (item, played_ms) => this.connection?.played(item, played_ms),
      onLevel: (rms) => this.onLevel("agent", rms),
    });
    this.connection = await placeCall(tenant, listeners, this.attempt.signal);
    this.#set({ phase: "live", callId: this.connection.callId, startedAt_ms: Date.now() });
  }

  #onFrame({ pcm, rms }) {
    if (this.view.mic !== "on") return;
    this.onLevel("caller", rms);
    if (this.view.phase === "live") this.connection.sendAudio(pcm);
  }

  #onMessage(message) {
    this.#steer(message);
    const changes = CHANGES[message.type]?.(this.view, message) ?? {};
    this.#set({ ...changes, transcript: withMessage(changes.transcript ?? this.view.transcript, message) });
    if (message.type === "session.ended") this.#finish(message.end_reason);
  }

  #steer({ type, item_id }) {
    if (type === "audio.begin") this.speaker.begin(item_id);
    else if (type === "audio.end") this.speaker.end(item_id);
    else if (type === "audio.clear") this.speaker.clear();
  }

  #onLost(code) {
    const problem = new Problem({
      title: "The connection was lost", code: `close_${code}`,
      detail: "What was said is kept with the session. Check the network and that the server runs, then call again.",
    });
    this.#finish("caller_lost", { problem });
  }

  #finish(endReason, more = {}) {
    if (!["live", "ending"].includes(this.view.phase)) return;
    clearTimeout(this.patience);
    this.#set({ phase: "ended", endReason, endedAt_ms: Date.now(), ...more });
    this.#release(endReason === "caller_hangup" ? 0 : FAREWELL_MS);
  }

  #giveUp(error) {
    this.#release(0);
    if (error.name === "AbortError") this.#set({ ...IDLE, tenant: this.view.tenant });
    else if (error instanceof MicrophoneError) this.#set({ phase: "nomic", micProblem: error.reason, mic: "off" });
    else this.#set({ phase: "failed", mic: "off", problem: asProblem(error) });
  }

  /** Give microphone and socket back now, the speaker after the last words. */
  #release(farewell_ms) {
    const { microphone, connection, speaker } = this;
    Object.assign(this, { microphone: null, connection: null, speaker: null });
    microphone?.close();
    connection?.leave();
    if (speaker) setTimeout(() => { speaker.close(); this.onLevel("agent", 0); }, farewell_ms);
    this.onLevel("caller", 0);
    if (this.view.mic !== "off") this.#set({ mic: "off" });
  }

  #set(changes) {
    this.view = Object.freeze({ ...this.view, ...changes });
    this.onChange(this.view);
  }
}

const CHANGES = {
  state: (_view, { state }) => ({ agent: state }),
  mode_changed: (_view, { to, reason }) => ({ mode: to, modeReason: reason ?? "" }),
  error: (view, { message }) => ({ transcript: withNote(view.transcript, message, "bad") }),
};

const asProblem = (error) =>
  error instanceof Problem ? error : new Problem({ title: "The call could not be started", detail: `${error.message}. Load the page again; if it happens twice, try another browser.` });

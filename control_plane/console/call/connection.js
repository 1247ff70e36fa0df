// One call over nexus.v1: orders it, opens the socket, carries audio and messages. Knows nothing of the page.
import { api, Problem } from "../core/api.js";
import { CAPTURE_HZ } from "./microphone.js";
import { PLAYBACK_HZ } from "./speaker.js";

const AUDIO = { input: { codec: "pcm_s16le", sample_rate: CAPTURE_HZ }, output: { codec: "pcm_s16le", sample_rate: PLAYBACK_HZ } };
const CONNECT_MS = 8000;
const PING_MS = 10000;
const BACKLOG_BYTES = 64000;

/**
 * Order a call and connect it. A ticket that was lost or ran out is asked for once more, for the same call.
 * @param {string} tenant
 * @param {{onMessage: (message: object) => void, onAudio: (buffer: ArrayBuffer) => void, onLost: (code: number) => void}} listeners
 * @param {AbortSignal} signal ends the attempt.
 * @returns {Promise<Connection>} after `session.started`.
 * @throws {Problem}
 */
export async function placeCall(tenant, listeners, signal) {
  const key = crypto.randomUUID();
  const order = () => api.createCall(tenant, key, { channel: "websocket", metadata: { client: "console" } }, signal);
  const first = await order();
  try {
    return await new Connection(first, listeners).opened(signal);
  } catch (error) {
    if (signal.aborted || !error.mayRetry) throw error;
    return new Connection(await order(), listeners).opened(signal);
  }
}

/** A call's socket. `sendAudio` drops frames while the network is stuck, so that no audio is sent late. */
export class Connection {
  constructor(call, listeners) {
    this.callId = call.id;
    this.listeners = listeners;
    this.started = false;
    this.over = false;
    this.socket = new WebSocket(call.websocket.url, [call.websocket.subprotocol ?? "nexus.v1", `token.${call.websocket.ticket}`]);
    this.socket.binaryType = "arraybuffer";
  }

  /** This connection, once the server has said `session.started`. */
  opened(signal) {
    return new Promise((resolve, reject) => {
      const give = (error) => { this.#close(); reject(error); };
      const timer = setTimeout(() => give(notConnected("No answer within 8 seconds.", true)), CONNECT_MS);
      signal.addEventListener("abort", () => give(new DOMException("stopped", "AbortError")), { once: true });
      this.socket.onopen = () => this.send({ type: "session.start", audio: AUDIO });
      this.socket.onmessage = ({ data }) => this.#receive(data, (error) => { clearTimeout(timer); error ? give(error) : resolve(this); });
      this.socket.onclose = ({ code, reason }) => {
        clearTimeout(timer);
        clearInterval(this.pings);
        if (!this.started) give(notConnected(reason, code === 1006 || code === 4401));
        else if (!this.over) this.listeners.onLost(code);
      };
    });
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  sendAudio(pcm) {
    if (this.started && this.socket.readyState === WebSocket.OPEN && this.socket.bufferedAmount < BACKLOG_BYTES) this.socket.send(pcm);
  }

  say(text) {
    this.send({ type: "input.text", text });
  }

  played(item_id, played_ms) {
    this.send({ type: "audio.played", item_id, played_ms });
  }

  /** Ask the server to end the call; `session.ended` follows. */
  hangUp() {
    this.send({ type: "session.end" });
  }

  /** Leave at once. */
  leave() {
    this.over = true;
    this.#close();
  }

  #receive(data, settle) {
    if (data instanceof ArrayBuffer) return this.listeners.onAudio(data);
    const message = JSON.parse(data);
    if (message.type === "session.started") this.#start(settle);
    if (message.type === "session.ended") this.over = true;
    if (message.type === "error" && !this.started) settle(new Problem({ title: "The call was refused", detail: message.message, code: message.code }));
    return this.listeners.onMessage(message);
  }

  #start(settle) {
    this.started = true;
    this.pings = setInterval(() => this.send({ type: "ping" }), PING_MS);
    settle();
  }

  #close() {
    clearInterval(this.pings);
    if (this.socket.readyState <= WebSocket.OPEN) this.socket.close(1000);
  }
}

function notConnected(reason, mayRetry) {
  const detail = `${reason || "The server closed the connection before the call began."} Start the call again; if it happens twice, look into the server's log.`;
  return Object.assign(new Problem({ title: "The call could not be connected", detail }), { mayRetry });
}

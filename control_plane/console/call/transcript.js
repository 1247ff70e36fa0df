// The transcript of a live call as a list of entries: server messages in, a new list out. Pure.

/**
 * @typedef {{id: string, kind: "turn"|"tool"|"note", role?: string, text?: string, unheard?: string, final?: boolean, interrupted?: boolean,
 *   typed?: boolean, at_ms?: number, stages?: object, name?: string, status?: string, duration_ms?: number, tone?: string}} Entry
 */

export const emptyTranscript = Object.freeze({ entries: Object.freeze([]), waiting: null, count: 0 });

/** The transcript after one server message; messages that say nothing about it leave it as it is. */
export function withMessage(transcript, message) {
  const fold = FOLDS[message.type];
  return fold ? fold(transcript, message) : transcript;
}

/** A line of the console's own, such as a change of mode. */
export function withNote(transcript, text, tone = "quiet") {
  return append(transcript, { kind: "note", text, tone });
}

const FOLDS = {
  transcript: withTurn,
  tool: withTool,
  latency: withLatency,
  mode_changed: (transcript, message) => withNote(transcript, modeNote(message), "warn"),
};

function modeNote({ to, reason }) {
  const why = String(reason).replaceAll("_", " ");
  if (to !== "voice") return `Text only: ${why}. Type to go on.`;
  return reason === "engine_returned" ? "Voice is back." : `Another voice engine took over: ${why}.`;
}

function withTurn(transcript, message) {
  const at = transcript.entries.findIndex((entry) => entry.kind === "turn" && entry.id === message.item_id);
  const known = transcript.entries[at];
  const entry = {
    ...known, id: message.item_id, kind: "turn", role: message.role, text: message.text, final: message.final, at_ms: message.start_ms,
    interrupted: Boolean(message.interrupted), unheard: message.interrupted ? unheardPart(known, message.text) : "",
  };
  if (known) return replace(transcript, at, entry);
  if (!message.text) return transcript;
  const stages = message.role === "agent" ? transcript.waiting : null;
  return append({ ...transcript, waiting: stages ? null : transcript.waiting }, stages ? { ...entry, stages } : entry);
}

/** The words of the earlier text that come after what was heard. */
function unheardPart(known, heard) {
  const whole = known ? `${known.text} ${known.unheard ?? ""}`.trim() : "";
  return whole.startsWith(heard.trim()) ? whole.slice(heard.trim().length).trim() : "";
}

function withTool(transcript, { name, status, duration_ms }) {
  const at = transcript.entries.findLastIndex((entry) => entry.kind === "tool" && entry.name === name && entry.status === "running");
  const entry = { kind: "tool", name, status, duration_ms };
  return at >= 0 ? replace(transcript, at, { ...entry, id: transcript.entries[at].id }) : append(transcript, entry);
}

/** Latency belongs to the agent's turn that follows the caller's last: the newest one, or the next when it is not there yet. */
function withLatency(transcript, { stages }) {
  const at = transcript.entries.findLastIndex((entry) => entry.kind === "turn");
  const last = transcript.entries[at];
  const fits = last?.role === "agent" && !last.stages;
  return fits ? replace(transcript, at, { ...last, stages }) : { ...transcript, waiting: stages };
}

function append(transcript, entry) {
  const count = transcript.count + 1;
  return { ...transcript, count, entries: [...transcript.entries, { ...entry, id: entry.id ?? `line-${count}` }] };
}

function replace(transcript, at, entry) {
  return { ...transcript, entries: transcript.entries.with(at, entry) };
}

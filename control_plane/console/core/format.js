// Values as people read them. Pure; every function takes what it needs.

export const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

/** 64000 → "1:04"; an hour and more → "1:02:03". */
export function clock(ms) {
  const total = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, rest] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** 640 → "640 ms", 1240 → "1.24 s", 84000 → "1 min 24 s". */
export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10000) return seconds(ms);
  const total = Math.round(ms / 1000);
  if (total < 60) return `${total} s`;
  return total % 60 ? `${Math.floor(total / 60)} min ${total % 60} s` : `${total / 60} min`;
}

/** How long ago, in one or two words; older than a week gives the date. */
export function ago(iso, nowMs) {
  const passed_s = Math.max(0, (nowMs - Date.parse(iso)) / 1000);
  if (passed_s < 45) return "just now";
  if (passed_s < 3600) return `${Math.max(1, Math.round(passed_s / 60))} min ago`;
  if (passed_s < 86400) return `${Math.round(passed_s / 3600)} h ago`;
  if (passed_s < 7 * 86400) return `${Math.round(passed_s / 86400)} d ago`;
  return new Date(iso).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}

export const dateTime = (iso) => new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** "caller_hangup" → "Caller hangup". */
export function words(code) {
  const text = String(code ?? "").replaceAll("_", " ").trim();
  return text ? text[0].toUpperCase() + text.slice(1) : "";
}

const END_REASONS = {
  caller_hangup: "You hung up", agent_hangup: "The agent hung up", tenant_ended: "Ended by the operator",
  max_duration: "The longest duration was reached", no_input: "Nothing was said for too long", idle_socket: "The connection was idle",
  connect_timeout: "The call was never connected", engine_unavailable: "No speech engine was available", engine_lost: "The speech engine was lost",
  capacity: "No capacity", draining_forced: "The server was shut down", tool_requested_end: "A tool ended the call", policy: "Ended by policy",
  consent_refused: "Consent was refused", caller_lost: "The connection was lost", protocol_error: "Protocol error", lost: "The call was lost",
  internal_error: "Internal error",
};

export const END_REASON_CODES = Object.keys(END_REASONS);
/** An end reason as the person on the call reads it. */
export const endedBecause = (code) => END_REASONS[code] ?? words(code);

const TONES = {
  good: ["completed", "active", "done", "positive", "booking_made", "order_placed", "request_completed", "information_given"],
  warn: ["abandoned", "fallback", "unknown", "cancelled", "suspended", "deleting", "unpublished"],
  bad: ["failed", "broken", "negative", "request_failed"],
};
/** The tone of a status, an outcome or a mood; quiet for words that are neither good nor bad. */
export const statusTone = (status) => Object.keys(TONES).find((tone) => TONES[tone].includes(status)) ?? "quiet";

const STAGES = [["silence_wait", "Silence wait"], ["stt", "Speech to text"], ["dialogue", "Dialogue"], ["first_sentence", "First sentence"], ["transport", "Transport"]];

/** The stages of one answer as [name, ms, share of the whole 0..1]; stages that are not there are left out. */
export function latencyStages(stages) {
  const whole = stages.e2e || 1;
  return STAGES.filter(([key]) => stages[key] > 0).map(([key, name]) => [name, stages[key], Math.min(1, stages[key] / whole)]);
}

/** good up to 1.2 s, warn up to 2.5 s, then bad. */
export const latencyTone = (ms) => (ms <= 1200 ? "good" : ms <= 2500 ? "warn" : "bad");

/** A level for a meter: RMS 0..1 to 0..1 over 54 dB, so that quiet speech is seen. */
export const meter = (rms) => (rms <= 0 ? 0 : Math.min(1, Math.max(0, 1 + (20 * Math.log10(rms)) / 54)));

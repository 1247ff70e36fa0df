// One session: facts, transcript, tools, latency, lead, and the record as it is.
import { line } from "../call/transcript_view.js";
import { api } from "../core/api.js";
import { badge, emptyState, h, icon, notice, skeleton } from "../core/dom.js";
import { clock, dateTime, duration, statusTone, words } from "../core/format.js";
import { routeTo } from "../core/routes.js";
import { tableOf } from "./feed_page.js";
import { recordingView } from "./recording.js";

export function sessionPage({ route, signal }) {
  const [tenant, id] = route.params;
  const body = h("div", {}, skeleton(8));
  const back = h("a", { class: "back", href: routeTo("sessions") }, icon("back"), "Sessions");
  const element = h("div", { class: "page" }, back, h("div", { class: "page-head" }, h("div", {}, h("h1", { tabindex: "-1" }, "Session"), h("p", { class: "quiet" }, h("code", {}, id)))), body);
  return { element, title: "Session", open };

  async function open() {
    try {
      body.replaceChildren(...sections(await api.session(tenant, id, signal)));
    } catch (error) {
      if (error.name === "AbortError") return;
      const text = error.status === 404 ? "It may still be being written: wait a second and load again. Or it belongs to another tenant." : error.fix;
      body.replaceChildren(notice({ tone: "bad", title: error.title ?? error.message, text, actions: [h("button", { class: "button small", type: "button", on: { click: open } }, "Load again")] }));
    }
  }
}

function sections(record) {
  const raw = h("pre", { class: "raw", tabindex: "0" });
  const details = h("details", { class: "card raw-card" }, h("summary", {}, "Raw JSON"), raw);
  details.addEventListener("toggle", () => { raw.textContent = details.open ? JSON.stringify(record, null, 2) : ""; });
  return [
    facts(record),
    h("div", { class: "detail-grid" },
      h("div", { class: "stack" }, card("Transcript", transcript(record)), details),
      h("div", { class: "stack" }, leadCard(record), card("Recording", recordingView(record.tenant_id, record.id, record.recording)), card("Tools", tools(record.tools ?? [])), card("Latency", latency(record.latency_ms ?? {})))),
  ];
}

const card = (title, ...children) => h("section", { class: "card block" }, h("h2", {}, title), children);

function facts(record) {
  const talk = record.talk_ms ?? {};
  const pairs = [
    ["Status", badge(words(record.status), statusTone(record.status))], ["Ended", words(record.end_reason)], ["Started", dateTime(record.connected_at)],
    ["Length", duration(record.duration_ms)], ["Tenant", h("a", { href: routeTo("tenants", [record.tenant_id]) }, record.tenant_id)], ["Engine", record.engine],
    ["Talk, caller / agent", `${duration(talk.caller ?? 0)} / ${duration(talk.agent ?? 0)}`], ["Interruptions", String(record.interruptions?.caller ?? 0)],
    record.caller?.last4 && ["Caller", `••• ${record.caller.last4}`],
  ].filter(Boolean);
  const error = record.error && notice({ tone: "bad", title: `${record.error.code} in ${record.error.stage}`, text: record.error.message });
  return h("div", {}, error, h("dl", { class: "facts card" }, pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))));
}

function transcript(record) {
  const tools = (record.tools ?? []).map((use) => ({ kind: "tool", name: use.name, status: use.status, duration_ms: use.duration_ms, at_ms: use.started_ms }));
  const turns = (record.turns ?? []).map((turn) => turnEntry(turn));
  const modes = (record.mode_changes ?? []).map((change) => ({ kind: "note", tone: "warn", text: change.to === "voice" ? "Voice is back" : `Text only: ${words(change.reason)}`, at_ms: change.at_ms }));
  const entries = [...turns, ...tools, ...modes].sort((one, other) => one.at_ms - other.at_ms);
  if (entries.length === 0) return emptyState({ glyph: "sessions", title: "Nothing was said", text: "The call ended before anybody spoke." });
  return h("ol", { class: "lines still" }, entries.map(line));
}

function turnEntry(turn) {
  const cut = turn.interrupted && turn.text.startsWith(turn.heard_text);
  return {
    kind: "turn", role: turn.role, at_ms: turn.start_ms, interrupted: turn.interrupted, typed: turn.typed, stages: turn.stages, final: true,
    text: cut ? turn.heard_text : turn.text, unheard: cut ? turn.text.slice(turn.heard_text.length).trim() : "",
  };
}

function tools(uses) {
  if (uses.length === 0) return h("p", { class: "quiet" }, "No tool was used.");
  return h("ul", { class: "tools" }, uses.map((use) => h("li", {},
    h("div", { class: "tool-head" }, h("code", {}, use.name), badge(words(use.status), statusTone(use.status)), h("span", { class: "quiet" }, `${clock(use.started_ms)} · ${duration(use.duration_ms)}`)),
    Object.keys(use.arguments ?? {}).length > 0 && h("pre", { class: "small", tabindex: "0" }, JSON.stringify(use.arguments, null, 2)),
    use.output && h("p", { class: "tool-output" }, use.output), use.error_code && h("p", { class: "tool-error" }, use.error_code))));
}

const MEASURES = { e2e: "Answer, whole", silence_wait: "Silence wait", stt: "Speech to text", asr: "Speech to text", dialogue: "Dialogue", llm: "Dialogue", first_sentence: "First sentence", tool: "Tools", transport: "Transport", barge_in_stop: "Barge-in to silence" };

function latency(measures) {
  const rows = Object.entries(measures);
  if (rows.length === 0) return h("p", { class: "quiet" }, "No answer was timed.");
  const value = (name) => ([, numbers]) => duration(numbers[name]);
  const columns = [{ name: "Stage", cell: ([key]) => MEASURES[key] ?? words(key) }, { name: "n", cell: ([, { n }]) => String(n), css: "number" },
    { name: "p50", cell: value("p50"), css: "number" }, { name: "p95", cell: value("p95"), css: "number" }, { name: "max", cell: value("max"), css: "number" }];
  const table = tableOf(columns, rows);
  table.classList.add("plain");
  return table;
}

function leadCard(record) {
  const { intelligence: lead, analysis } = record;
  if (!lead) return card("Lead", h("p", { class: "quiet" }, "Not read yet. It follows a few seconds after the call."));
  const pairs = [["Customer", lead.customer_name || "not said"], ["Phone", lead.customer_phone || "not said"], ["Intent", words(lead.core_intent)], ["Outcome", badge(words(lead.call_outcome), statusTone(lead.call_outcome))],
    ["Mood", badge(words(lead.sentiment), statusTone(lead.sentiment))], ["Follow-up", lead.follow_up_required ? badge("Needed", "warn") : "No"]];
  return card("Lead", lead.summary && h("p", { class: "lead-summary" }, lead.summary),
    h("dl", { class: "pairs" }, pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    lead.key_topics?.length > 0 && h("p", { class: "topics" }, lead.key_topics.map((topic) => badge(topic))),
    h("p", { class: "quiet fine" }, `Read by ${analysis.model}${analysis.status === "fallback" ? ": the model failed, only certain facts are here" : ""}`));
}

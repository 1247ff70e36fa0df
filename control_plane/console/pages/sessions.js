// The sessions page: finished calls, newest first.
import { api } from "../core/api.js";
import { badge, h } from "../core/dom.js";
import { ago, dateTime, duration, END_REASON_CODES, statusTone, words } from "../core/format.js";
import { routeTo } from "../core/routes.js";
import { feedPage } from "./feed_page.js";

const pairs = (codes) => codes.map((code) => [code, words(code)]);

const COLUMNS = [
  { name: "When", cell: (row) => h("time", { datetime: row.started_at, title: dateTime(row.started_at) }, ago(row.started_at, Date.now())) },
  { name: "Tenant", cell: (row) => row.tenant_id },
  { name: "Status", cell: (row) => badge(words(row.status), statusTone(row.status)) },
  { name: "Ended", cell: (row) => words(row.end_reason), css: "wide" },
  { name: "Outcome", cell: (row) => (row.outcome ? badge(words(row.outcome), statusTone(row.outcome)) : h("span", { class: "quiet" }, "none")), css: "wide" },
  { name: "Length", cell: (row) => duration(row.duration_ms), css: "number" },
  { name: "Turns", cell: (row) => String(row.turns), css: "number wide" },
  { name: "Tools", cell: (row) => String(row.tool_calls), css: "number wide" },
];

export function sessionsPage(context) {
  return feedPage(context, {
    title: "Sessions", lead: "Every finished call, newest first.", columns: COLUMNS, fetch: api.sessions,
    filters: [{ key: "status", label: "Status", options: pairs(["completed", "abandoned", "failed"]) }, { key: "end_reason", label: "End reason", options: pairs(END_REASON_CODES) }],
    timeOf: (row) => row.started_at, rowLink: (row) => routeTo("sessions", [row.tenant_id, row.id]),
    empty: { glyph: "sessions", title: "No sessions yet", text: "A call stands here a moment after it has ended.", action: h("a", { class: "button primary", href: routeTo("call") }, "Start a call") },
  });
}

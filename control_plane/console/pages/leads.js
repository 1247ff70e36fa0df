// The leads page: what each call was worth.
import { api } from "../core/api.js";
import { badge, h } from "../core/dom.js";
import { ago, dateTime, statusTone, words } from "../core/format.js";
import { routeTo } from "../core/routes.js";
import { feedPage } from "./feed_page.js";

const OUTCOMES = ["booking_made", "order_placed", "request_completed", "information_given", "request_failed", "abandoned", "unknown"];
const unsaid = (text) => text || h("span", { class: "quiet" }, "not said");

const COLUMNS = [
  { name: "Customer", cell: ({ lead }) => unsaid(lead.customer_name) },
  { name: "Phone", cell: ({ lead }) => unsaid(lead.customer_phone) },
  { name: "Intent", cell: ({ lead }) => words(lead.core_intent), css: "wide" },
  { name: "Outcome", cell: ({ lead }) => badge(words(lead.call_outcome), statusTone(lead.call_outcome)) },
  { name: "Mood", cell: ({ lead }) => badge(words(lead.sentiment), statusTone(lead.sentiment)), css: "wide" },
  { name: "Follow-up", cell: ({ lead }) => (lead.follow_up_required ? badge("Follow up", "warn") : h("span", { class: "quiet" }, "no")) },
  { name: "Tenant", cell: (row) => row.tenant_id, css: "wide" },
  { name: "When", cell: (row) => h("time", { datetime: row.call_started_at, title: dateTime(row.call_started_at) }, ago(row.call_started_at, Date.now())), css: "number" },
];

export function leadsPage(context) {
  const chosen = context.route.query.outcome;
  const outcomes = chosen && !OUTCOMES.includes(chosen) ? [chosen, ...OUTCOMES] : OUTCOMES;
  return feedPage(context, {
    title: "Leads", lead: "Who called, what they wanted and how it went.", columns: COLUMNS, fetch: api.leads,
    filters: [{ key: "outcome", label: "Outcome", options: outcomes.map((code) => [code, words(code)]) }, { key: "follow_up_required", label: "Follow-up", options: [["true", "Needed"], ["false", "Not needed"]] }],
    timeOf: (row) => row.call_started_at, rowLink: (row) => routeTo("sessions", [row.tenant_id, row.session_id]),
    empty: { glyph: "leads", title: "No leads yet", text: "After each call its lead is read from the transcript and stands here.", action: h("a", { class: "button primary", href: routeTo("call") }, "Start a call") },
  });
}

// The tenants pages: every agent of this installation, and what is wrong with a broken one.
import { api } from "../core/api.js";
import { badge, emptyState, h, icon, notice, skeleton } from "../core/dom.js";
import { duration, statusTone, words } from "../core/format.js";
import { signInRules } from "../core/issuer.js";
import { routeTo } from "../core/routes.js";
import { credential } from "../core/credential.js";
import { offered } from "../core/token.js";
import { knowledgeCard } from "./knowledge.js";
import { versionsCard } from "./versions.js";

const STATUS = { active: "Ready", broken: "Broken", suspended: "Suspended", deleting: "Being deleted", unpublished: "Nothing published" };
/** What stands between a tenant and its calls, or active. */
const standing = (tenant) => (tenant.status === "active" && tenant.config_version === null ? "unpublished" : tenant.status);
const statusBadge = (tenant) => badge(STATUS[standing(tenant)] ?? words(tenant.status), statusTone(standing(tenant)));

export function tenantsPage({ signal }) {
  const body = h("div", {}, skeleton());
  const element = h("div", { class: "page" }, h("div", { class: "page-head" }, h("div", {}, h("h1", { tabindex: "-1" }, "Tenants"), h("p", { class: "quiet" }, "Each has an agent of its own. An edited folder counts from the next call on."))), body);
  return { element, title: "Tenants", open: () => fill(body, async () => list(await api.tenants(signal))) };
}

export function tenantPage({ route, signal }) {
  const [id] = route.params;
  const body = h("div", {}, skeleton());
  const element = h("div", { class: "page" }, h("a", { class: "back", href: routeTo("tenants") }, icon("back"), "Tenants"), h("div", { class: "page-head" }, h("h1", { tabindex: "-1" }, id)), body);
  return { element, title: id, open: () => fill(body, async () => {
    const [row, tenant] = await both(id, signal);
    return [detail(id, row, tenant), row && row.status !== "broken" && (await kept(id, signal))].flat().filter(Boolean);
  }) };
}

/** What an admin keeps of a tenant; nothing for roles that may not see it. */
async function kept(tenant, signal) {
  const may = offered(credential.value, credential.value.includes(".") ? (await signInRules())?.roles_claim : "");
  return may.reads && h("div", { class: "kept" }, knowledgeCard({ tenant, may, signal }), versionsCard({ tenant, may, signal }));
}

/** The list knows status and faults also where the tenant itself cannot be read. */
async function both(id, signal) {
  const row = (await api.tenants(signal)).find((tenant) => tenant.id === id);
  return [row, row?.status === "broken" ? {} : await api.tenant(id, signal)];
}

async function fill(body, make) {
  try {
    body.replaceChildren(...[await make()].flat());
  } catch (error) {
    if (error.name === "AbortError") return;
    body.replaceChildren(notice({ tone: "bad", title: error.title ?? error.message, text: error.fix }), ...faultList(error.errors ?? []));
  }
}

function list(tenants) {
  if (tenants.length === 0) return emptyState({ glyph: "tenants", title: "No tenants yet", text: "Make one with: nexus tenant new my_shop. It appears here without a restart." });
  return h("ul", { class: "tenant-list" }, tenants.map((tenant) => h("li", { class: "card tenant" },
    h("span", { class: "monogram", "aria-hidden": "true" }, (tenant.name || tenant.id).slice(0, 1).toUpperCase()),
    h("div", { class: "tenant-name" }, h("a", { class: "row-link", href: routeTo("tenants", [tenant.id]) }, tenant.name || tenant.id), h("code", { class: "quiet" }, tenant.id)),
    statusBadge(tenant),
    tenant.status === "broken" ? h("span", { class: "quiet" }, faultCount(tenant)) : standing(tenant) !== "active" ? null : h("a", { class: "button small above", href: routeTo("call", [tenant.id]) }, icon("call"), "Call"))));
}

const faultCount = ({ faults = [] }) => `${faults.length} ${faults.length === 1 ? "fault" : "faults"}`;

function detail(id, row, tenant) {
  if (!row) return notice({ tone: "bad", title: "There is no such tenant", text: `Add a folder tenants/${id} with a config.yaml, or choose another tenant.` });
  if (row.status === "broken") {
    return [notice({ tone: "bad", title: "This tenant takes no calls", text: `Mend tenants/${id}/config.yaml and load this page again; no restart is needed.` }), ...faultList(row.faults ?? [])];
  }
  if (tenant.config_version === null) {
    return [notice({ tone: "warn", title: "This tenant has no configuration yet", text: `Write one with PUT /v1/tenants/${id}/config/draft, then POST /v1/tenants/${id}/config:publish.` })];
  }
  const closed = standing(tenant) === "active" ? [] : [notice({ tone: "warn", title: "This tenant takes no calls", text: `It is ${words(tenant.status).toLowerCase()}.` })];
  return [...closed, h("div", { class: "detail-grid" },
    h("div", { class: "stack" }, block("Greeting", h("blockquote", {}, tenant.greeting)), block("Tools", toolList(tenant.enabled_tools ?? []))),
    h("div", { class: "stack" }, h("a", { class: "button primary", href: routeTo("call", [id]) }, icon("call"), `Call ${tenant.name || id}`), block("Agent", pairs(tenant))))];
}

const block = (title, ...children) => h("section", { class: "card block" }, h("h2", {}, title), children);

function pairs({ voice_settings: voice = {}, limits = {}, barge_in: barge = {}, recording = {}, timezone, first_speaker, has_knowledge_base: knows }) {
  const rows = [
    ["Voice", voice.voice_id], ["Language", voice.language], ["Timezone", timezone], ["Speaks first", words(first_speaker)],
    ["Barge-in", barge.enabled === false ? "off" : words(barge.sensitivity)], ["Longest call", limits.max_duration_s && duration(limits.max_duration_s * 1000)],
    ["Calls at once", limits.concurrent_calls], ["Business information", knows ? "given" : "none"], ["Recording", recording.enabled ? `on, kept ${recording.retention_days} days` : "off"],
  ].filter(([, value]) => value !== undefined && value !== "");
  return h("dl", { class: "pairs" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))));
}

function toolList(tools) {
  if (tools.length === 0) return h("p", { class: "quiet" }, "None. Name them under enabled_tools in config.yaml.");
  return h("ul", { class: "tools" }, tools.map((tool) => h("li", {}, h("code", {}, tool))));
}

/** Faults come as lines ("config.yaml:12: …") or as values with pointer and detail. */
function faultList(faults) {
  if (faults.length === 0) return [];
  const text = (fault) => (typeof fault === "string" ? fault : [fault.line && `line ${fault.line}`, fault.pointer ?? fault.place, fault.detail ?? fault.message].filter(Boolean).join(": "));
  return [h("ol", { class: "card faults" }, faults.map((fault) => h("li", {}, h("code", {}, text(fault)))))];
}

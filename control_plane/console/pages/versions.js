// Versions of a tenant's configuration: which one new calls get, and a canary: another one, for a share of them.
import { api } from "../core/api.js";
import { askingButton, badge, h, selectField } from "../core/dom.js";
import { ago, dateTime } from "../core/format.js";
import { keptCard } from "./kept_card.js";

const ROWS = 10;
const DRAFT = "draft";
const named = (version) => (version === 0 ? "The tenant's folder" : `Version ${version}`);
const when = (iso) => h("time", { datetime: iso, title: dateTime(iso) }, ago(iso, Date.now()));

/** @param {{tenant: string, may: {changes: boolean}, signal: AbortSignal}} context */
export function versionsCard({ tenant, may, signal }) {
  const card = keptCard({ id: "versions", title: "Versions", load });
  card.refresh();
  return card.element;

  async function load() {
    const [active, page] = await Promise.all([orNone(api.config(tenant, signal)), api.versions(tenant, { limit: ROWS }, signal)]);
    if (!active) return [h("p", { class: "quiet" }, "No configuration yet, so no calls. ", may.changes && hint(tenant))];
    return [shares(active), may.changes && (active.canary ? running(active.canary) : starting(active, page.data)), history(page)];
  }

  function running(canary) {
    const percent = percentField(canary.percent);
    const raise = h("button", { class: "button", type: "submit" }, "Change the share");
    return h("form", { on: { submit: (event) => start(event, { version: canary.version, percent: Number(percent.value) }) } }, h("div", { class: "two" }, h("div", { class: "field" }, h("label", { for: "canary-percent" }, `Share of version ${canary.version}, %`), percent), h("div", { class: "field actions" }, raise)),
      h("div", { class: "actions" }, h("button", { class: "button small", type: "button", id: "canary-stop", on: { click: () => card.act(() => api.abortCanary(tenant)) } }, "Stop the canary"),
        askingButton({ text: "Give it to all calls", question: `Version ${canary.version} for all?`, act: () => card.act(() => api.promoteCanary(tenant)) })));
  }

  function starting(active, versions) {
    const others = versions.filter(({ version }) => version !== active.version).map(({ version, note }) => [String(version), [named(version), note].filter(Boolean).join(": ").slice(0, 80)]);
    const options = [[DRAFT, "The draft"], ...others];
    let chosen = options[0][0];
    const percent = percentField(10);
    const body = () => ({ percent: Number(percent.value), ...(chosen === DRAFT ? {} : { version: Number(chosen) }) });
    return h("form", { on: { submit: (event) => start(event, body()) } },
      h("div", { class: "two" }, selectField({ id: "canary-version", label: "Try", options, value: chosen, onChange: (value) => { chosen = value; } }), h("div", { class: "field" }, h("label", { for: "canary-percent" }, "On a share of new calls, %"), percent)),
      h("div", {}, h("button", { class: "button primary", type: "submit" }, "Start a canary")), h("p", { class: "quiet fine" }, hint(tenant)));
  }

  function start(event, body) {
    event.preventDefault();
    card.act(() => api.startCanary(tenant, body));
  }

  function history(page) {
    if (page.data.length === 0) return h("p", { class: "quiet fine" }, "Nothing has been published: new calls get what stands in the folder at that moment.");
    const list = h("ul", { class: "documents" }, page.data.map(row));
    const more = h("button", { class: "button small", type: "button", hidden: !page.has_more, on: { click: next } }, "Older versions");
    let cursor = page.next_cursor;
    return h("div", { class: "stack" }, list, more);

    async function next() {
      more.disabled = true;
      try {
        const older = await api.versions(tenant, { limit: ROWS, cursor }, signal);
        list.append(...older.data.map(row));
        cursor = older.next_cursor;
        more.hidden = !older.has_more;
      } catch (error) {
        await card.act(() => Promise.reject(error)); // it is told above; what is there stays
      } finally { more.disabled = false; }
    }
  }
}

function shares(active) {
  const { canary } = active;
  const share = (version, percent, since) => h("div", { class: "share-row" }, h("span", {}, named(version), since && h("span", { class: "quiet fine" }, " since ", when(since))), h("b", {}, `${percent} %`),
    h("meter", { min: "0", max: "100", value: String(percent), "aria-label": `${named(version)}: ${percent} % of new calls` }));
  return h("div", { class: "stack", id: "shares" }, share(active.version, canary ? 100 - canary.percent : 100, active.published_at), canary && share(canary.version, canary.percent, canary.started_at));
}

function row({ version, active, canary, note, published_at: at, rolled_back_to: old }) {
  return h("li", {}, h("div", { class: "document-head" }, h("span", { class: "document-name" }, named(version)), h("span", { class: "quiet fine" }, when(at)), (active || canary) && badge(active ? "Active" : "Canary", active ? "good" : "warn")),
    (note || old !== null) && h("p", { class: "quiet fine" }, [old !== null && `${named(old)} again`, note].filter(Boolean).join(": ")));
}

const percentField = (value) => h("input", { id: "canary-percent", type: "number", min: "1", max: "100", step: "1", required: true, value: String(value) });
const hint = (tenant) => ["Write a draft: ", h("code", {}, `nexus config push ${tenant} bot.yaml`)];

/** What is not there is nothing; whatever else went wrong is told. */
async function orNone(asked) {
  try { return await asked; } catch (error) {
    if (error.status === 404 || error.status === 409) return null;
    throw error;
  }
}

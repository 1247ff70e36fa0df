// A page that lists rows of all tenants or one, with filters and "load more"; sessions and leads are two of them.
import { api } from "../core/api.js";
import { emptyState, h, notice, selectField, skeleton } from "../core/dom.js";
import { MergedFeed } from "../core/merged_feed.js";
import { routeTo } from "../core/routes.js";

const ROWS = 25;

/**
 * @param {{route, signal, go}} context
 * @param {{title, lead, columns: Array<{name: string, cell: (row) => Node|string, css?: string}>, rowLink: (row) => string,
 *   filters: Array<{key, label, options}>, fetch: (tenant, query, signal) => Promise, timeOf: (row) => string, empty: {glyph, title, text}}} list
 */
export function feedPage({ route, signal, go }, list) {
  const filters = h("div", { class: "filters" });
  const body = h("div", { class: "feed" }, skeleton());
  const element = h("div", { class: "page" }, h("div", { class: "page-head" }, h("div", {}, h("h1", { tabindex: "-1" }, list.title), h("p", { class: "quiet" }, list.lead)), filters), body);
  const change = (key) => (value) => go({ ...route.query, [key]: value });
  const known = route.query.tenant ? [[route.query.tenant, route.query.tenant]] : [];
  const tenantField = (options) => selectField({ id: "filter-tenant", label: "Tenant", options: [["", "All tenants"], ...options], value: route.query.tenant ?? "", onChange: change("tenant") });
  filters.append(tenantField(known), ...list.filters.map(({ key, label, options }) => selectField({ id: `filter-${key}`, label, options: [["", "Any"], ...options], value: route.query[key] ?? "", onChange: change(key) })));
  return { element, title: list.title, open };

  async function open() {
    try {
      const tenants = await api.tenants(signal);
      fillTenants(tenants);
      const chosen = tenants.filter((tenant) => !route.query.tenant || tenant.id === route.query.tenant);
      await load(new MergedFeed(chosen.map((tenant) => source(tenant.id)), list.timeOf));
    } catch (error) {
      if (error.name === "AbortError") return;
      body.replaceChildren(notice({ tone: "bad", title: error.title ?? error.message, text: error.fix, actions: [h("button", { class: "button small", type: "button", on: { click: () => location.reload() } }, "Load again")] }));
    }
  }

  /** The field stands from the start, so that the keyboard and the layout keep their place; its options come later. */
  function fillTenants(tenants) {
    const select = filters.querySelector("select");
    const missing = tenants.filter((tenant) => tenant.id !== route.query.tenant);
    select.append(...missing.map((tenant) => h("option", { value: tenant.id }, tenant.name || tenant.id)));
  }

  function source(id) {
    const { tenant: _tenant, ...query } = route.query;
    return { id, fetch: (cursor) => list.fetch(id, { ...query, limit: ROWS, cursor }, signal) };
  }

  async function load(feed) {
    const rows = await feed.next(ROWS);
    const faults = feed.faults.map(({ id, error }) => notice({ tone: "warn", title: `${id}: ${error.message}`, text: error.fix }));
    if (rows.length === 0) return body.replaceChildren(...faults, nothing());
    const table = tableOf(list.columns, rows, list.rowLink);
    const more = h("button", { class: "button", type: "button", on: { click: () => loadMore(feed, table, more) } }, "Load more");
    more.hidden = feed.exhausted;
    return body.replaceChildren(...faults, h("div", { class: "card table-card" }, table), h("div", { class: "more" }, more));
  }

  async function loadMore(feed, table, more) {
    more.disabled = true;
    const rows = await feed.next(ROWS);
    table.tBodies[0].append(...rows.map((row) => tableRow(list.columns, row, list.rowLink)));
    more.disabled = false;
    more.hidden = feed.exhausted;
  }

  function nothing() {
    const filtered = Object.values(route.query).some(Boolean);
    if (!filtered) return emptyState(list.empty);
    return emptyState({ glyph: list.empty.glyph, title: "Nothing matches", text: "No row fits these filters.", action: h("a", { class: "button", href: routeTo(route.page) }, "Clear the filters") });
  }
}

export function tableOf(columns, rows, rowLink) {
  return h("table", { class: "rows" }, h("thead", {}, h("tr", {}, columns.map(({ name, css }) => h("th", { scope: "col", class: css }, name)))),
    h("tbody", {}, rows.map((row) => tableRow(columns, row, rowLink))));
}

/** The first cell is the row's link; CSS stretches it over the row. */
function tableRow(columns, row, rowLink) {
  return h("tr", {}, columns.map(({ name, cell, css }, at) => {
    const content = cell(row);
    return h("td", { class: css, "data-label": name }, at === 0 && rowLink ? h("a", { class: "row-link", href: rowLink(row) }, content) : content);
  }));
}

// Addresses inside the console: hash to route and back. Pure.

export const PAGES = ["call", "sessions", "leads", "tenants"];

/** `#/sessions/barber/call_01?raw=1` → {page, params: ["barber", "call_01"], query}. An unknown page is the call page. */
export function parseRoute(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [page, ...params] = path.split("/").filter(Boolean).map(decode);
  const query = Object.fromEntries(new URLSearchParams(search));
  return PAGES.includes(page) ? { page, params, query } : { page: "call", params: [], query: {} };
}

/** The hash of a route; empty query values are left out. */
export function routeTo(page, params = [], query = {}) {
  const filled = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const search = new URLSearchParams(filled).toString();
  return `#/${[page, ...params].map(encodeURIComponent).join("/")}${search && `?${search}`}`;
}

function decode(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

// REST: requests to /v1 of this host, and problems as errors that name the fix.
import { asked, shown } from "./credential.js";

const FIXES = {
  no_engine_slot: "All lines are busy. Wait a moment, then call again.",
  tenant_concurrency_exceeded: "This tenant has reached its number of concurrent calls. End another call, or raise limits.concurrent_calls in its config.yaml.",
  draining: "The server is shutting down. Try again when it has restarted.",
  tenant_not_found: "Choose another tenant, or add a folder with this name under tenants/.",
  invalid_config: "Open the tenant's page: it lists every fault with its line.",
  forbidden: "Your role or your key's scopes do not reach so far: ask an admin of the tenant.",
  credential_missing: "Sign in with an API key of your tenant, or with your ID token.",
  credential_invalid: "It is not known, or no longer. Ask your admin for another key, or sign in anew for a fresh token.",
  credential_revoked: "It was revoked. Ask your admin for another key.",
  credential_expired: "Sign in again with a fresh one.",
  ticket_expired: "The ticket was not used in time. Start the call again.",
  ticket_used: "The ticket was used already. Start the call again.",
  host_not_allowed: "Open the console by a host name that the server allows.",
  origin_not_allowed: "Open the console from an origin that the server allows.",
  store_unavailable: "The store cannot be read. Check the disk under data/ and run: nexus doctor",
};

/** A refused or failed request. `retryAfter_s` is 0 when the server gave none. */
export class Problem extends Error {
  constructor({ title, detail = "", code = "", status = 0, requestId = "", errors = [], retryAfter_s = 0 }) {
    super(title);
    Object.assign(this, { title, detail, code, status, requestId, errors, retryAfter_s });
  }

  /** What to do about it: the code's own fix, else the server's words. */
  get fix() {
    return [this.detail, FIXES[this.code]].filter((text, at, all) => text && all.indexOf(text) === at).join(" ");
  }

  get isCapacity() {
    return this.status === 429 || ["no_engine_slot", "draining"].includes(this.code);
  }
}

/** Read an answer's problem, whatever its shape. */
export async function problemOf(response) {
  let body = {};
  try { body = await response.json(); } catch { /* not JSON: the status says enough */ }
  return new Problem({
    title: body.title || `The server answered ${response.status}`, detail: body.detail, code: body.code, status: response.status,
    requestId: body.request_id || response.headers.get("x-request-id") || "", errors: body.errors, retryAfter_s: Number(response.headers.get("retry-after")) || 0,
  });
}

async function request(path, { signal, quietly = false, ...options } = {}) {
  let response;
  try {
    response = await fetch(`/v1${path}`, { ...options, headers: { ...options.headers, ...shown() }, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: "The server cannot be reached", detail: "Check that it runs (make run), then try again." });
  }
  if (!response.ok) {
    const problem = await problemOf(response);
    if (problem.status === 401 && !quietly) asked(problem);
    throw problem;
  }
  return response.status === 204 ? null : response.json();
}

/** Do something, once: whoever repeats it after a lost answer gives the same key. */
const post = (path, body, key = crypto.randomUUID()) => request(path, {
  method: "POST", headers: { "content-type": "application/json", "idempotency-key": key }, body: JSON.stringify(body ?? {}),
});

const tenantPath = (tenant, rest = "") => `/tenants/${encodeURIComponent(tenant)}${rest}`;

function search(query) {
  const filled = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return filled.length ? `?${new URLSearchParams(filled)}` : "";
}

export const api = {
  describe: () => request("/.well-known/nexus", { quietly: true }),
  tenants: (signal, { quietly } = {}) => request("/tenants", { signal, quietly }).then((body) => body.data),
  tenant: (tenant, signal) => request(tenantPath(tenant), { signal }),
  sessions: (tenant, query, signal) => request(tenantPath(tenant, `/sessions${search(query)}`), { signal }),
  session: (tenant, id, signal) => request(tenantPath(tenant, `/sessions/${encodeURIComponent(id)}`), { signal }),
  recording: (tenant, id, signal) => request(tenantPath(tenant, `/sessions/${encodeURIComponent(id)}/recording`), { signal }),
  leads: (tenant, query, signal) => request(tenantPath(tenant, `/leads${search(query)}`), { signal }),
  createCall: (tenant, key, body, signal) => request(tenantPath(tenant, "/calls"), {
    signal, method: "POST", headers: { "content-type": "application/json", "idempotency-key": key }, body: JSON.stringify(body),
  }),
  knowledge: (tenant, signal) => request(tenantPath(tenant, "/knowledge"), { signal }),
  document: (tenant, id, signal) => request(tenantPath(tenant, `/knowledge/${encodeURIComponent(id)}`), { signal }),
  addDocument: (tenant, key, body) => post(tenantPath(tenant, "/knowledge"), body, key),
  readAgain: (tenant, id) => post(tenantPath(tenant, `/knowledge/${encodeURIComponent(id)}:retry`)),
  deleteDocument: (tenant, id) => request(tenantPath(tenant, `/knowledge/${encodeURIComponent(id)}`), { method: "DELETE" }),
  config: (tenant, signal) => request(tenantPath(tenant, "/config"), { signal }),
  versions: (tenant, query, signal) => request(tenantPath(tenant, `/config/versions${search(query)}`), { signal }),
  startCanary: (tenant, body) => post(tenantPath(tenant, "/config:canary"), body),
  promoteCanary: (tenant) => post(tenantPath(tenant, "/config:promote")),
  abortCanary: (tenant) => post(tenantPath(tenant, "/config:abort")),
};

// What a person's token says of itself. Pure, and no proof of anything: the API checks each token; here it decides only what is shown, and when to renew.

/** The claims of an ID token; {} for an API key, or anything else that is none. */
export function claimsOf(token) {
  const parts = token.split(".");
  if (parts.length !== 3) return {};
  try {
    const bytes = Uint8Array.from(atob(parts[1].replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return claims && typeof claims === "object" && !Array.isArray(claims) ? claims : {};
  } catch { return {}; }
}

const LONGEST_BEFORE_MS = 300_000;
const SHORTEST_MS = 10_000;

/**
 * When to look for another token: five minutes before its end, or for short ones a fifth of its life; 0 where it names no end.
 * @param {number} [fresh_ms] when it was given: its life counts from then, so that a clock that goes wrong renews no more often than another.
 */
export function renewAt({ iat, exp }, fresh_ms) {
  if (!Number.isFinite(exp)) return 0;
  if (!Number.isFinite(iat)) return exp * 1000 - LONGEST_BEFORE_MS;
  const life_ms = (exp - iat) * 1000;
  const before_ms = Math.min(LONGEST_BEFORE_MS, life_ms / 5);
  return fresh_ms === undefined ? exp * 1000 - before_ms : fresh_ms + Math.max(SHORTEST_MS, life_ms - before_ms);
}

/** Roles as the API reads them: a list, or words with spaces or commas between. */
export function rolesOf(claims, name) {
  const said = claims[name] ?? [];
  return typeof said === "string" ? said.split(/[\s,]+/).filter(Boolean) : Array.isArray(said) ? said.filter((role) => typeof role === "string") : [];
}

const ADMINS = ["platform_admin", "tenant_admin"];
const READERS = [...ADMINS, "tenant_viewer"];

/** What to offer: `reads` and `changes` of configuration and knowledge. Who shows no token (the operator, an API key) is offered everything; the API decides. */
export function offered(token, rolesClaim) {
  const claims = claimsOf(token);
  if (Object.keys(claims).length === 0) return { reads: true, changes: true };
  const roles = rolesOf(claims, rolesClaim);
  return { reads: roles.some((role) => READERS.includes(role)), changes: roles.some((role) => ADMINS.includes(role)) };
}

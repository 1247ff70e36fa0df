// Keeps a person signed in: a fresh token before the old one ends, where the issuer gives one; else a word in time.
import { credential } from "./credential.js";
import { refreshed, signInRules } from "./issuer.js";
import { claimsOf, renewAt } from "./token.js";

/** Told on `window` when a token will end and cannot be renewed; `detail` is when, in ms. */
export const ENDING = "nexus:sign-in-ending";
const LONGEST_MS = 2 ** 31 - 1;
let refresh = ""; // in memory alone: a page that is loaded again asks anew
let timer;
let due_ms = 0;

/** Signed in at the issuer's page. */
export function keepTokens({ id_token: token, refresh_token: again = "" }) {
  credential.keep(token, { fromPage: true });
  refresh = again;
  arm(renewAt(claimsOf(token), Date.now()));
}

/** Forget who is there, and how to renew it. */
export function forgetTokens() {
  clearTimeout(timer);
  refresh = "";
  credential.forget();
}

/** Look at the token when its end comes near; nothing for an API key. Timers of a machine that slept go off when it wakes. */
export const watchEnd = () => arm(renewAt(claimsOf(credential.value)));

function arm(at_ms) {
  clearTimeout(timer);
  due_ms = at_ms;
  if (at_ms) timer = setTimeout(renew, Math.min(LONGEST_MS, Math.max(0, at_ms - Date.now())));
}

/** Whether the token was exchanged for a fresh one of the same person. */
export async function renewed() {
  const value = credential.value;
  try {
    if (!refresh) return false;
    const fresh = await refreshed(await signInRules(), refresh);
    if (credential.value !== value || claimsOf(fresh.id_token).sub !== claimsOf(value).sub) return false;
    keepTokens(fresh);
    return true;
  } catch { return false; }
}

async function renew() {
  const value = credential.value;
  if (Date.now() < due_ms) arm(due_ms);
  else if (!(await renewed()) && credential.value === value) window.dispatchEvent(new CustomEvent(ENDING, { detail: claimsOf(value).exp * 1000 }));
}

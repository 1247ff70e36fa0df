// Signing in at the issuer's own page, by code: RFC 6749 with PKCE (RFC 7636, S256), RFC 9207, OpenID Connect Core and Discovery. The browser is a public client: it holds no secret.
import { api, Problem } from "./api.js";
import { claimsOf } from "./token.js";

const BEGUN = "nexus.sign_in";
const WAIT_MS = 10_000;
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];
let told;
let found;

/** How people sign in here, as the API says: issuer, client, scopes; null where it takes API keys alone, or cannot be asked. */
export async function signInRules() {
  told ??= api.describe();
  try { return (await told).sign_in ?? null; } catch { told = undefined; return null; }
}

export const hasPage = (rules) => Boolean(rules?.scopes?.length);

/** Where people come back to: this console's own address, without page or query. It must stand in the client's list at the issuer, letter by letter. */
export const here = () => new URL(".", location.href).href;

/** Leave for the issuer's page. What it takes to recognise the answer stays in this tab. Throws Problem. */
export async function begin(rules) {
  if (!crypto.subtle) throw new Problem({ title: "This address cannot be signed in to", detail: "Open the console by https, or as localhost." });
  const issuer = await discovered(rules);
  const begun = { issuer: rules.issuer, client: rules.client_id, state: random(), nonce: random(), verifier: random(), hash: location.hash };
  const challenge = base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(begun.verifier)));
  sessionStorage.setItem(BEGUN, JSON.stringify(begun));
  location.assign(withQuery(issuer.authorization_endpoint, {
    response_type: "code", client_id: rules.client_id, redirect_uri: here(), scope: rules.scopes.join(" "),
    state: begun.state, nonce: begun.nonce, code_challenge: challenge, code_challenge_method: "S256",
  }));
}

/** What the issuer's page sent this tab back with, and what this tab had begun; null where it sent nothing. The address is clean afterwards. */
export function returned() {
  const said = new URLSearchParams(location.search);
  if (!["code", "state", "error"].some((name) => said.has(name))) return null;
  let begun = null;
  try { begun = JSON.parse(sessionStorage.getItem(BEGUN)); } catch { /* not ours: as if nothing had been begun */ }
  sessionStorage.removeItem(BEGUN);
  const clean = new URL(location.href);
  clean.search = "";
  clean.hash = begun?.hash ?? "";
  history.replaceState(null, "", clean);
  const answer = Object.fromEntries(["code", "state", "iss", "error", "error_description"].map((name) => [name, said.get(name) ?? ""]));
  return { answer, begun };
}

/** The tokens for an answer that was asked for here. Throws Problem, with what to do. */
export async function complete(rules, { answer, begun }) {
  if (!begun || !answer.state || answer.state !== begun.state) throw foreign("This sign-in was not begun in this tab", "Nobody was signed in by it.");
  if (!hasPage(rules)) throw foreign("This server names no sign-in page", "Or it cannot be reached at the moment.");
  if (begun.issuer !== rules.issuer || begun.client !== rules.client_id) throw foreign("The way to sign in has changed meanwhile");
  if (answer.error) throw refusal(answer);
  const issuer = await discovered(rules);
  const namesItself = issuer.authorization_response_iss_parameter_supported === true;
  if (answer.iss ? answer.iss !== issuer.issuer : namesItself) throw foreign("Another issuer has answered", "Nobody was signed in by it.");
  if (!answer.code) throw foreign("The issuer's page sent no code");
  const fields = { grant_type: "authorization_code", code: answer.code, redirect_uri: here(), client_id: rules.client_id, code_verifier: begun.verifier };
  return checked(await tokens(issuer, fields), issuer, rules, (nonce) => nonce === begun.nonce);
}

/** Fresh tokens for a refresh token. Throws Problem. */
export async function refreshed(rules, refresh) {
  const issuer = await discovered(rules);
  const fresh = await tokens(issuer, { grant_type: "refresh_token", refresh_token: refresh, client_id: rules.client_id });
  return { refresh_token: refresh, ...checked(fresh, issuer, rules, () => true) };
}

/** Where the issuer forgets this person too; "" where it has no such page. It is told the client and the way back, never the token. */
export async function leavingPage(rules) {
  const { end_session_endpoint: page } = await discovered(rules);
  // logout_uri: what Cognito calls post_logout_redirect_uri
  return isSafe(page) ? withQuery(page, { client_id: rules.client_id, post_logout_redirect_uri: here(), logout_uri: here() }) : "";
}

async function discovered(rules) {
  found ??= describe(rules);
  try { return await found; } catch (error) { found = undefined; throw error; }
}

async function describe({ issuer }) {
  const plain = (url) => String(url ?? "").replace(/\/$/, "");
  const { body } = await json(`${plain(issuer)}/.well-known/openid-configuration`, {});
  if (plain(body.issuer) !== plain(issuer)) throw unusable("it describes another issuer");
  if (!isSafe(body.authorization_endpoint) || !isSafe(body.token_endpoint)) throw unusable("it names no sign-in page, or no place for codes, by https");
  if (body.code_challenge_methods_supported && !body.code_challenge_methods_supported.includes("S256")) throw unusable("it does not take PKCE with S256");
  return body;
}

async function tokens(issuer, fields) {
  const { ok, body } = await json(issuer.token_endpoint, { method: "POST", body: new URLSearchParams(fields) });
  if (ok) return body;
  if (body.error === "invalid_grant") throw new Problem({ title: "The sign-in was not finished in time", detail: "Its code has expired, or was used already. Sign in again.", code: "invalid_grant" });
  throw refusal({ error: String(body.error ?? ""), error_description: String(body.error_description ?? "") });
}

/** The signature is the API's to check, with each request; who gave the token, for whom, and for which sign-in, is checked here. */
function checked(told, issuer, rules, isOurs) {
  const claims = claimsOf(String(told.id_token ?? ""));
  const audience = [claims.aud].flat();
  const forUs = audience.includes(rules.client_id) && (claims.azp ? claims.azp === rules.client_id : audience.length === 1);
  if (claims.iss !== issuer.issuer || !forUs || !isOurs(claims.nonce)) throw foreign("The issuer gave a token that is not for this sign-in");
  return told;
}

async function json(url, options) {
  let answer;
  let body = {};
  try {
    answer = await fetch(url, { ...options, headers: { accept: "application/json" }, credentials: "omit", redirect: "error", cache: "no-store", signal: AbortSignal.timeout(WAIT_MS) });
    body = await answer.json();
  } catch {
    if (!answer || answer.ok) throw unusable(answer ? "its answer cannot be read" : "it does not answer, or not to pages of this address");
  }
  if (!answer.ok && !options.method) throw unusable(`it answered ${answer.status}`);
  return { ok: answer.ok, body: body ?? {} };
}

const WORDS = {
  access_denied: ["You were not signed in", "The sign-in was called off, or your account may not use this console: ask your admin."],
  temporarily_unavailable: ["The issuer is busy", "Wait a minute, then sign in again."],
  server_error: ["The issuer has failed", "Wait a minute, then sign in again."],
};

function refusal({ error, error_description: said }) {
  const [title, advice] = WORDS[error] ?? ["The issuer refused the sign-in", `Ask your admin: the client there must be a public one, by code with PKCE, whose callback is ${here()}`];
  const quoted = said.replace(/\p{C}+/gu, " ").trim().slice(0, 200);
  return new Problem({ title, detail: [advice, quoted && `The issuer says: “${quoted}”`].filter(Boolean).join(" "), code: error.slice(0, 60) });
}

const foreign = (title, detail = "") => new Problem({ title, detail: `${detail} Sign in from this page.`.trim(), code: "sign_in_refused" });
const unusable = (why) => new Problem({ title: "The issuer's sign-in page cannot be used", detail: `Try again in a minute, or ask your admin: ${why}.`, code: "issuer_unusable" });

/** https, or this machine: what a description names is opened and sent codes to. */
function isSafe(url) {
  try {
    const { protocol, hostname } = new URL(url);
    return protocol === "https:" || (protocol === "http:" && LOOPBACK.includes(hostname));
  } catch { return false; }
}

function withQuery(address, fields) {
  const url = new URL(address);
  for (const [name, value] of Object.entries(fields)) url.searchParams.set(name, value);
  return url.href;
}

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));
const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

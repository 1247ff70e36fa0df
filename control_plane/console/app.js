// The frame: navigation, routes, theme; puts one page at a time into the document.
import { createCallPage } from "./call/call_page.js";
import { api } from "./core/api.js";
import { ASKED, credential } from "./core/credential.js";
import { h, icon, notice, skeleton } from "./core/dom.js";
import { begin, complete, hasPage, leavingPage, returned, signInRules } from "./core/issuer.js";
import { ENDING, forgetTokens, keepTokens, renewed, watchEnd } from "./core/renewal.js";
import { PAGES, parseRoute, routeTo } from "./core/routes.js";
import { leadsPage } from "./pages/leads.js";
import { sessionPage } from "./pages/session.js";
import { sessionsPage } from "./pages/sessions.js";
import { signInPage } from "./pages/sign_in.js";
import { tenantPage, tenantsPage } from "./pages/tenants.js";

const NAMES = { call: "Call", sessions: "Sessions", leads: "Leads", tenants: "Tenants" };
const LIVE = ["live", "ending"];

const main = document.getElementById("main");
const links = Object.fromEntries(PAGES.map((page) => [page, h("a", { href: routeTo(page) }, icon(page), h("span", {}, NAMES[page]))]));
const liveMark = h("span", { class: "live-mark", hidden: true }, h("span", { class: "visually-hidden" }, "call in progress"));
const callPage = createCallPage({ onCall: (view) => { liveMark.hidden = !LIVE.includes(view.phase); } });
let leaving = new AbortController();
let first = true;
let changed = "";

function pageFor(route) {
  const context = { route, signal: leaving.signal, go: (query) => { location.hash = routeTo(route.page, route.params, query); } };
  if (route.page === "sessions") return route.params.length === 2 ? sessionPage(context) : sessionsPage(context);
  if (route.page === "leads") return leadsPage(context);
  if (route.page === "tenants") return route.params.length ? tenantPage(context) : tenantsPage(context);
  return callPage;
}

function show() {
  signOut.hidden = !credential.value;
  leaving.abort();
  leaving = new AbortController();
  const route = parseRoute(location.hash);
  const page = pageFor(route);
  for (const [name, link] of Object.entries(links)) {
    if (name === route.page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${page.title} · Nexus Voice`;
  main.replaceChildren(page.element);
  page.open?.(route);
  if (!first && !keepsFocus()) page.element.querySelector("h1")?.focus({ preventScroll: true });
  if (!first) window.scrollTo(0, 0);
  first = false;
}

/** After a filter the new page shows the same field: the keyboard stays there. */
function keepsFocus() {
  const field = changed ? document.getElementById(changed) : null;
  changed = "";
  field?.focus({ preventScroll: true });
  return Boolean(field);
}

function themeButton() {
  const label = h("span", {}, "");
  const button = h("button", { class: "theme", type: "button", id: "theme" }, icon("sun"), icon("moon"), label);
  const name = () => { label.textContent = window.nexusTheme.current() === "dark" ? "Light theme" : "Dark theme"; };
  button.addEventListener("click", () => { window.nexusTheme.toggle(); name(); });
  name();
  return button;
}

/** The API wants to know who is there: whatever page was asked for waits behind the form. */
async function askForCredential({ detail: problem }) {
  if (main.querySelector(".sign-in")) return undefined;
  if (problem.code === "credential_expired" && (await renewed())) return show(); // a machine that slept
  leaving.abort();
  forgetTokens();
  toast.replaceChildren();
  const page = signInPage(problem, await signInRules(), signedIn);
  if (main.querySelector(".sign-in")) return undefined; // two requests were refused at once
  document.title = `${page.title} · Nexus Voice`;
  main.replaceChildren(page.element);
  signOut.hidden = true;
  return page.open();
}

function signedIn() {
  watchEnd();
  show();
}

/** Back from the issuer's page. Whoever is signed in already stays so, whatever a link brings. */
async function arrive(answer) {
  if (credential.value) return tell(notice({ tone: "warn", title: "A sign-in was not taken", text: "You are signed in already: sign out first." }));
  main.replaceChildren(h("div", { class: "page" }, skeleton(3)));
  try {
    keepTokens(await complete(await signInRules(), answer));
    await api.tenants(undefined, { quietly: true });
  } catch (error) {
    if (error.status && error.status !== 401) return undefined; // known; its pages say what they may not see
    forgetTokens();
    await askForCredential({ detail: error });
    return "refused";
  }
  return undefined;
}

/** A word that no page waits for. */
function tell(...what) {
  const close = h("button", { class: "button small", type: "button", on: { click: () => toast.replaceChildren() } }, "Close");
  toast.replaceChildren(...what, close);
}

/** A token that cannot be renewed: leaving now would end a call, so it is said, and not done. */
async function sayEnding({ detail: at }) {
  const rules = await signInRules();
  const again = hasPage(rules) && h("button", { class: "button small primary", type: "button", on: { click: () => { forgetTokens(); begin(rules).catch((problem) => askForCredential({ detail: problem })); } } }, "Sign in again");
  const time = new Date(at).toLocaleTimeString("en-GB", { timeStyle: "short" });
  tell(notice({ tone: "warn", title: `Your sign-in ends at ${time}`, text: "A call that lives goes on; everything else asks you then.", actions: [again].filter(Boolean) }));
}

/** Out here, and at the issuer where it has a page for that. */
async function leave() {
  const fromPage = credential.fromPage;
  forgetTokens();
  let page = "";
  if (fromPage) try { page = await leavingPage(await signInRules()); } catch { /* signed out here all the same */ }
  if (page) location.assign(page);
  else location.reload();
}

const signOut = h("button", { class: "theme", type: "button", id: "sign-out", "aria-label": "Sign out", hidden: true, on: { click: leave } }, icon("leave"), h("span", {}, "Sign out"));
const toast = h("div", { class: "toast", "aria-live": "polite" });

links.call.append(liveMark);
document.getElementById("nav").append(...Object.values(links));
document.getElementById("foot").append(signOut, themeButton());
document.body.append(toast);
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
document.addEventListener("change", (event) => { changed = event.target.id; }, true);
window.addEventListener("hashchange", show);
window.addEventListener(ASKED, askForCredential);
window.addEventListener(ENDING, sayEnding);
watchEnd();
const answer = returned();
if (!answer || (await arrive(answer)) !== "refused") show();

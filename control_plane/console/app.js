// The frame: navigation, routes, theme; puts one page at a time into the document.
import { createCallPage } from "./call/call_page.js";
import { ASKED, credential } from "./core/credential.js";
import { h, icon } from "./core/dom.js";
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
function askForCredential({ detail: problem }) {
  if (main.querySelector(".sign-in")) return;
  leaving.abort();
  const page = signInPage(problem, show);
  document.title = `${page.title} · Nexus Voice`;
  main.replaceChildren(page.element);
  signOut.hidden = true;
  page.open();
}

const signOut = h("button", { class: "theme", type: "button", id: "sign-out", hidden: true, on: { click: () => { credential.forget(); location.reload(); } } }, "Sign out");

links.call.append(liveMark);
document.getElementById("nav").append(...Object.values(links));
document.getElementById("foot").append(signOut, themeButton());
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
document.addEventListener("change", (event) => { changed = event.target.id; }, true);
window.addEventListener("hashchange", show);
window.addEventListener(ASKED, askForCredential);
show();

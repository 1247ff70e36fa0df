// Asks who is there where the API wants to know: by the issuer's own page, where it has one, or by an API key or ID token that is pasted.
import { api } from "../core/api.js";
import { credential } from "../core/credential.js";
import { h, notice } from "../core/dom.js";
import { begin, hasPage } from "../core/issuer.js";

/**
 * @param {object|null} problem what went wrong, or is asked for.
 * @param {object|null} rules how people sign in here, as the API says.
 * @param {() => void} done called when the API takes what was pasted.
 */
export function signInPage(problem, rules, done) {
  const told = h("div", { "aria-live": "polite" }, problem && problem.code !== "credential_missing" ? refusal(problem) : null);
  const pasted = pasteForm(told, done);
  const leave = hasPage(rules) && h("button", { class: "button primary", type: "button", id: "sign-in", on: { click: go } }, "Sign in");
  const ways = leave
    ? [h("p", { class: "quiet" }, `At the page of your issuer (${new URL(rules.issuer).host}), which sends you back here.`), leave, h("details", {}, h("summary", {}, "With an API key or an ID token"), pasted)]
    : [pasted];
  const element = h("div", { class: "page" }, h("div", { class: "page-head" }, h("h1", { tabindex: "-1" }, "Sign in")), h("section", { class: "card block sign-in" }, told, ways));
  return { element, title: "Sign in", open: () => (leave || element.querySelector("input")).focus() };

  async function go() {
    leave.disabled = true;
    try {
      await begin(rules);
    } catch (error) {
      told.replaceChildren(refusal(error));
    } finally {
      leave.disabled = false; // who comes back by the browser's own button may try again
    }
  }
}

function pasteForm(told, done) {
  const field = h("input", { id: "credential", type: "password", name: "credential", autocomplete: "off", spellcheck: "false", required: true });
  const submit = h("button", { class: "button", type: "submit" }, "Use it");
  return h("form", { class: "stack", on: { submit: send } }, h("div", { class: "field" }, h("label", { for: "credential" }, "API key or ID token"), field),
    h("p", { class: "quiet fine" }, "It is kept in this tab until you close it or sign out, and sent to this host only."), submit);

  async function send(event) {
    event.preventDefault();
    credential.keep(field.value.trim().replace(/^Bearer\s+/i, ""));
    submit.disabled = true;
    try {
      await api.tenants(undefined, { quietly: true });
      done();
    } catch (error) {
      if (error.status && error.status !== 401) return done(); // known, and may do something else
      credential.forget();
      told.replaceChildren(refusal(error));
    } finally {
      submit.disabled = false;
    }
    return undefined;
  }
}

const refusal = (error) => notice({ tone: "bad", title: error.title ?? error.message, text: error.fix });

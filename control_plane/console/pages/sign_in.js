// Asks for a credential where the API wants one: an API key of a tenant, or a person's ID token.
import { api } from "../core/api.js";
import { credential } from "../core/credential.js";
import { h, notice } from "../core/dom.js";

/**
 * @param {object} problem why it is asked for.
 * @param {() => void} done called when the API takes it.
 */
export function signInPage(problem, done) {
  const field = h("input", { id: "credential", type: "password", name: "credential", autocomplete: "off", spellcheck: "false", required: true });
  const submit = h("button", { class: "button primary", type: "submit" }, "Sign in");
  const told = h("div", { "aria-live": "polite" }, credential.value ? refusal(problem) : null);
  const form = h("form", { class: "card block sign-in", on: { submit: send } }, told,
    h("div", { class: "field" }, h("label", { for: "credential" }, "API key or ID token"), field),
    h("p", { class: "quiet fine" }, "It is kept in this tab until you close it or sign out, and sent to this host only."), submit);
  const element = h("div", { class: "page" }, h("div", { class: "page-head" }, h("h1", { tabindex: "-1" }, "Sign in")), form);
  return { element, title: "Sign in", open: () => field.focus() };

  async function send(event) {
    event.preventDefault();
    credential.keep(field.value.trim().replace(/^Bearer\s+/i, ""));
    submit.disabled = true;
    try {
      await api.tenants(undefined, { quietly: true });
      done();
    } catch (error) {
      if (error.status && error.status !== 401) return done(); // known, and may do something else
      if (error.status === 401) credential.forget();
      told.replaceChildren(refusal(error));
    } finally {
      submit.disabled = false;
    }
    return undefined;
  }
}

const refusal = (error) => notice({ tone: "bad", title: error.title ?? error.message, text: error.fix });

// What this person shows with each request: an API key or an ID token. It lives as long as the tab, and nowhere but here.

const NAME = "nexus.credential";
/** Told on `window` when the API asks who is there; `detail` is the problem. */
export const ASKED = "nexus:credential-asked";

export const credential = {
  get value() { return sessionStorage.getItem(NAME) ?? ""; },
  keep(value) { sessionStorage.setItem(NAME, value); },
  forget() { sessionStorage.removeItem(NAME); },
};

/** The header of a request; none where nobody has signed in. */
export const shown = () => (credential.value ? { authorization: `Bearer ${credential.value}` } : {});

/** The API did not take what it was shown, or was shown nothing. */
export function asked(problem) {
  window.dispatchEvent(new CustomEvent(ASKED, { detail: problem }));
}

// What this person shows with each request: an API key or an ID token. It lives as long as the tab, and nowhere but here.

const NAME = "nexus.credential";
const FROM_PAGE = "nexus.from_page";
/** Told on `window` when the API asks who is there; `detail` is the problem. */
export const ASKED = "nexus:credential-asked";

export const credential = {
  get value() { return sessionStorage.getItem(NAME) ?? ""; },
  /** Whether it came from the issuer's page, which then remembers this person too. */
  get fromPage() { return sessionStorage.getItem(FROM_PAGE) !== null; },
  keep(value, { fromPage = false } = {}) {
    sessionStorage.setItem(NAME, value);
    if (fromPage) sessionStorage.setItem(FROM_PAGE, "");
    else sessionStorage.removeItem(FROM_PAGE);
  },
  forget() {
    sessionStorage.removeItem(NAME);
    sessionStorage.removeItem(FROM_PAGE);
  },
};

/** The header of a request; none where nobody has signed in. */
export const shown = () => (credential.value ? { authorization: `Bearer ${credential.value}` } : {});

/** The API did not take what it was shown, or was shown nothing. */
export function asked(problem) {
  window.dispatchEvent(new CustomEvent(ASKED, { detail: problem }));
}

// A card that loads itself, and again after each change; what was refused stands above what is there.
import { h, notice, skeleton } from "../core/dom.js";

/**
 * @param {{id: string, title: string, load: () => Promise<Node[]>}} card what `load` gives is its content.
 * @returns {{element: HTMLElement, refresh: () => Promise, act: (work: () => Promise) => Promise}} `act` does a piece of work, tells its problem, and loads anew.
 */
export function keptCard({ id, title, load }) {
  const told = h("div", { "aria-live": "polite" });
  const body = h("div", { class: "stack" }, skeleton(2));
  const element = h("section", { class: "card block", id }, h("h2", {}, title), told, body);
  return { element, refresh, act };

  async function refresh() {
    try {
      body.replaceChildren(...(await load()).filter(Boolean));
    } catch (error) {
      if (error.name === "AbortError") return;
      const again = h("button", { class: "button small", type: "button", on: { click: refresh } }, "Load again");
      body.replaceChildren(error.status === 403 ? h("p", { class: "quiet" }, error.fix) : problem(error, [again]));
    }
  }

  async function act(work) {
    told.replaceChildren();
    element.setAttribute("aria-busy", "true");
    try {
      await work();
      await refresh();
      return true;
    } catch (error) {
      if (error.name !== "AbortError") told.replaceChildren(problem(error));
      return false;
    } finally {
      element.removeAttribute("aria-busy");
    }
  }
}

const faults = (error) => (error.errors ?? []).map((fault) => [fault.pointer, fault.detail].filter(Boolean).join(": ")).filter((text) => text && !error.fix.includes(text));
const problem = (error, actions = []) => notice({ tone: "bad", title: error.title ?? error.message, text: [error.fix, ...faults(error)].filter(Boolean).join(" "), actions });

// Elements from plain values: text is always text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 * @param {string} tag
 * @param {object} props attributes; `class`, `on` (listeners by event), `dataset`; false, null and undefined are left out.
 * @param {...(Node|string|number|null|false|Array)} children
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== "").map(asNode));
  return element;
}

const asNode = (child) => (child instanceof Node ? child : document.createTextNode(String(child)));

const ICONS = {
  call: "M5 4h3.5l1.8 4.4-2.2 1.4a11 11 0 0 0 6.1 6.1l1.4-2.2L20 15.5V19a1.6 1.6 0 0 1-1.7 1.6A14.8 14.8 0 0 1 3.4 5.7 1.6 1.6 0 0 1 5 4z",
  hangup: "M3 14.5c5.6-5 12.4-5 18 0l-1.6 3.2-4-1.2v-2.6a10 10 0 0 0-6.8 0v2.6l-4 1.2z",
  sessions: "M4 6h16M4 12h16M4 18h10",
  leads: "M12 12.5a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20c.8-3.4 3.8-5 7.5-5s6.7 1.6 7.5 5",
  tenants: "M4 20V6.5L11 4v16M11 9.5h9V20M3 20h18M14.5 13h2M14.5 16.5h2M7 9h.5M7 12.5h.5M7 16h.5",
  mic: "M12 14.5a3 3 0 0 0 3-3v-5a3 3 0 0 0-6 0v5a3 3 0 0 0 3 3zM6 11.5a6 6 0 0 0 12 0M12 17.5V21",
  muted: "M4 4l16 16M9 9v2.5a3 3 0 0 0 4.6 2.5M15 10.5v-4a3 3 0 0 0-5.7-1.3M6 11.5a6 6 0 0 0 9.3 5M18 11.5c0 .8-.2 1.6-.5 2.3M12 17.5V21",
  send: "M5 12h13M12.5 6l6 6-6 6",
  tool: "M14.5 6.5a4 4 0 0 1 5-1l-2.7 2.7 1.5 1.5L21 7a4 4 0 0 1-5.4 5L8.5 19a2 2 0 0 1-3-3l7.1-7.1a4 4 0 0 1 1.9-2.4z",
  alert: "M12 8.5v4.5M12 16.5v.1M10.3 4.3 2.9 17.5A2 2 0 0 0 4.6 20.5h14.8a2 2 0 0 0 1.7-3L13.7 4.3a2 2 0 0 0-3.4 0z",
  info: "M12 11v5.5M12 7.7v.1M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
  back: "M14.5 6l-6 6 6 6",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2.5V5M12 19v2.5M2.5 12H5M19 12h2.5M5.3 5.3 7 7M17 17l1.7 1.7M18.7 5.3 17 7M7 17l-1.7 1.7",
  moon: "M20 14.5A8.3 8.3 0 0 1 9.5 4 8.3 8.3 0 1 0 20 14.5z",
  leave: "M10 4.5H5.5v15H10M10 12h9.5M15.5 8l4 4-4 4",
  check: "M5 12.5l4.5 4.5L19 7.5",
  copy: "M9 9h10v11H9zM5 15V4h10",
};

/** A line icon of 24 units, hidden from assistive technology. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A label over a select. `options`: [value, text] pairs. */
export function selectField({ id, label, options, value, onChange }) {
  const select = h("select", { id, on: { change: (event) => onChange(event.target.value) } }, options.map(([key, text]) => h("option", { value: key }, text)));
  select.value = value;
  return h("div", { class: "field" }, h("label", { for: id }, label), select);
}

/** A button that asks once more before it acts: the first click asks, leaving it takes the question back. */
export function askingButton({ text, question, act, css = "button small" }) {
  const button = h("button", { class: css, type: "button", on: { click, blur: () => { button.textContent = text; } } }, text);
  return button;

  function click() {
    if (button.textContent !== question) button.textContent = question;
    else act(button);
  }
}

/** A message box: what happened, how to mend it, and what can be done from here. */
export function notice({ tone = "info", title, text, actions = [] }) {
  const role = tone === "bad" ? "alert" : "status";
  return h("div", { class: `notice ${tone}`, role }, icon(tone === "info" ? "info" : "alert"),
    h("div", { class: "notice-body" }, h("strong", {}, title), text && h("p", {}, text), actions.length > 0 && h("div", { class: "actions" }, actions)));
}

/** What stands where nothing is yet. */
export function emptyState({ glyph, title, text, action }) {
  return h("div", { class: "empty" }, h("span", { class: "empty-icon" }, icon(glyph)), h("h2", {}, title), h("p", {}, text), action);
}

/** Grey bars in the place of rows that are still loading. */
export const skeleton = (rows = 6) => h("div", { class: "skeleton", role: "status", "aria-label": "Loading" }, Array.from({ length: rows }, () => h("i")));

/** A small coloured word. `tone`: good, warn, bad, quiet. */
export const badge = (text, tone = "quiet") => h("span", { class: `badge ${tone}` }, text);

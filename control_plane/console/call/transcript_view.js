// The transcript on the page: one line for each entry, changed in place.
import { h, icon } from "../core/dom.js";
import { clock, duration, latencyStages, latencyTone, seconds } from "../core/format.js";

/** A list that follows a transcript. `show(entries)` patches it; final words are told to assistive technology once. */
export function transcriptView() {
  const list = h("ol", { class: "lines", "aria-label": "Transcript" });
  const spoken = h("div", { class: "visually-hidden", "aria-live": "polite", role: "log", "aria-label": "Live transcript" });
  const scroller = h("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": "Transcript, scrollable" }, list);
  const shown = new Map();

  function show(entries) {
    const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
    if (entries.length === 0) clear();
    entries.forEach((entry) => patch(entry));
    if (atEnd) scroller.scrollTop = scroller.scrollHeight;
  }

  function clear() {
    list.replaceChildren();
    spoken.replaceChildren();
    shown.clear();
  }

  function patch(entry) {
    const known = shown.get(entry.id);
    if (known?.entry === entry) return;
    const element = line(entry);
    if (known) known.element.replaceWith(element);
    else list.append(element);
    shown.set(entry.id, { entry, element });
    if (entry.final && !known?.entry.final) tell(entry);
  }

  function tell(entry) {
    spoken.append(h("p", {}, `${entry.role === "caller" ? "You" : "Agent"}: ${entry.text}`));
    if (spoken.children.length > 6) spoken.firstChild.remove();
  }

  return { element: h("div", { class: "transcript" }, scroller, spoken), show };
}

/** One entry as a list item. */
export function line(entry) {
  if (entry.kind === "tool") return toolLine(entry);
  if (entry.kind === "note") return h("li", { class: `line note-line ${entry.tone ?? ""}` }, entry.text);
  return turnLine(entry);
}

function turnLine(entry) {
  const marks = [
    h("span", { class: "who" }, entry.role === "caller" ? "Caller" : "Agent"),
    entry.at_ms >= 0 && h("span", { class: "at" }, clock(entry.at_ms)),
    entry.typed && h("span", { class: "mark" }, "typed"),
    entry.interrupted && h("span", { class: "mark" }, "interrupted"),
    entry.stages && latencyChip(entry.stages),
  ];
  const words = [entry.text, entry.unheard && h("del", { title: "Not heard by the caller" }, ` ${entry.unheard}`)];
  const css = `line turn ${entry.role}${entry.final === false ? " partial" : ""}${entry.interrupted ? " interrupted" : ""}`;
  return h("li", { class: css }, h("p", { class: "bubble" }, words), h("div", { class: "marks" }, marks));
}

const TOOL_WORDS = { running: "running", done: "done", failed: "failed", refused: "refused", replayed: "done before", cancelled: "cancelled", unknown: "outcome unknown" };

function toolLine(entry) {
  const time = entry.status !== "running" && entry.duration_ms > 0 ? ` · ${duration(entry.duration_ms)}` : "";
  return h("li", { class: `line tool-line ${entry.status}` }, icon(entry.status === "failed" ? "alert" : "tool"), h("code", {}, entry.name),
    h("span", {}, `${TOOL_WORDS[entry.status] ?? entry.status}${time}`));
}

/** "0.92 s"; hover, focus or tap shows where the time went. */
export function latencyChip(stages) {
  const rows = latencyStages(stages).map(([name, ms, share]) => {
    const bar = h("i", { class: "share" });
    bar.style.setProperty("--share", share.toFixed(3));
    return h("span", { class: "stage-row" }, h("span", {}, name), bar, h("b", {}, `${Math.round(ms)} ms`));
  });
  const button = h("button", { class: `chip ${latencyTone(stages.e2e)}`, type: "button", "aria-expanded": "false", "aria-label": `Answered after ${seconds(stages.e2e)}: show stages` }, seconds(stages.e2e));
  button.addEventListener("click", () => button.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") !== "true")));
  button.addEventListener("keydown", (event) => { if (event.key === "Escape") button.setAttribute("aria-expanded", "false"); });
  button.addEventListener("blur", () => button.setAttribute("aria-expanded", "false"));
  return h("span", { class: "latency" }, button, h("span", { class: "stages", role: "group", "aria-label": "Latency by stage" }, rows));
}

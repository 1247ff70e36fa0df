// The left half of the call page: who is called, how the call stands, levels and buttons.
import { h, icon, selectField } from "../core/dom.js";
import { clock, meter } from "../core/format.js";

const STATES = { connecting: "Connecting…", listening: "Listening", thinking: "Thinking", speaking: "Speaking", tool: "Using a tool" };
const PHASES = { idle: "Ready to call", asking: "Waiting for the microphone", connecting: "Connecting", ending: "Hanging up", ended: "Call ended", failed: "Not connected", nomic: "No microphone" };

/**
 * @param {Array<{id, name, status}>} tenants
 * @param {{start: (options) => void, hangUp: () => void, toggleMute: () => void, choose: (tenant: string) => void}} actions
 * @returns {{element, show: (view) => void, level: (who, rms) => void, tick: (view, now_ms) => void, tenant: () => string}}
 */
export function stageView(tenants, chosen, actions) {
  const options = tenants.map((tenant) => [tenant.id, (tenant.name || tenant.id) + (tenant.status === "broken" ? " (broken)" : "")]);
  const field = selectField({ id: "tenant", label: "Tenant", options, value: chosen, onChange: actions.choose });
  const parts = {
    select: field.querySelector("select"), state: h("p", { class: "state", role: "status" }), timer: h("p", { class: "timer", role: "timer", "aria-label": "Call time" }, "0:00"),
    mode: h("p", { class: "mode" }), orb: h("div", { class: "orb", "aria-hidden": "true" }, h("i", { class: "halo" }), h("i", { class: "ring" }), h("i", { class: "core" })),
    caller: bar("You", "caller"), agent: bar("Agent", "agent"), ...buttons(actions),
  };
  const element = h("section", { class: "stage card", "aria-label": "Call" }, field, parts.orb,
    h("div", { class: "standing" }, parts.state, parts.timer, parts.mode), h("div", { class: "meters" }, parts.caller.element, parts.agent.element),
    h("div", { class: "controls" }, parts.start, parts.typed, parts.mute, parts.hangUp));
  return { element, show: (view) => show(element, parts, view), level: (who, rms) => level(parts, who, rms), tick, tenant: () => parts.select.value };

  function tick(view, now_ms) {
    const time = clock(view.startedAt_ms ? (view.endedAt_ms || now_ms) - view.startedAt_ms : 0);
    if (parts.timer.textContent !== time) parts.timer.textContent = time;
  }
}

function bar(label, who) {
  const element = h("div", { class: `meter ${who}`, role: "meter", "aria-label": `${label} level`, "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0" },
    h("span", {}, label), h("i", {}));
  return { element };
}

function buttons({ start, hangUp, toggleMute }) {
  return {
    start: h("button", { class: "button primary", type: "button", id: "start", on: { click: () => start({ microphone: true }) } }, icon("call"), "Start call"),
    typed: h("button", { class: "button ghost", type: "button", id: "start-typed", on: { click: () => start({ microphone: false }) } }, "Type only"),
    mute: h("button", { class: "button", type: "button", id: "mute", "aria-pressed": "false", on: { click: toggleMute } }, icon("mic"), h("span", {}, "Mute")),
    hangUp: h("button", { class: "button danger", type: "button", id: "stop", on: { click: hangUp } }, icon("hangup"), h("span", {}, "Hang up")),
  };
}

function level(parts, who, rms) {
  const value = meter(rms);
  parts[who].element.style.setProperty("--level", value.toFixed(3));
  parts[who].element.setAttribute("aria-valuenow", String(Math.round(value * 100)));
  parts.orb.style.setProperty(`--${who}`, value.toFixed(3));
}

function show(element, parts, view) {
  const busy = ["asking", "connecting", "live", "ending"].includes(view.phase);
  Object.assign(element.dataset, { phase: view.phase, state: view.phase === "live" ? view.agent : "" });
  setText(parts.state, view.phase === "live" ? STATES[view.agent] ?? view.agent : PHASES[view.phase]);
  setText(parts.mode, modeWords(view));
  parts.select.disabled = busy;
  const focused = document.activeElement;
  parts.start.hidden = busy;
  parts.typed.hidden = busy;
  parts.hangUp.hidden = !busy;
  parts.hangUp.disabled = view.phase === "ending";
  parts.mute.hidden = view.phase !== "live" || view.mic === "off";
  parts.mute.setAttribute("aria-pressed", String(view.mic === "muted"));
  setText(parts.mute.lastChild, view.mic === "muted" ? "Unmute" : "Mute");
  setText(parts.start.lastChild, ["ended", "failed"].includes(view.phase) ? "Call again" : "Start call");
  setText(parts.hangUp.lastChild, view.phase === "live" || view.phase === "ending" ? "Hang up" : "Cancel");
  // A button that disappears must not take the keyboard's place with it.
  if (focused?.hidden && element.contains(focused)) (busy ? parts.hangUp : parts.start).focus();
}

function modeWords(view) {
  if (!["live", "ending"].includes(view.phase)) return "";
  if (view.mode === "text_only") return `Text only · ${view.modeReason.replaceAll("_", " ")}`;
  return { on: "Voice · microphone on", muted: "Voice · microphone muted", off: "Voice · you type" }[view.mic];
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// The call page: stage on one side, transcript and text box on the other. It lives on while other pages are open.
import { api } from "../core/api.js";
import { badge, emptyState, h, icon, notice, skeleton } from "../core/dom.js";
import { duration, endedBecause } from "../core/format.js";
import { routeTo } from "../core/routes.js";
import { LiveCall } from "./live_call.js";
import { stageView } from "./stage_view.js";
import { transcriptView } from "./transcript_view.js";

const TICK_MS = 250;
const LOOK_FOR_SESSION_MS = 1000;
const LOOKS = 15;

const MICROPHONE = {
  denied: ["The microphone is blocked", "Allow it with the icon in the address bar, then start again. Or hold the call by typing."],
  missing: ["No microphone was found", "Plug one in or choose one in the system settings, then start again. Or hold the call by typing."],
  busy: ["The microphone is in use", "Close the other program that uses it, then start again. Or hold the call by typing."],
  insecure: ["The browser gives no microphone here", "Open the console by https or by http://localhost. Or hold the call by typing."],
};

/** @param {{onCall: (view) => void}} listeners told at each change of the call, for the navigation. */
export function createCallPage({ onCall }) {
  const element = h("div", { class: "page call-page" }, h("h1", { class: "visually-hidden", tabindex: "-1" }, "Call"), skeleton(4));
  const page = { element, title: "Call", open };
  const state = { stage: null, last: null };
  const call = new LiveCall({ onChange: (view) => { state.render?.(view); onCall(view); }, onLevel: (who, rms) => state.stage?.level(who, rms) });
  setInterval(() => state.stage?.tick(call.view, Date.now()), TICK_MS);
  return page;

  async function open(route) {
    if (call.busy || (state.stage && call.view.phase === "ended" && !route.params[0])) return;
    try {
      const tenants = await api.tenants();
      if (!call.busy) build(tenants, route.params[0]);
    } catch (error) {
      put(notice({ tone: "bad", title: error.title ?? error.message, text: error.fix, actions: [again("Try again", () => open(route))] }));
    }
  }

  function put(...children) {
    element.replaceChildren(element.firstChild, ...children);
  }

  function build(tenants, wanted) {
    if (tenants.length === 0) return put(emptyState({ glyph: "tenants", title: "No tenants yet", text: "Make one with: nexus tenant new my_shop. It can be called at once, without a restart." }));
    const usable = tenants.find((tenant) => tenant.id === (wanted || state.last)) ?? tenants.find((tenant) => tenant.status === "active" && tenant.config_version !== null) ?? tenants[0];
    const panel = talkPanel(call, tenants, start);
    state.stage = stageView(tenants, usable.id, { start, hangUp: () => call.hangUp(), toggleMute: () => call.toggleMute(), choose: (id) => { state.last = id; panel.choose(id); } });
    state.render = (view) => { state.stage.show(view); panel.show(view); };
    put(h("div", { class: "call-grid" }, state.stage.element, panel.element));
    panel.choose(usable.id);
    state.render(call.view);
  }

  function start(options) {
    state.last = state.stage.tenant();
    call.start(state.last, options);
  }
}

const again = (text, click) => h("button", { class: "button small", type: "button", on: { click } }, text);

function talkPanel(call, tenants, start) {
  const lines = transcriptView();
  const notices = h("div", { class: "notices" });
  const hint = h("div", { class: "talk-hint" });
  const facts = h("div", { class: "talk-facts" });
  const summary = h("div", { class: "call-summary" });
  const { form, input, send } = composer(call);
  const element = h("section", { class: "talk card", "aria-label": "Conversation" },
    h("div", { class: "talk-head" }, h("h2", {}, "Conversation"), facts), notices, h("div", { class: "talk-body" }, lines.element, hint), summary, form);
  let phase = "";

  function show(view) {
    lines.show(view.transcript.entries);
    input.disabled = send.disabled = view.phase !== "live";
    input.placeholder = view.phase === "live" ? "Type instead of speaking" : "You can type once the call is on";
    hint.hidden = view.transcript.entries.length > 0 || view.phase === "ended";
    if (view.phase === phase) return;
    phase = view.phase;
    facts.replaceChildren(...(view.callId ? [h("code", { class: "quiet", title: "Call id" }, view.callId)] : []));
    notices.replaceChildren(...noticesFor(view, start));
    summary.replaceChildren(...(phase === "ended" ? [endCard(view, call)] : []));
    if (phase === "live" && view.mic === "off") input.focus();
  }

  function choose(id) {
    const tenant = tenants.find((each) => each.id === id);
    const broken = tenant.status === "broken";
    hint.replaceChildren(broken
      ? notice({ tone: "bad", title: `${tenant.id} cannot be called`, text: `Its configuration has ${tenant.faults?.length || "some"} faults.`, actions: [h("a", { class: "button small", href: routeTo("tenants", [id]) }, "Show the faults")] })
      : emptyState({ glyph: "call", title: `Talk to ${tenant.name || tenant.id}`, text: "Start the call and speak. What is said, the tools used and the time to each answer appear here." }));
  }

  return { element, show, choose };
}

function composer(call) {
  const input = h("input", { id: "say", type: "text", maxlength: "2000", autocomplete: "off", disabled: true });
  const send = h("button", { class: "button primary square", type: "submit", "aria-label": "Send", disabled: true }, icon("send"));
  const form = h("form", { class: "composer" }, h("label", { for: "say", class: "visually-hidden" }, "Type to the agent"), input, send);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text) call.say(text);
    input.value = "";
  });
  return { form, input, send };
}

function noticesFor(view, start) {
  if (view.phase === "nomic") {
    const [title, text] = MICROPHONE[view.micProblem];
    return [notice({ tone: "warn", title, text, actions: [again("Try again", () => start({ microphone: true })), again("Continue by typing", () => start({ microphone: false }))] })];
  }
  if (!view.problem) return [];
  const { title, fix, requestId, isCapacity, retryAfter_s } = view.problem;
  const wait = isCapacity && retryAfter_s ? ` There may be room in ${retryAfter_s} s.` : "";
  return [notice({ tone: isCapacity ? "warn" : "bad", title, text: `${fix}${wait}${requestId ? ` Request ${requestId}.` : ""}`, actions: [again("Call again", () => start({ microphone: true }))] })];
}

function endCard(view, call) {
  const link = h("span", { class: "quiet" }, "The session is being written …");
  findSession(view, call).then((found) => link.replaceWith(found
    ? h("a", { class: "button small", href: routeTo("sessions", [view.tenant, view.callId]) }, "Open the session")
    : h("a", { class: "button small", href: routeTo("sessions", [], { tenant: view.tenant }) }, "All sessions")));
  const answers = view.transcript.entries.filter((entry) => entry.stages);
  return h("div", { class: "end-card", role: "status" },
    h("div", {}, h("strong", {}, endedBecause(view.endReason)),
      h("p", { class: "quiet" }, `${duration(view.endedAt_ms - view.startedAt_ms)} · ${answers.length} ${answers.length === 1 ? "answer" : "answers"} timed · `, badge(view.endReason))), link);
}

/** Wait until the session is in the list; false when it does not come. */
async function findSession(view, call) {
  for (let look = 0; look < LOOKS && call.view.callId === view.callId; look += 1) {
    try {
      const { data } = await api.sessions(view.tenant, { limit: 10 });
      if (data.some((row) => row.id === view.callId)) return true;
    } catch { /* the link to all sessions stands in for it */ }
    await new Promise((resolve) => setTimeout(resolve, LOOK_FOR_SESSION_MS));
  }
  return false;
}

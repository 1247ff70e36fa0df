// The sound of a call: asked for when somebody wants to listen, since its address works for minutes only.
import { api } from "../core/api.js";
import { h, notice } from "../core/dom.js";
import { duration } from "../core/format.js";

const WHY_NONE = {
  disabled: "Not recorded: the tenant's configuration says so.", refused: "Not recorded: the caller did not agree.",
  failed: "The recording failed.", lost: "The recording was lost with the process that carried the call.",
};

/** What a session's card about its recording shows. `recording` is the record's trace. */
export function recordingView(tenant, id, recording = { status: "disabled" }) {
  if (recording.status !== "stored") return h("p", { class: "quiet" }, WHY_NONE[recording.status] ?? recording.status);
  const listen = h("button", { class: "button small", type: "button", on: { click: load } }, `Listen (${duration(recording.duration_ms)})`);
  const box = h("div", { class: "stack" }, listen, h("p", { class: "quiet fine" }, "Caller on the left, agent on the right."));
  return box;

  async function load() {
    listen.disabled = true;
    try {
      const { url } = await api.recording(tenant, id);
      const player = h("audio", { controls: "", preload: "auto", src: url, "aria-label": "Recording of this call" });
      box.replaceChild(player, box.firstChild);
      await player.play().catch(() => undefined); // a browser may want another click
    } catch (error) {
      box.replaceChild(notice({ tone: "warn", title: error.title ?? error.message, text: error.fix ?? "" }), box.firstChild);
    }
  }
}

// A tenant's uploaded knowledge: what there is and whether it can be used, more of it, less of it.
import { api, Problem } from "../core/api.js";
import { askingButton, badge, h, selectField } from "../core/dom.js";
import { ago, dateTime } from "../core/format.js";
import { keptCard } from "./kept_card.js";

const KINDS = { "text/markdown": "Markdown", "text/plain": "Text", "text/html": "HTML", "text/csv": "Table (CSV)", "application/json": "JSON" };
const ENDINGS = { md: "text/markdown", markdown: "text/markdown", txt: "text/plain", html: "text/html", htm: "text/html", csv: "text/csv", json: "application/json" };
const STATUS = { ready: ["Ready", "good"], pending: ["Not read yet", "warn"], failed: ["Failed", "bad"] };
const size = (bytes) => (bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`);

/** @param {{tenant: string, may: {changes: boolean}, signal: AbortSignal}} context */
export function knowledgeCard({ tenant, may, signal }) {
  const form = may.changes ? addForm() : null;
  const card = keptCard({ id: "knowledge", title: "Knowledge", load });
  card.refresh();
  return card.element;

  async function load() {
    const shelf = await api.knowledge(tenant, signal);
    const used = h("p", { class: "quiet fine" }, `${shelf.data.length} of ${shelf.max_documents} documents, ${size(shelf.used_bytes)} of text. The agent knows them from the next call on.`);
    const list = shelf.data.length ? h("ul", { class: "documents" }, shelf.data.map(row)) : h("p", { class: "quiet" }, empty());
    return [used, list, form];
  }

  function empty() {
    return may.changes ? "Nothing yet. Add what callers ask about: prices, parking, opening hours." : "Nothing yet. An admin of the tenant can add documents.";
  }

  function row(document) {
    const [status, tone] = STATUS[document.status] ?? [document.status, "quiet"];
    const changes = may.changes && h("div", { class: "actions" },
      document.status !== "ready" && h("button", { class: "button small", type: "button", on: { click: () => card.act(() => api.readAgain(tenant, document.id)) } }, "Read again"),
      askingButton({ text: "Delete", question: "Delete for good?", act: () => card.act(() => api.deleteDocument(tenant, document.id)) }));
    return h("li", {},
      h("div", { class: "document-head" }, h("span", { class: "document-name" }, document.name),
        h("span", { class: "quiet fine" }, `${KINDS[document.content_type] ?? document.content_type} · ${size(document.bytes)} · `, h("time", { datetime: document.updated_at, title: dateTime(document.updated_at) }, ago(document.updated_at, Date.now()))),
        badge(status, tone)),
      document.detail && h("p", { class: "document-fault" }, document.detail), textOf(document), changes);
  }

  function textOf(document) {
    const shown = h("pre", { class: "raw", tabindex: "0" });
    const details = h("details", {}, h("summary", {}, "Text"), shown);
    details.addEventListener("toggle", async () => {
      if (!details.open || shown.textContent) return;
      try { shown.textContent = (await api.document(tenant, document.id, signal)).text; } catch (error) { shown.textContent = error.fix || error.message; }
    });
    return details;
  }

  function addForm() {
    const name = h("input", { id: "document-name", type: "text", maxlength: "100", required: true });
    const kind = selectField({ id: "document-kind", label: "Kind", options: Object.entries(KINDS), value: "text/markdown", onChange: () => undefined });
    const text = h("textarea", { id: "document-text", required: true });
    const file = h("input", { id: "document-file", type: "file", accept: Object.keys(ENDINGS).map((ending) => `.${ending}`).join(), on: { change: () => card.act(fromFile) } });
    const submit = h("button", { class: "button primary", type: "submit" }, "Add");
    let key = ""; // of what stands in the form: sent again after a lost answer, it is added once
    const field = (id, label, input) => h("div", { class: "field" }, h("label", { for: id }, label), input);
    const fields = h("form", { on: { submit: send, input: () => { key = ""; } } }, field("document-file", "From a file", file), h("div", { class: "two" }, field("document-name", "Name", name), kind), field("document-text", "Text", text), h("div", {}, submit));
    return h("details", { class: "add" }, h("summary", {}, "Add a document"), fields);

    /** Fill the form from a file: what it holds can be read through before it is sent. */
    async function fromFile() {
      const [chosen] = file.files;
      if (!chosen) return;
      const [, stem, ending] = /^(.*?)(?:\.([^.]*))?$/.exec(chosen.name);
      try {
        text.value = new TextDecoder("utf-8", { fatal: true }).decode(await chosen.arrayBuffer());
      } catch {
        file.value = "";
        throw new Problem({ title: "This file is no text", detail: "Save it as UTF-8 text (Markdown, HTML, CSV or JSON), or paste what callers should be told." });
      }
      name.value ||= stem.slice(0, 100);
      kind.querySelector("select").value = ENDINGS[(ending ?? "").toLowerCase()] ?? "text/plain";
    }

    async function send(event) {
      event.preventDefault();
      submit.disabled = true;
      const body = { name: name.value, content_type: kind.querySelector("select").value, text: text.value };
      if (await card.act(() => api.addDocument(tenant, key ||= crypto.randomUUID(), body))) {
        fields.reset();
        key = "";
      }
      submit.disabled = false;
    }
  }
}

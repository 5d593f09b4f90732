// Doing a run again: the same from the record, or anew from one of its steps.
import { html, useState } from "./lib.js";
import { get, post, useFetch } from "./api.js";
import { oneLine, plural, visible } from "./format.js";
import { Json } from "./json.js";
import { go, href } from "./route.js";
import { Dialog, say, Trouble } from "./widgets.js";

/** Replays at once, as it opens: nothing is called and nothing takes effect. */
export function ReplayDialog({ run, onClose }) {
  const { data, error, loading } = useFetch(() => post(`runs/${run}/replay`), [run]);
  return html`<${Dialog} title="Replay from the record" onClose=${onClose}>
    ${loading && html`<p class="note" role="status">Replaying without a model or a tool…</p>`}
    ${error && html`<${Trouble} error=${error} />`}
    ${data && html`<div class=${`verdict tone-${data.identical ? "good" : "bad"}`} role="status">
      <strong>${data.identical ? "Identical" : "Not identical"}</strong>
      <span>${data.identical ? "The same calls led to the same answer, byte for byte." : `${plural(data.differences.length, "difference")} to what was recorded.`}</span>
    </div>`}
    ${data?.differences?.length > 0 && html`<${Json} value=${data.differences} />`}
    <footer>
      ${data?.run && data.run !== run && html`<a class="button" href=${href(["run", data.run])}>Open the replayed run</a>`}
      <button onClick=${onClose}>Close</button>
    </footer>
  <//>`;
}

/** A new run that keeps what came before this call's step and does the rest anew. */
export function ForkForm({ row, onClose }) {
  const experts = useFetch(() => get("experts"), []);
  const [expert, setExpert] = useState("");
  const [model, setModel] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const fork = async () => {
    setBusy(true);
    setError(null);
    try {
      const { run } = await post(`runs/${row.run}/fork`, { step: row.step, ...(expert && { expert }), ...(model.trim() && { model: model.trim() }) });
      say("Forked");
      onClose();
      go(["run", run]);
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  const names = (experts.data?.experts ?? []).map((one) => one.name);
  return html`<${Dialog} title=${`Fork from step ${row.step}`} onClose=${onClose}>
    <p class="note">A new run takes every step before step ${row.step} from the record and does the rest anew.
      Tools that write take effect again.</p>
    <label class="stack"><span>Expert</span>
      <select class="field" value=${expert} onChange=${(event) => setExpert(event.target.value)}>
        <option value="">as planned: ${oneLine(row.expert)}</option>
        ${names.map((name) => html`<option value=${name}>${oneLine(name)}</option>`)}
      </select></label>
    <label class="stack"><span>Model</span>
      <input class="field" placeholder=${visible(row.model) || "as configured"} value=${model} onInput=${(event) => setModel(event.target.value)} /></label>
    ${error && html`<${Trouble} error=${error} />`}
    ${busy && html`<p class="note" role="status">The new run is under way…</p>`}
    <footer><button onClick=${onClose}>Cancel</button><button class="primary" disabled=${busy} onClick=${fork}>Fork</button></footer>
  <//>`;
}

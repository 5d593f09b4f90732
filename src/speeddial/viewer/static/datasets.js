// Datasets frozen from the record, and the form that builds one from a filter.
import { html, useState } from "./lib.js";
import { get, post, useFetch } from "./api.js";
import { sinceTime } from "./filters.js";
import { count, fullTime, oneLine, shortHash, visible, when } from "./format.js";
import { useKeys } from "./keys.js";
import { patch } from "./route.js";
import { CALL_STATUSES, Mark, RUN_STATUSES, statusWord } from "./status.js";
import { Dialog, Empty, say, Trouble, Waiting } from "./widgets.js";

const FORMS = [
  ["openai", "OpenAI chat with tools"],
  ["trl", "TRL / Hugging Face conversational"],
  ["preference", "Preference pairs"],
  ["sharegpt", "ShareGPT"],
  ["parquet", "Parquet"],
];

export function Datasets({ query }) {
  const { data, error, loading, reload } = useFetch(() => get("datasets"), []);
  const open = () => patch({ build: 1 });
  useKeys("Datasets", [["n", "build a dataset", open]]);
  const rows = data?.datasets ?? [];
  return html`<main class="view page">
    <header class="page-head"><h1>Datasets</h1><span class="push"></span><button class="primary" onClick=${open}>Build a dataset <kbd>n</kbd></button></header>
    ${error && html`<${Trouble} error=${error} retry=${reload} />`}
    ${!data && loading && html`<${Waiting} />`}
    ${data && !rows.length && html`<${Empty} title="No dataset yet">
      <p>Filter the runs, press <kbd>b</kbd>, and the calls that they hold become a frozen, hashed training set.</p><//>`}
    ${rows.length > 0 && html`<div class="table-box"><table>
      <thead><tr><th>Name</th><th>Form</th><th class="num">Examples</th><th class="num">Runs</th><th>Made</th><th>From</th><th>SHA-256</th></tr></thead>
      <tbody>${rows.map((one) => html`<tr>
        <th scope="row">${oneLine(one.name)}</th><td>${oneLine(one.form)}</td><td class="num">${count(examplesOf(one))}</td>
        <td class="num">${count(Array.isArray(one.runs) ? one.runs.length : one.runs)}</td><td title=${fullTime(one.created)}>${when(one.created)}</td>
        <td>${selectionWords(one.selection)}</td><td class="code">${shortHash(one.hash ?? one.sha256)}</td>
      </tr>`)}</tbody></table></div>`}
    ${query.build && html`<${Build} query=${query} onClose=${() => patch({ build: "" })} onDone=${reload} />`}
  </main>`;
}

function examplesOf(dataset) {
  return typeof dataset.counts === "object" && dataset.counts ? dataset.counts.lines : dataset.counts;
}

function selectionWords(selection = {}) {
  const words = Object.entries(selection).filter(([, value]) => value && value.length !== 0);
  return words.length ? words.map(([name, value]) => `${name.replaceAll("_", " ")} ${oneLine([value].flat().join(", "))}`).join("; ") : "everything";
}

function Build({ query, onClose, onDone }) {
  const [name, setName] = useState("");
  const [form, setForm] = useState("openai");
  const [fields, setFields] = useState({
    expert: query.expert ?? "", workflow: query.workflow ?? "", user: query.user ?? "", run_status: query.status ?? "", since: query.since ?? "",
  });
  const [statuses, setStatuses] = useState(["exact", "corrected"]);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const set = (field) => (event) => setFields({ ...fields, [field]: event.target.value });
  const toggle = (status) => setStatuses(statuses.includes(status) ? statuses.filter((one) => one !== status) : [...statuses, status]);

  const build = async () => {
    setBusy(true);
    setError(null);
    const selection = Object.fromEntries(Object.entries({
      expert: fields.expert, workflow: fields.workflow, user: fields.user, statuses,
      run_statuses: fields.run_status ? [fields.run_status] : [], since: sinceTime(fields.since),
    }).filter(([, value]) => value && value.length));
    try {
      const made = await post("datasets", { name: name.trim(), form, selection });
      say(`Built ${made.dataset?.name ?? name}`);
      onDone();
      onClose();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return html`<${Dialog} title="Build a dataset" onClose=${onClose}>
    ${query.q && html`<p class="because">The words <b>${visible(query.q)}</b> of your filter do not narrow a dataset; the rest does.</p>`}
    <form class="form" onSubmit=${(event) => (event.preventDefault(), build())}>
      <label class="stack"><span>Name</span><input class="field" autofocus required value=${name} placeholder="organizer-november" onInput=${(event) => setName(event.target.value)} /></label>
      <label class="stack"><span>Form</span><select class="field" value=${form} onChange=${(event) => setForm(event.target.value)}>${FORMS.map(([value, title]) => html`<option value=${value}>${title}</option>`)}</select></label>
      <div class="form-row">
        <label class="stack"><span>Expert</span><input class="field" value=${fields.expert} placeholder="any" onInput=${set("expert")} /></label>
        <label class="stack"><span>Workflow</span><input class="field" value=${fields.workflow} placeholder="any" onInput=${set("workflow")} /></label>
      </div>
      <div class="form-row">
        <label class="stack"><span>User</span><input class="field" value=${fields.user} placeholder="any" onInput=${set("user")} /></label>
        <label class="stack"><span>Runs that are</span><select class="field" value=${fields.run_status} onChange=${set("run_status")}><option value="">any status</option>${RUN_STATUSES.map((status) => html`<option value=${status}>${statusWord(status)}</option>`)}</select></label>
      </div>
      <fieldset><legend>Calls that were</legend>${CALL_STATUSES.map((status) => html`<label class="check"><input type="checkbox" checked=${statuses.includes(status)} onChange=${() => toggle(status)} /><${Mark} status=${status} />${statusWord(status)}</label>`)}</fieldset>
      ${error && html`<${Trouble} error=${error} />`}
      <footer><button type="button" onClick=${onClose}>Cancel</button><button class="primary" disabled=${busy || !name.trim()}>${busy ? "Building…" : "Build"}</button></footer>
    </form>
  <//>`;
}

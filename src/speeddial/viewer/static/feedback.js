// What a person says about a call: accept, correct, comment, label.
import { html, useLayoutEffect, useRef, useState } from "./lib.js";
import { post } from "./api.js";
import { fullTime, oneLine, pretty, visible, when } from "./format.js";
import { Json } from "./json.js";
import { Dialog, Problems, say, Text } from "./widgets.js";

const LABELS = ["wrong expert", "wrong tool", "wrong value", "missing value", "hard case", "good example"];

export async function give(row, body, done) {
  try {
    const { feedback } = await post(`interactions/${row.id}/feedback`, body);
    done(feedback);
    say({ accept: "Accepted", correct: "Corrected: the next export trains on your call", comment: "Comment kept", label: `Labelled ${body.label}` }[body.verdict]);
    return null;
  } catch (error) {
    return error;
  }
}

/** The dialog that `form` names: correct, comment or label. */
export function FeedbackForm({ form, row, onDone, onClose }) {
  const Form = { correct: Correct, comment: Comment, label: Label }[form];
  return html`<${Form} row=${row} onDone=${onDone} onClose=${onClose} />`;
}

function Correct({ row, onDone, onClose }) {
  const field = useRef(null);
  const [text, setText] = useState(() => pretty(row.parsed ?? guess(row.raw)));
  const [why, setWhy] = useState("");
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  useLayoutEffect(() => field.current.focus(), []);

  const save = async () => {
    if (busy) return;
    let call;
    try {
      call = JSON.parse(text);
    } catch (problem) {
      setError({ message: "This is not JSON yet.", hint: problem.message, problems: [] });
      return;
    }
    setBusy(true);
    const refused = await give(row, { verdict: "correct", call, text: why }, onDone);
    setBusy(false);
    if (refused) setError(refused);
    else onClose();
  };
  const press = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) (event.preventDefault(), save());
  };
  const point = (path) => {
    const [from, to] = placeOf(text, path);
    field.current.focus();
    field.current.setSelectionRange(from, to);
  };
  return html`<${Dialog} title="Correct this call and add it to training" onClose=${onClose} wide>
    <p class="note">The call as it should have been. It is checked against the contract that the model was held to.</p>
    <textarea ref=${field} class="code" aria-label="Call as JSON" rows=${Math.min(22, Math.max(8, text.split("\n").length + 1))} spellcheck=${false}
      aria-invalid=${error ? "true" : undefined} aria-describedby=${error ? "correct-error" : undefined}
      value=${text} onInput=${(event) => (setText(event.target.value), setError(null))} onKeyDown=${press}></textarea>
    ${error && html`<div id="correct-error" class="trouble" role="alert">
      <strong>${visible(error.message)}</strong>${error.hint && html`<p>${visible(error.hint)}</p>`}
      <${Problems} problems=${error.problems} onPick=${point} />
    </div>`}
    <label class="stack"><span>Why (optional)</span>
      <input class="field" value=${why} onInput=${(event) => setWhy(event.target.value)} onKeyDown=${press} /></label>
    <footer><span class="note"><kbd>Ctrl</kbd> <kbd>Enter</kbd> saves</span><button onClick=${onClose}>Cancel</button>
      <button class="primary" disabled=${busy} onClick=${save}>Save correction</button></footer>
  <//>`;
}

/** What to start from when nothing of the output passed: its text as JSON, or an empty call. */
function guess(raw) {
  try {
    return JSON.parse(raw);
  } catch {
    return { name: "", arguments: {} };
  }
}

/** Where the value at a path such as `arguments.where[0].op` stands in pretty JSON; the start when it is absent. */
export function placeOf(text, path) {
  let at = 0;
  for (const [, key, index] of path.matchAll(/([^.[\]]+)|\[(\d+)\]/g)) {
    if (key === undefined) {
      for (let n = 0; n < Number(index); n++) at = text.indexOf(",\n", at + 1);
      continue;
    }
    const found = text.indexOf(`${JSON.stringify(key)}:`, at);
    if (found >= 0) at = found;
  }
  const end = text.indexOf("\n", at);
  return [Math.max(0, at), end < 0 ? text.length : end];
}

function Comment({ row, onDone, onClose }) {
  return html`<${Words} title="Comment on this call" name="Comment" verdict="comment" field="text" row=${row} onDone=${onDone} onClose=${onClose} />`;
}

function Label({ row, onDone, onClose }) {
  return html`<${Words} title="Label this call" name="Label" verdict="label" field="label" choices=${LABELS} row=${row} onDone=${onDone} onClose=${onClose} />`;
}

function Words({ title, name, verdict, field, choices = [], row, onDone, onClose }) {
  const input = useRef(null);
  const [text, setText] = useState("");
  const [error, setError] = useState(null);
  useLayoutEffect(() => input.current.focus(), []);
  const save = async (words) => {
    if (!words.trim()) return;
    const refused = await give(row, { verdict, [field]: words.trim() }, onDone);
    if (refused) setError(refused);
    else onClose();
  };
  const press = (event) => event.key === "Enter" && !event.shiftKey && (event.preventDefault(), save(text));
  return html`<${Dialog} title=${title} onClose=${onClose}>
    ${choices.length > 0 && html`<div class="choices">${choices.map((choice) => html`<button onClick=${() => save(choice)}>${choice}</button>`)}</div>`}
    <label class="stack"><span>${choices.length ? "Or another" : name}</span>
      <textarea ref=${input} rows=${choices.length ? 1 : 4} value=${text} onInput=${(event) => setText(event.target.value)} onKeyDown=${press}></textarea></label>
    ${error && html`<div class="trouble" role="alert"><strong>${visible(error.message)}</strong>${error.hint && html`<p>${visible(error.hint)}</p>`}</div>`}
    <footer><button onClick=${onClose}>Cancel</button><button class="primary" disabled=${!text.trim()} onClick=${() => save(text)}>Save</button></footer>
  <//>`;
}

const VERDICTS = { accept: "accepted", correct: "corrected", comment: "commented", label: "labelled" };

export function FeedbackList({ entries }) {
  return html`<ul class="remarks">${entries.map(
    (entry) => html`<li key=${entry.id}>
      <div><b>${oneLine(entry.by) || "someone"}</b> ${VERDICTS[entry.verdict] ?? entry.verdict}
        ${entry.label && html`<span class="tag">${visible(entry.label)}</span>`}
        <time class="note" title=${fullTime(entry.created)}>${when(entry.created)}</time></div>
      ${entry.text && html`<${Text} text=${entry.text} />`}
      ${entry.call && html`<${Json} value=${entry.call} />`}
    </li>`,
  )}</ul>`;
}

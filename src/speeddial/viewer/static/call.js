// One exchange with a model or a tool, in full.
import { html, useEffect, useState } from "./lib.js";
import { embedded, get, useFetch } from "./api.js";
import { asCurl, asMarkdown } from "./copying.js";
import { FeedbackForm, FeedbackList, give } from "./feedback.js";
import { cost, count, duration, exactCount, fullTime, oneLine, percent, plural, pretty, shortHash, visible } from "./format.js";
import { Json } from "./json.js";
import { useKeys } from "./keys.js";
import { ForkForm } from "./replay.js";
import { href } from "./route.js";
import { spanName } from "./spans.js";
import { Chip, Mark } from "./status.js";
import { Tokens } from "./tokens.js";
import { copy, Facts, say, Section, Text, Trouble, Waiting } from "./widgets.js";

/** span: its row in the run; siblings: the spans of the same step; onChange(): feedback was given. */
export function CallPane({ span, siblings, step, onSelect, onClose, onFeedback }) {
  const { data: row, error, loading, reload, setData } = useFetch(() => get(`interactions/${span.id}`), [span.id, span.status]);
  const [form, setForm] = useState("");
  useEffect(() => setForm(""), [span.id]);
  const model = span.kind === "model";
  const ready = row && row.id === span.id;

  const told = (entry) => {
    setData((old) => ({ ...old, feedback: [...(old.feedback ?? []), entry] }));
    onFeedback(span.id);
  };
  const accept = async () => {
    const refused = await give(row, { verdict: "accept" }, told);
    if (refused) say(`${refused.message} ${refused.hint}`, "bad");
  };
  const can = ready && !embedded;
  useKeys("A call", embedded ? [["Escape", "back to the run", onClose]] : [
    ["a", "accept", () => can && accept()],
    ["e", "correct, and add to training", () => can && model && setForm("correct")],
    ["c", "comment", () => can && setForm("comment")],
    ["l", "label", () => can && setForm("label")],
    ["f", "fork the run from this step", () => can && span.step > 0 && setForm("fork")],
    ["y", "copy as JSON", () => ready && copy(pretty(row), "as JSON")],
    ["Escape", "back to the run", onClose],
  ]);

  return html`<div class="pane">
    <header class="pane-head">
      <button class="icon back" aria-label="Back to the run" onClick=${onClose}>←</button>
      <div class="pane-title">
        <h2 class="ellipsis">${span.kind !== "tool" && !embedded
          ? html`<a href=${href(["expert", span.expert])}>${oneLine(span.expert)}</a>`
          : oneLine(spanName(span))}</h2>
        <${Chip} status=${span.status} />
        <span class="note">${step ? `step ${step.number}` : "whole run"} · ${KINDS[span.kind] ?? span.kind}${span.attempt > 1 ? ` · attempt ${span.attempt}` : ""}</span>
      </div>
      ${siblings.length > 1 && html`<nav class="siblings" aria-label="In this step">${siblings.map(
        (one) => html`<button key=${one.id} class="tag" aria-current=${one.id === span.id ? "true" : undefined} onClick=${() => onSelect(`${one.id}`)}>
          <${Mark} status=${one.status} named />${oneLine(spanName(one))}</button>`)}</nav>`}
      ${ready && html`<div class="actions">
        ${!embedded && html`
          <button onClick=${accept}>Accept <kbd>a</kbd></button>
          ${model && html`<button onClick=${() => setForm("correct")}>Correct <kbd>e</kbd></button>`}
          <button onClick=${() => setForm("comment")}>Comment <kbd>c</kbd></button>
          <button onClick=${() => setForm("label")}>Label <kbd>l</kbd></button>
          ${span.step > 0 && html`<button onClick=${() => setForm("fork")}>Fork <kbd>f</kbd></button>`}`}
        <span class="push"></span>
        <span class="copies" role="group" aria-label="Copy as"><span class="note">Copy</span>
          <button class="quiet" onClick=${() => copy(pretty(row), "as JSON")}>JSON</button>
          <button class="quiet" onClick=${() => copy(asMarkdown(row), "as Markdown")}>Markdown</button>
          ${span.kind !== "tool" && html`<button class="quiet" onClick=${() => copy(asCurl(row), "as a curl command")}>curl</button>`}
        </span>
      </div>`}
    </header>
    ${error && html`<${Trouble} error=${error} retry=${reload} />`}
    ${!ready && loading && html`<${Waiting} />`}
    ${ready && html`<${CallBody} key=${row.id} row=${row} />`}
    ${can && form === "fork" && html`<${ForkForm} row=${row} onClose=${() => setForm("")} />`}
    ${can && form && form !== "fork" && html`<${FeedbackForm} form=${form} row=${row} onDone=${told} onClose=${() => setForm("")} />`}
  </div>`;
}

const KINDS = { plan: "plan", model: "decode", tool: "tool" };

function CallBody({ row }) {
  const tool = row.kind === "tool";
  return html`<div class="pane-body">
    ${row.reason && html`<p class="because"><b>${row.escalated_from ? "Escalated because" : "Again because"}</b> ${visible(row.reason)}</p>`}
    ${row.error && html`<div class="trouble"><strong>Error</strong><${Text} text=${row.error} /></div>`}
    ${row.feedback?.length > 0 && html`<${Section} title="Feedback" note=${plural(row.feedback.length, "remark")}><${FeedbackList} entries=${row.feedback} /><//>`}
    ${tool && html`<${ToolBody} row=${row} />`}
    ${!tool && html`<${ModelBody} row=${row} />`}
    <${Section} title="Timing and tokens"><${Facts} pairs=${[
      ["Started", fullTime(row.started)],
      ["Took", duration(row.latency_ms)],
      ["Ended", row.ended && fullTime(row.ended)],
      ["Tokens in", !tool && exactCount(row.tokens_in)],
      ["Tokens out", !tool && exactCount(row.tokens_out)],
      ["Forced", !tool && (row.tokens_forced < 0 ? "not told" : `${row.tokens_forced} (${percent(row.tokens_out ? row.tokens_forced / row.tokens_out : null)})`)],
      ["Cost", row.cost > 0 && cost(row.cost)],
      ["Stopped by", row.finish],
      ["Redacted", Object.entries(row.redactions ?? {}).map(([rule, n]) => `${rule} ${n}`).join(", ")],
    ]} /><//>
  </div>`;
}

function ModelBody({ row }) {
  const differs = row.resolved != null && pretty(row.resolved) !== pretty(row.parsed?.arguments);
  return html`
    <${Section} title="Output" note=${row.confidence != null && `confidence ${percent(row.confidence, 1)}`}>
      ${row.raw == null
        ? html`<p class="note">No output was recorded.</p>`
        : row.tokens?.length
          ? html`<${Tokens} raw=${row.raw} tokens=${row.tokens} />`
          : html`<${Text} code text=${row.raw} />`}
    <//>
    ${row.parsed != null && html`<${Section} title=${row.kind === "plan" ? "Plan" : row.parsed.calls ? "Calls" : "Call"} note=${row.parsed.name ?? row.parsed.calls?.map((call) => call.name).join(", ")}><${Json} value=${row.parsed} /><//>`}
    ${differs && html`<${Section} title="Resolved arguments"><${Json} value=${row.resolved} /><//>`}
    <${Section} title="Prompt" note=${plural(row.messages.length, "message")}>${row.messages.map(
      (message) => html`<article class="message">
        <h3>${oneLine(message.role)}</h3>
        ${typeof message.content === "string" ? html`<${Text} text=${message.content} />` : html`<${Json} value=${message.content ?? message} />`}
      </article>`)}<//>
    <${Receipt} row=${row} />
    ${row.schema && html`<${Section} title="Schema" note=${shortHash(row.schema_hash)} open=${false}><${Json} value=${row.schema} /><//>`}
    ${row.tools.length > 0 && html`<${Section} title="Tools" note=${row.tools.map((tool) => tool.name).join(", ")} open=${false}><${Json} value=${row.tools} /><//>`}`;
}

function Receipt({ row }) {
  const { receipt } = row;
  const proven = receipt?.constrained && receipt.proven_by;
  return html`<${Section} title="Receipt" note=${proven ? "constraint proven" : receipt?.constrained ? "constrained, not proven" : "not constrained"}>
    <${Facts} pairs=${[
      ["Model", visible(row.model)],
      ["Adapter", visible([row.adapter, row.adapter_version].filter(Boolean).join(" "))],
      ...Object.entries(receipt ?? {}).map(([name, value]) => [name.replaceAll("_", " "), typeof value === "object" ? pretty(value) : visible(value)]),
    ]} />
  <//>`;
}

function ToolBody({ row }) {
  const differs = row.resolved != null && pretty(row.resolved) !== pretty(row.arguments);
  return html`
    ${row.text && html`<${Section} title="Result" note=${row.effect && `effect: ${row.effect}`}><${Text} text=${row.text} /><//>`}
    <${Section} title="Arguments"><${Json} value=${row.arguments} /><//>
    ${differs && html`<${Section} title="Resolved arguments"><${Json} value=${row.resolved} /><//>`}
    ${row.result != null && html`<${Section} title="Result as data" open=${!row.text}><${Json} value=${row.result} /><//>`}
    ${row.idempotency_key && html`<${Section} title="Once only" open=${false}><${Facts} pairs=${[["Idempotency key", visible(row.idempotency_key)], ["Effect", row.effect]]} /><//>`}`;
}

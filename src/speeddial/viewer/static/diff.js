// Two runs side by side, step by step; what differs is tinted and says so.
import { html, classes, useMemo, useState } from "./lib.js";
import { get, useFetch } from "./api.js";
import { cost, count, duration, oneLine, percent, plural, pretty, visible } from "./format.js";
import { useKeys } from "./keys.js";
import { go, href } from "./route.js";
import { Chip, Mark } from "./status.js";
import { Empty, Text, Trouble, Waiting } from "./widgets.js";

const KINDS = { plan: "plan", model: "decode", tool: "tool" };
const NAMES = { latency_ms: "time", schema_hash: "schema", raw: "output", parsed: "call", tokens_in: "tokens in", tokens_out: "tokens out", tokens_forced: "tokens forced" };
const FIGURES = { latency_ms: duration, cost, confidence: percent, tokens_in: count, tokens_out: count, tokens_forced: count };

export function Diff({ a, b }) {
  const both = a && b;
  const { data, error, loading, reload } = useFetch(() => (both ? get("diff", { a, b }) : Promise.resolve(null)), [a, b]);
  const [all, setAll] = useState(false);
  useKeys("Comparison", [
    ["s", "show what is the same, too", () => setAll(!all)],
    ["x", "change sides", () => go(["diff"], { a: b, b: a })],
    ["Escape", "back to the runs", () => go(["runs"])],
  ]);
  const steps = useMemo(() => byStep(data?.steps ?? []), [data]);
  if (!both) return html`<main class="view page"><${Empty} title="Two runs are needed"><p>Press <kbd>x</kbd> on one run in the list, then on another.</p><//></main>`;
  if (error) return html`<main class="view page"><${Trouble} error=${error} retry=${reload} /></main>`;
  if (loading || !data) return html`<main class="view page"><${Waiting} what="Comparing" /></main>`;

  const summary = new Map(data.summary.map((field) => [field.field, field]));
  const differing = data.steps.filter((pair) => !pair.same).length;
  return html`<main class="view page diff">
    <header class="page-head">
      <h1>${data.same ? "The same, call by call" : `${plural(differing, "exchange")} of ${count(data.steps.length)} differ${differing === 1 ? "s" : ""}`}</h1>
      <span class="push"></span>
      <button onClick=${() => go(["diff"], { a: b, b: a })}>Change sides <kbd>x</kbd></button>
      <button aria-pressed=${all} onClick=${() => setAll(!all)}>${all ? "Differences only" : "Show all"} <kbd>s</kbd></button>
    </header>
    <div class="diff-heads">
      <${Head} side="left" run=${data.left} summary=${summary} />
      <${Head} side="right" run=${data.right} summary=${summary} />
    </div>
    <${Fields} title="The runs" fields=${data.summary.filter((field) => !["status", "task"].includes(field.field))} all=${all} />
    ${steps.map(([step, pairs]) => pairs.map((pair) => html`<${Pair} step=${step} pair=${pair} all=${all} runs=${[data.left, data.right]} />`))}
  </main>`;
}

function byStep(pairs) {
  const groups = new Map();
  for (const pair of pairs) groups.set(pair.step, [...(groups.get(pair.step) ?? []), pair]);
  return [...groups];
}

function Head({ side, run, summary }) {
  const value = (name) => summary.get(name)?.[side];
  return html`<a class=${`diff-head ${side}`} href=${href(["run", run])}>
    <span class="hit-head"><${Chip} status=${value("status")} /><span class="note id">${run}</span></span>
    <strong dir="auto">${oneLine(value("task"))}</strong>
  </a>`;
}

function Pair({ step, pair, all, runs }) {
  const { fields, left, right } = pair;
  if (pair.same && !all) return null;
  const status = (side) => fields.find((field) => field.field === "status")?.[side];
  const who = (side) => fields.find((field) => field.field === (pair.kind === "tool" ? "tool" : "expert"))?.[side];
  const title = [who("left"), who("right")].filter((name, index, names) => name && names.indexOf(name) === index).map(oneLine).join(" → ");
  const aside = html`<span class="push"></span>
    ${[[left, "left", runs[0]], [right, "right", runs[1]]].map(([id, side, run]) => (id == null ? html`<span class="note">not on the ${side}</span>`
      : html`<a class="diff-link" href=${href(["run", run], { span: id })}><${Mark} status=${status(side)} named />${side}</a>`))}`;
  return html`<${Fields} title=${title || KINDS[pair.kind]} note=${`${step ? `step ${step} · ` : ""}${KINDS[pair.kind] ?? pair.kind}`} aside=${aside} same=${pair.same}
    fields=${fields} all=${all} />`;
}

function Fields({ title, note, aside, fields, all, same }) {
  const shown = fields.filter((field) => all || !field.same);
  if (!shown.length) return null;
  return html`<section class="diff-step" aria-label=${title}>
    <header><h2>${title}</h2>${note && html`<span class="note">${note}</span>`}${same && html`<span class="note">the same</span>`}${aside}</header>
    ${shown.map((field) => html`<${Row} field=${field} />`)}
  </section>`;
}

function Row({ field }) {
  const figure = FIGURES[field.field];
  const name = html`<span class="diff-name">${NAMES[field.field] ?? field.field.replaceAll("_", " ")}</span>`;
  if (field.same) return html`<div class="diff-row">${name}<span class="diff-both"><${Value} field=${field} side="left" /></span></div>`;
  return html`<div class=${classes("diff-row", !figure && "differs")}>
    ${name}<span class="diff-left"><${Value} field=${field} side="left" /></span><span class="diff-right"><${Value} field=${field} side="right" /></span>
  </div>`;
}

function Value({ field, side }) {
  const value = field[side];
  const figure = FIGURES[field.field];
  if (value == null || value === "") return html`<span class="note">nothing</span>`;
  if (figure && typeof value === "number") return figure(value);
  if (field.field === "schema_hash") return html`<span class="code">${visible(value).slice(0, 19)}…</span>`;
  if (field.spans)
    return html`<span class="code" dir="auto">${field.spans
      .filter(([where]) => where === "same" || where === side)
      .map(([where, text]) => (where === "same" ? visible(text) : html`<mark>${visible(text)}</mark>`))}</span>`;
  return html`<${Text} code text=${typeof value === "string" ? value : pretty(value)} />`;
}

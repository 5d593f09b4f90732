// The experts of the project, and one of them: card, versions, calibration, hard cases.
import { html, classes } from "./lib.js";
import { get, useFetch } from "./api.js";
import { Calibration, ShareBar } from "./charts.js";
import { count, duration, fullTime, oneLine, percent, plural, pretty, visible, when } from "./format.js";
import { Json } from "./json.js";
import { href } from "./route.js";
import { Mark, statusWord } from "./status.js";
import { Card, useLinkKeys } from "./stats.js";
import { Empty, Facts, Section, Text, Trouble, Waiting } from "./widgets.js";

const OUTCOMES = ["exact", "corrected", "salvaged", "escalated", "refused", "question", "failed"];

function outcomes(counts = {}) {
  return OUTCOMES.map((status) => [status, counts[status] ?? 0]);
}

export function Experts() {
  const { data, error, loading, reload } = useFetch(() => get("experts"), []);
  const experts = data?.experts ?? [];
  const at = useLinkKeys("Experts", experts.map((one) => [["expert", one.name]]));
  return html`<main class="view page">
    <header class="page-head"><h1>Experts</h1></header>
    ${error && html`<${Trouble} error=${error} retry=${reload} />`}
    ${!data && loading && html`<${Waiting} />`}
    ${data && !experts.length && html`<${Empty} title="This project has no experts"><p>An expert is a folder under <span class="code">experts/</span>.</p><//>`}
    <div class="tiles">${experts.map((one, index) => html`<a class=${classes("tile", index === at && "chosen")} href=${href(["expert", one.name])}>
      <h2>${oneLine(one.name)}</h2>
      <p>${oneLine(one.summary)}</p>
      <${ShareBar} parts=${outcomes(one.counts)} />
      <span class="note">${plural(one.calls ?? 0, "call")}${one.calls ? `, ${percent((one.counts?.exact ?? 0) / one.calls)} exact` : ""}</span>
    </a>`)}</div>
  </main>`;
}

export function ExpertPage({ name }) {
  const { data, error, loading, reload } = useFetch(() => get(`experts/${encodeURIComponent(name)}`), [name]);
  const hard = data?.hard_cases ?? [];
  const at = useLinkKeys("An expert", hard.map((row) => [["run", row.run], { span: row.id }]));
  if (error) return html`<main class="view page"><${Trouble} error=${error} retry=${reload} /></main>`;
  if (!data && loading) return html`<main class="view page"><${Waiting} /></main>`;
  const { card = {}, counts = {}, calls = 0 } = data;
  return html`<main class="view page">
    <header class="page-head"><a class="icon" href=${href(["experts"])} aria-label="All experts">←</a><h1>${oneLine(name)}</h1><p class="lead">${oneLine(card.summary)}</p></header>
    <div class="cards">
      <${Card} title="Calls" value=${count(calls)} note=${calls ? "in the record" : "none yet"} />
      <${Card} title="Exact" value=${calls ? percent((counts.exact ?? 0) / calls) : "–"} note=${html`<${ShareBar} parts=${outcomes(counts)} />`} />
      <${Card} title="Median time" value=${duration(data.latency_p50_ms)} note=${`p95 ${duration(data.latency_p95_ms)}`} />
      <${Card} title="Hard cases" value=${count(hard.length)} note="to look at and to train on" />
    </div>
    <div class="columns">
      <div>
        <${Section} title="Calibration">${(data.calibration ?? []).some((bin) => bin.count)
          ? html`<${Calibration} bins=${data.calibration} />`
          : html`<p class="note">No call with a confidence yet.</p>`}<//>
        <${Section} title="Versions" note=${plural((data.versions ?? []).length, "version")}><${Versions} versions=${data.versions ?? []} /><//>
      </div>
      <div>
        <${Section} title="Hard cases" note="escalated, corrected, refused, failed"><${HardCases} rows=${hard} at=${at} /><//>
        <${Section} title="Card" open=${false}><${CardFacts} card=${card} /><//>
      </div>
    </div>
  </main>`;
}

function CardFacts({ card }) {
  const simple = Object.entries(card).filter(([, value]) => typeof value !== "object" && String(value).length < 200);
  const long = Object.entries(card).filter(([name, value]) => value != null && !simple.some(([known]) => known === name));
  return html`<${Facts} pairs=${simple.map(([name, value]) => [name.replaceAll("_", " "), visible(value)])} />
    ${long.map(([name, value]) => html`<h3>${name.replaceAll("_", " ")}</h3>${typeof value === "string" ? html`<${Text} text=${value} />` : html`<${Json} value=${value} />`}`)}`;
}

function Versions({ versions }) {
  if (!versions.length) return html`<p class="note">Nothing was trained here: the model serves it as it is.</p>`;
  return html`<ol class="versions">${versions.map((one) => html`<li>
    <b>${oneLine(one.version ?? one.name)}</b> ${one.current && html`<span class="tag">serving</span>`}
    ${one.created && html`<span class="note">${fullTime(one.created)}</span>`}
    <${Facts} pairs=${Object.entries(one.figures ?? {}).map(([name, value]) => [name.replaceAll("_", " "), figure(value)])} />
  </li>`)}</ol>`;
}

function figure(value) {
  if (typeof value === "number") return value > 0 && value < 1 ? percent(value, 1) : count(value);
  return typeof value === "object" ? pretty(value) : visible(value);
}

function HardCases({ rows, at }) {
  if (!rows.length) return html`<p class="note">None: every call was exact.</p>`;
  return html`<ul class="cases">${rows.map((row, index) => html`<li class=${index === at ? "chosen" : ""}><a href=${href(["run", row.run], { span: row.id })}>
    <${Mark} status=${row.status} /><span class="case-word">${statusWord(row.status)}</span>
    <span class="ellipsis" dir="auto">${oneLine(row.reason || row.title)}</span>
    <span class="note">${row.confidence == null ? "" : percent(row.confidence)} ${when(row.started)}</span>
  </a></li>`)}</ul>`;
}

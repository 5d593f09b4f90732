// One run: what was asked and answered, its spans in three views, and the chosen call beside them.
import { html, classes, useEffect, useMemo, useRef, useState } from "./lib.js";
import { CallPane } from "./call.js";
import { embedded, follow, get, useFetch } from "./api.js";
import { cost, count, duration, fullTime, oneLine, percent, plural, visible, when } from "./format.js";
import { PlanGraph } from "./graph.js";
import { Json } from "./json.js";
import { useKeys } from "./keys.js";
import { ReplayDialog } from "./replay.js";
import { go, href, patch } from "./route.js";
import { decidingSpan, spanOf, stepsOf } from "./spans.js";
import { Chip } from "./status.js";
import { Timeline } from "./timeline.js";
import { Facts, Section, Text, Trouble, useNow, Waiting } from "./widgets.js";

const VIEWS = [
  ["plan", "Plan", "p"],
  ["waterfall", "Waterfall", "w"],
  ["tree", "Tree", "t"],
];
const MANY = 400; // spans; a picture of so many says nothing at first sight

export function Run({ id, query, onLive }) {
  const { data: body, error, reload, setData } = useFetch(() => get(`runs/${encodeURIComponent(id)}`), [id]);
  if (error) return html`<main class="view"><${Trouble} error=${error} retry=${reload} /></main>`;
  if (!body || body.run.id !== id) return html`<main class="view"><${Waiting} /></main>`;
  return html`<${RunView} key=${id} body=${body} query=${query} setBody=${setData} reload=${reload} onLive=${onLive} />`;
}

function RunView({ body, query, setBody, reload, onLive }) {
  const { run, plan } = body;
  const [replaying, setReplaying] = useState(false);
  const spans = useMemo(() => body.spans.rows.map((row) => spanOf(body.spans.fields, row)), [body.spans]);
  const steps = useMemo(() => stepsOf(plan, spans), [plan, spans]);
  const running = run.status === "running";
  const clock = useNow(running && !embedded);
  const now = running ? (embedded ? Date.parse(embedded.written) : clock) - Date.parse(run.started) : (run.latency_ms ?? 0);
  const view = query.view ?? (spans.length > MANY ? "waterfall" : "plan");
  const planSeen = useRef(plan);
  planSeen.current = plan;

  useEffect(() => {
    if (!running) return undefined;
    return follow({ run: run.id }, {
      run: (newer) => newer.id === run.id && setBody((old) => ({ ...old, run: { ...old.run, ...newer } })),
      interaction: (row) => {
        setBody((old) => ({ ...old, spans: { ...old.spans, rows: upsert(old.spans.rows, row) } }));
        if (!planSeen.current) reload(); // the plan itself is no span
      },
    }, onLive);
  }, [run.id, running]);
  const ran = useRef(running);
  useEffect(() => {
    if (ran.current && !running) reload(); // the end brings the answer and the plan's last state
    ran.current = running;
  }, [running]);

  const chosen = query.span ?? "";
  const step = steps.find((one) => chosen === `s${one.number}`);
  const span = step ? decidingSpan(step) : spans.find((one) => `${one.id}` === chosen);
  const select = (target) => patch({ span: target });
  const close = () => (chosen ? patch({ span: "" }) : embedded ? false : go(["runs"]));
  const remarked = (at) =>
    setBody((old) => {
      const column = old.spans.fields.indexOf("feedback");
      return { ...old, spans: { ...old.spans, rows: old.spans.rows.map((row) => (row[0] === at ? row.with(column, (row[column] ?? 0) + 1) : row)) } };
    });

  useKeys("A run", [
    ...VIEWS.map(([name, title, key]) => [key, title.toLowerCase(), () => patch({ view: name })]),
    ...(embedded ? [] : [
      ["r", "replay from the record", () => setReplaying(true)],
      ["x", "compare with another run", () => go(["runs"], { compare: run.id })],
    ]),
    ["i", "about the run", () => select("about")],
    ["Escape", "back", close],
  ]);

  const views = { plan: PlanGraph, waterfall: Timeline, tree: Timeline };
  const View = views[view] ?? PlanGraph;
  const siblings = span ? (span.step > 0 ? spans.filter((one) => one.step === span.step) : spans.filter((one) => one.kind === "plan")) : [];
  return html`<main class=${classes("view run", (span || chosen === "about") && "with-pane")}>
    <${Header} run=${run} now=${now} spans=${spans} onReplay=${() => setReplaying(true)} onAbout=${() => select("about")} />
    <div class="split">
      <section class="split-main" aria-label="Spans">
        <div class="tabs" role="tablist" aria-label="Views of the run">${VIEWS.map(([name, title, key]) => html`<button role="tab" id=${`tab-${name}`} aria-selected=${view === name}
            aria-controls="run-view" onClick=${() => patch({ view: name })}>${title}<kbd>${key}</kbd></button>`)}</div>
        <div class="tab-view" id="run-view" role="tabpanel" aria-labelledby=${`tab-${view}`}>
          <${View} key=${view} body=${body} spans=${spans} steps=${steps} selected=${chosen} onSelect=${select} now=${now} bars=${view === "waterfall"} />
        </div>
      </section>
      <aside class="split-side" aria-label="Details">
        ${span
          ? html`<${CallPane} span=${span} step=${steps.find((one) => one.number === span.step)} siblings=${siblings.slice(-40)} onSelect=${select} onClose=${close} onFeedback=${remarked} />`
          : html`<${About} body=${body} spans=${spans} onClose=${close} />`}
      </aside>
    </div>
    ${replaying && html`<${ReplayDialog} run=${run.id} onClose=${() => setReplaying(false)} />`}
  </main>`;
}

/** The rows with one that is new or came to its end; they stay in order of id. */
function upsert(rows, row) {
  const at = rows.findLastIndex((one) => one[0] <= row[0]);
  return at >= 0 && rows[at][0] === row[0] ? rows.with(at, row) : rows.toSpliced(at + 1, 0, row);
}

function Header({ run, now, spans, onReplay, onAbout }) {
  const forced = spans.reduce((sum, span) => sum + Math.max(0, span.tokens_forced ?? 0), 0);
  return html`<header class="run-header">
    <div class="run-top">
      ${!embedded && html`<a class="icon" href=${href(["runs"])} aria-label="All runs">←</a>`}
      <h1 dir="auto">${oneLine(run.task)}</h1>
      <${Chip} status=${run.status} />
    </div>
    <div class="run-facts">
      <span title=${fullTime(run.started)}>${when(run.started)}</span>
      <span class=${run.status === "running" ? "tone-live" : ""}>${duration(now)}</span>
      <span>${plural(spans.length, "span")}</span>
      <span>${count(run.tokens_in)} tokens in, ${count(run.tokens_out)} out${run.tokens_out > 0 && forced > 0 ? `, ${percent(forced / run.tokens_out)} forced` : ""}</span>
      ${run.cost > 0 && html`<span>cost ${cost(run.cost)}</span>`}
      ${run.user_id && html`<span>${oneLine(run.user_id)}</span>`}
      ${run.forked_from && (embedded ? html`<span>forked</span>` : html`<span>forked from <a href=${href(["run", run.forked_from])}>step ${run.forked_step}</a> of another run,
        <a href=${href(["diff"], { a: run.forked_from, b: run.id })}>compare</a></span>`)}
      <span class="push"></span>
      <button class="quiet only-narrow" onClick=${onAbout}>About</button>
      ${!embedded && html`<button class="quiet" onClick=${onReplay}>Replay <kbd>r</kbd></button>
        <a class="button quiet" href=${href(["runs"], { compare: run.id })}>Compare <kbd>x</kbd></a>
        <details class="menu" aria-label="Export"><summary class="button quiet">Export</summary><div>
          ${[["html", "One HTML page"], ["openai", "OpenAI chat JSONL"], ["otlp", "OpenTelemetry JSON"]].map(
            ([form, title]) => html`<a href=${`api/runs/${encodeURIComponent(run.id)}/export?form=${form}`} download>${title}</a>`)}
        </div></details>`}
    </div>
  </header>`;
}

function About({ body, onClose }) {
  const { run, plan } = body;
  return html`<div class="pane">
    <header class="pane-head only-narrow"><button class="icon back" aria-label="Back to the run" onClick=${onClose}>←</button><div class="pane-title"><h2>About the run</h2></div></header>
    <div class="pane-body">
      <${Section} title="Task"><${Text} text=${run.task} /><//>
      ${run.answer && html`<${Section} title="Answer"><div class="answer"><${Text} text=${run.answer} /></div><//>`}
      ${run.error && html`<div class="trouble"><strong>Error</strong><${Text} text=${run.error} /></div>`}
      ${run.status === "waiting" && html`<p class="because">The run waits for a person: <span class="code">speeddial show ${run.id}</span> shows the question,
        <span class="code">speeddial resume ${run.id}</span> answers it.</p>`}
      ${(plan?.missing ?? run.missing).length > 0 && html`<${Section} title="Nobody serves"><ul class="plain">${(plan?.missing ?? run.missing).map((part) => html`<li dir="auto">${visible(part)}</li>`)}</ul><//>`}
      <${Section} title="Facts"><${Facts} pairs=${[
        ["Run", html`<span class="id">${run.id}</span>`],
        ["Workflow", visible(run.workflow)],
        ["User", visible(run.user_id)],
        ["Started", fullTime(run.started)],
        ["Ended", run.ended && fullTime(run.ended)],
        ["Resumed", run.resumed > 0 && plural(run.resumed, "time")],
        ["Files", run.inputs.map(oneLine).join(", ")],
        ["Written by", `process ${run.writer_pid} on ${visible(run.writer_host)}`],
        ["Redacted", Object.entries(run.redactions ?? {}).map(([rule, n]) => `${rule} ${n}`).join(", ")],
      ]} /><//>
      <${Section} title="Settings and versions" open=${false}><${Json} value=${{ settings: run.settings, limits: run.limits, versions: run.versions }} /><//>
    </div>
  </div>`;
}

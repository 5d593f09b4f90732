// The list of runs: newest first, as they come in.
import { html, classes, useEffect, useMemo, useRef, useState } from "./lib.js";
import { follow, get } from "./api.js";
import { asked, FilterBar, FILTERS, matches } from "./filters.js";
import { count, duration, fullTime, oneLine, plural, when } from "./format.js";
import { useKeys } from "./keys.js";
import { go, patch } from "./route.js";
import { Mark, statusWord, tone } from "./status.js";
import { moves, VirtualList } from "./virtual.js";
import { Empty, Trouble, useNarrow, useNow, Waiting } from "./widgets.js";

const PAGE = 50;

export function Runs({ query, onLive }) {
  const filter = FILTERS.map((name) => query[name] ?? "").join("\u0000");
  const [list, setList] = useState({ rows: [], next: null, loading: true, error: null });
  const newest = useRef(filter);
  newest.current = filter;
  const searchBox = useRef(null);
  const narrow = useNarrow();

  const load = async (before) => {
    setList((old) => ({ ...old, loading: true, error: null }));
    try {
      const page = await get("runs", { ...asked(query), limit: PAGE, before });
      if (newest.current !== filter) return;
      setList((old) => ({
        rows: before ? [...old.rows, ...page.runs] : page.runs,
        next: page.next,
        loading: false,
        error: null,
      }));
    } catch (error) {
      if (newest.current === filter) setList((old) => ({ ...old, loading: false, error }));
    }
  };

  useEffect(() => {
    load();
    return follow({}, { run: (run) => setList((old) => ({ ...old, rows: merged(old.rows, run, query) })) }, onLive);
  }, [filter]);

  const { rows } = list;
  const now = useNow(rows.some((run) => run.status === "running"));
  const experts = useMemo(() => [...new Set(rows.flatMap((run) => run.experts))].sort(), [rows]);
  const marked = query.compare ?? "";
  const selected = query.at ? rows.findIndex((run) => run.id === query.at) : -1;
  const select = (index) => patch({ at: rows[index].id });
  const open = (index) => rows[index] && go(["run", rows[index].id]);
  const compare = () => {
    const run = rows[selected];
    if (!run) return;
    if (!marked || marked === run.id) patch({ compare: marked ? "" : run.id });
    else go(["diff"], { a: marked, b: run.id });
  };

  useKeys("Runs", [
    ...moves(rows.length, selected, select),
    ["Enter o", "open the run", () => open(selected)],
    ["x", "mark a run; on a second one, compare the two", compare],
    ["b", "build a dataset from the filter", () => go(["datasets"], { ...filtersOf(query), build: 1 })],
    ["/", "search in tasks", () => searchBox.current.focus()],
    ["Escape", "take back the mark", () => (marked ? patch({ compare: "" }) : false)],
  ]);

  const filtered = FILTERS.some((name) => query[name]);
  const loaded = rows.length ? `${plural(rows.length, "run")}${list.next ? ", more below" : ""}` : "";
  return html`<main class="view runs">
    <h1 class="sr">Runs</h1>
    <${FilterBar} query=${query} experts=${experts} searchBox=${searchBox} total=${loaded} />
    ${marked && html`<div class="banner" role="status">
      <span>Comparing <b>${oneLine(rows.find((run) => run.id === marked)?.task ?? marked)}</b> with …
      choose another run and press <kbd>x</kbd>.</span>
      ${selected >= 0 && rows[selected].id !== marked && html`<button onClick=${compare}>Compare with the chosen run</button>`}
      <button class="quiet" onClick=${() => patch({ compare: "" })}>Cancel</button>
    </div>`}
    ${list.error && html`<${Trouble} error=${list.error} retry=${() => load()} />`}
    ${!rows.length && list.loading && html`<${Waiting} />`}
    ${!rows.length && !list.loading && !list.error && html`<${NoRuns} filtered=${filtered} />`}
    ${rows.length > 0 && html`
      <div class="run-row run-head" aria-hidden="true">
        <span></span><span>Task</span><span>Phoned</span><span class="num">Calls</span>
        <span class="num">Tokens</span><span class="num">Time</span><span class="num">Started</span>
      </div>
      <${VirtualList} id="run" label="Runs" rows=${rows} height=${narrow ? 76 : 44} selected=${selected}
        onSelect=${select} onOpen=${open} onEnd=${() => list.next && !list.loading && load(list.next)}
        row=${(run) => html`<${RunRow} run=${run} now=${now} marked=${run.id === marked} />`} />`}
  </main>`;
}

function filtersOf(query) {
  return Object.fromEntries(FILTERS.map((name) => [name, query[name] ?? ""]));
}

/** The rows with a run that came in by the live tail: in its place, or at the top where it belongs. */
function merged(rows, run, query) {
  const at = rows.findIndex((one) => one.id === run.id);
  if (at >= 0) return rows.with(at, run);
  if (!matches(run, query)) return rows;
  const place = rows.findIndex((one) => one.id < run.id);
  return place < 0 ? rows : rows.toSpliced(place, 0, run);
}

function RunRow({ run, now, marked }) {
  const running = run.status === "running";
  const took = running ? now - Date.parse(run.started) : run.latency_ms;
  return html`<div class=${classes("run-row", marked && "marked")}>
    <${Mark} status=${run.status} />
    <span class="run-task">
      <span class="ellipsis" dir="auto">${oneLine(run.task)}</span>
      <span class="run-under">
        <span class=${`tone-${tone(run.status)}`}>${statusWord(run.status)}</span>
        ${run.workflow && run.workflow !== "default" && html`<span>${oneLine(run.workflow)}</span>`}
        ${run.user_id && html`<span>${oneLine(run.user_id)}</span>`}
        ${run.forked_from && html`<span>fork</span>`}
        ${run.feedback > 0 && html`<span>${plural(run.feedback, "remark")}</span>`}
      </span>
    </span>
    <span class="run-experts"><${Experts} names=${run.experts} /></span>
    <span class="num run-calls">${count(run.interaction_count)}</span>
    <span class="num run-tokens" title=${`${count(run.tokens_in)} in, ${count(run.tokens_out)} out`}>${count(run.tokens_in + run.tokens_out)}</span>
    <span class=${classes("num run-time", running && "tone-live")}>${duration(took)}</span>
    <span class="num run-started" title=${fullTime(run.started)}>${when(run.started)}</span>
  </div>`;
}

function Experts({ names }) {
  const shown = names.slice(0, 3);
  return html`${shown.map((name) => html`<span class="tag ellipsis">${oneLine(name)}</span>`)}${
    names.length > 3 && html`<span class="more">+${names.length - 3}</span>`
  }`;
}

function NoRuns({ filtered }) {
  if (filtered)
    return html`<${Empty} title="No run matches these filters">
      <button onClick=${() => patch(Object.fromEntries(FILTERS.map((name) => [name, ""])))}>Clear filters</button>
    <//>`;
  return html`<${Empty} title="Nothing recorded yet">
    <p>Run a task in this project; it appears here while it runs.</p>
    <pre class="code">speeddial run "How many orders came from Berlin?" --input examples/orders.csv</pre>
  <//>`;
}

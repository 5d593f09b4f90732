// A run as a waterfall and as a tree: the same rows, with bars on a clock or with figures.
import { html, classes, useMemo, useRef, useState } from "./lib.js";
import { SearchField } from "./filters.js";
import { count, duration, oneLine, percent, plural } from "./format.js";
import { useKeys } from "./keys.js";
import { foundRows, spanName, treeRows } from "./spans.js";
import { Mark, statusWord, tone } from "./status.js";
import { moves, VirtualList } from "./virtual.js";
import { Empty, useNarrow } from "./widgets.js";

const ROW = 28;

export function Timeline({ spans, steps, selected, onSelect, now, bars }) {
  const [closed, setClosed] = useState(() => new Set());
  const [text, setText] = useState("");
  const searchBox = useRef(null);
  const narrow = useNarrow();
  const all = useMemo(() => treeRows(spans, steps, closed), [spans, steps, closed]);
  const rows = useMemo(() => (text ? foundRows(treeRows(spans, steps, new Set()), text) : all), [all, text, spans, steps]);
  const index = rows.findIndex((row) => row.id === selected);
  const total = useMemo(() => Math.max(1, now, latestEnd(spans)), [spans, now]);

  const fold = (row, open) => {
    if (!row?.children || row.open === open) return false;
    const next = new Set(closed);
    if (open) next.delete(row.id);
    else next.add(row.id);
    setClosed(next);
    return true;
  };
  const parentOf = (at) => rows.findLastIndex((row, place) => place < at && row.depth < rows[at].depth);
  useKeys(bars ? "Waterfall" : "Tree", [
    ...moves(rows.length, index, (at) => onSelect(rows[at].id)),
    ["ArrowLeft", "close, or go to the one above", () => fold(rows[index], false) || (index > 0 && parentOf(index) >= 0 && onSelect(rows[parentOf(index)].id))],
    ["ArrowRight", "open", () => fold(rows[index], true)],
    ["/", "search in this run", () => searchBox.current.focus()],
  ]);

  return html`<div class=${classes("timeline", bars ? "with-bars" : "with-figures")}>
    <div class="timeline-bar">
      <${SearchField} box=${searchBox} value=${text} onChange=${setText} label="Search in this run" placeholder="Search in this run" />
      <span class="note">${text ? `${plural(rows.length, "row")} of ${spans.length + steps.length}` : plural(spans.length, "span")}</span>
    </div>
    ${bars ? html`<${Axis} total=${total} />` : html`<${Heads} />`}
    ${rows.length === 0 && html`<${Empty} title=${text ? "Nothing in this run has these words" : "Nothing happened yet"} />`}
    ${rows.length > 0 && html`<${VirtualList} id="span" role="tree" label=${bars ? "Waterfall" : "Tree"} rows=${rows} height=${narrow ? 36 : ROW}
      selected=${index} onSelect=${(at) => onSelect(rows[at].id)}
      aria=${(row) => ({ "aria-level": row.depth + 1, "aria-expanded": row.children ? row.open : undefined })}
      row=${(row) => html`<${Row} row=${row} total=${total} now=${now} bars=${bars} flat=${Boolean(text)} onFold=${() => fold(row, !row.open)} />`} />`}
  </div>`;
}

function latestEnd(spans) {
  let most = 0; // no Math.max(...): 30,000 arguments may overflow the stack
  for (const span of spans) most = Math.max(most, span.end_ms ?? span.start_ms);
  return most;
}

function Row({ row, total, now, bars, flat, onFold }) {
  const { span, step } = row;
  const status = span ? span.status : step.status;
  const name = span ? spanName(span) : step.expert;
  const title = span ? span.reason || span.title : step.task;
  const start = span ? span.start_ms : Math.min(step.start_ms, total);
  const end = span ? (span.end_ms ?? now) : step.end_ms;
  return html`<div class=${classes("span-row", step && "span-step")}>
    <span class="span-name" style=${{ "--depth": flat ? 0 : Math.min(row.depth, 12) }}>
      ${row.children
        ? html`<span class=${classes("caret", row.open && "open")} aria-hidden="true" onClick=${(event) => (event.stopPropagation(), onFold())}></span>`
        : html`<span class="caret none"></span>`}
      <${Mark} status=${status} named />
      <b class="ellipsis">${step ? `${step.number} ` : ""}${oneLine(name)}</b>
      ${span && html`<span class="kind">${span.kind === "model" ? (span.escalated_from != null ? "escalated" : span.attempt > 1 ? "again" : "") : span.kind}</span>`}
      <span class="span-title ellipsis" dir="auto">${oneLine(title)}</span>
    </span>
    ${bars
      ? html`<span class="lane">${(span || step.spans.length > 0) && html`<span class=${`bar tone-${tone(status)} ${step ? "bar-step" : `bar-${span.kind}`}`}
          style=${{ left: `${(100 * start) / total}%`, width: `max(3px, ${(100 * Math.max(0, end - start)) / total}%)` }}></span>
        <span class=${classes("bar-ms", end / total > 0.82 && "before")} style=${end / total > 0.82 ? { right: `${100 - (100 * start) / total}%` } : { left: `${(100 * end) / total}%` }}>${duration(end - start)}</span>`}</span>`
      : html`<${Figures} span=${span} step=${step} ms=${end - start} />`}
  </div>`;
}

function Figures({ span, step, ms }) {
  return html`<span class="figures">
    <span class="num">${span?.confidence != null ? percent(span.confidence) : ""}</span>
    <span class="num">${span && span.kind !== "tool" ? count(span.tokens_in + span.tokens_out) : ""}</span>
    <span class="num">${span?.tokens_forced > 0 ? percent(span.tokens_forced / span.tokens_out) : ""}</span>
    <span class="num">${step && !step.spans.length ? statusWord(step.status) : duration(ms)}</span>
  </span>`;
}

function Heads() {
  return html`<div class="span-row heads" aria-hidden="true"><span class="span-name">Span</span><span class="figures">
    <span class="num">Sure</span><span class="num">Tokens</span><span class="num">Forced</span><span class="num">Time</span></span></div>`;
}

/** Marks at round times, at most six of them. */
function Axis({ total }) {
  const rough = total / 5;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((one) => one >= rough);
  const ticks = [];
  for (let at = 0; at <= total * 0.95; at += step) ticks.push(at);
  return html`<div class="span-row heads" aria-hidden="true"><span class="span-name">Span</span><span class="lane">${ticks.map(
    (at) => html`<span class="tick" style=${{ left: `${(100 * at) / total}%` }}>${at === 0 ? "0" : duration(at).replace(/\.0+ s$/, " s")}</span>`,
  )}</span></div>`;
}

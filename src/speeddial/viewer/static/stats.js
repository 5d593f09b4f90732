// Experts against the generalist: who was called, how well it went, what it took and what was saved.
import { html, useState } from "./lib.js";
import { get, useFetch } from "./api.js";
import { Bar, ShareBar } from "./charts.js";
import { sinceTime } from "./filters.js";
import { cost, count, duration, oneLine, percent, visible } from "./format.js";
import { useKeys } from "./keys.js";
import { go, href, patch } from "./route.js";
import { Empty, Trouble, Waiting } from "./widgets.js";

const PERIODS = [["", "all time"], ["24h", "24 hours"], ["7d", "7 days"], ["30d", "30 days"]];
const ROLES = [["expert", "Experts"], ["generalist", "Generalist"], ["tool", "Tools"]];
const OUTCOMES = ["exact", "corrected", "salvaged", "escalated", "refused", "failed"];

export function Stats({ query }) {
  const { data, error, loading, reload } = useFetch(() => get("stats", { since: sinceTime(query.since) }), [query.since]);
  return html`<main class="view page">
    <header class="page-head"><h1>Experts and generalist</h1>
      <div class="segmented" role="group" aria-label="Period">${PERIODS.map(([value, title]) => html`<button aria-pressed=${(query.since ?? "") === value} onClick=${() => patch({ since: value })}>${title}</button>`)}</div>
    </header>
    ${error && html`<${Trouble} error=${error} retry=${reload} />`}
    ${!data && loading && html`<${Waiting} />`}
    ${data && html`<${Figures} data=${data} />`}
  </main>`;
}

function Figures({ data }) {
  const { rows, saved } = data;
  if (!rows.some((row) => row.calls)) return html`<${Empty} title="No calls in this time"><p>Figures appear with the first run.</p><//>`;
  const sum = (role, field) => rows.filter((row) => row.role === role).reduce((total, row) => total + (row[field] ?? 0), 0);
  const experts = sum("expert", "calls");
  const generalist = sum("generalist", "calls");
  const tokens = (role) => sum(role, "tokens_in") + sum(role, "tokens_out");
  return html`
    <div class="cards">
      <${Card} title="Served by experts" value=${percent(experts / Math.max(1, experts + generalist))} note=${`${count(experts)} of ${count(experts + generalist)} model calls`} />
      <${Card} title="Exact at first try" value=${percent(sum("expert", "exact") / Math.max(1, experts))} note="of the experts' calls" />
      <${Card} title="Tokens" value=${count(tokens("expert"))} note=${`by experts; ${count(tokens("generalist"))} by the generalist`} />
      <${Card} title="Saved" value=${saved.cost != null ? cost(saved.cost) : `${count(saved.tokens)} tokens`} note=${visible(saved.basis)} />
    </div>
    ${ROLES.map(([role, title]) => html`<${Table} title=${title} role=${role} rows=${rows.filter((row) => row.role === role)} all=${rows} />`)}`;
}

export function Card({ title, value, note }) {
  return html`<div class="card"><div class="card-title">${title}</div><div class="card-value">${value}</div><div class="note">${note}</div></div>`;
}

function Table({ title, role, rows, all }) {
  if (!rows.length) return null;
  const models = role !== "tool";
  const peers = all.filter((row) => (row.role === "tool") === !models);
  const most = (field) => Math.max(...peers.map((row) => row[field] ?? 0));
  const calls = most("calls");
  const slow = most("latency_p95_ms");
  return html`<section class="table-part"><h2>${title}</h2><div class="table-box"><table>
    <thead><tr>
      <th>${models ? "Name" : "Tool"}</th>${models && html`<th>Model</th>`}<th class="wide">Calls</th><th>Outcomes</th>
      <th class="num">${models ? "Exact" : "Done"}</th>${models && html`<th class="num">Tokens in</th><th class="num">out</th><th class="num">forced</th>`}
      <th class="wide">Median</th><th class="num">p95</th>${models && html`<th class="num">Cost</th>`}
    </tr></thead>
    <tbody>${rows.map((row) => html`<tr>
      <th scope="row">${role === "expert" ? html`<a href=${href(["expert", row.name])}>${oneLine(row.name)}</a>` : oneLine(row.name)}</th>
      ${models && html`<td class="model">${oneLine(row.model)}</td>`}
      <td class="wide"><${Bar} value=${row.calls} most=${calls} text=${count(row.calls)} /></td>
      <td><${ShareBar} parts=${OUTCOMES.map((status) => [status, row[status] ?? 0])} /></td>
      <td class="num">${percent(row.exact / Math.max(1, row.calls))}</td>
      ${models && html`<td class="num">${count(row.tokens_in)}</td><td class="num">${count(row.tokens_out)}</td><td class="num">${percent(row.tokens_out ? row.tokens_forced / row.tokens_out : null)}</td>`}
      <td class="wide"><${Bar} value=${row.latency_p50_ms ?? 0} most=${slow} text=${duration(row.latency_p50_ms)} /></td>
      <td class="num">${duration(row.latency_p95_ms)}</td>
      ${models && html`<td class="num">${cost(row.cost)}</td>`}
    </tr>`)}</tbody>
  </table></div></section>`;
}

/** j, k and Enter over a short list of links. */
export function useLinkKeys(title, links, others = []) {
  const [at, setAt] = useState(-1);
  const to = (index) => links.length && setAt(Math.max(0, Math.min(links.length - 1, index)));
  useKeys(title, [
    ["j ArrowDown", "next", () => to(at + 1)],
    ["k ArrowUp", "previous", () => to(at - 1)],
    ["Enter o", "open", () => (links[at] ? go(...links[at]) : false)],
    ...others,
  ]);
  return at;
}

// The ledger: what specialists serve of an agent's traffic, what it saves, and what it has cost, task by task.
import { html } from "./lib.js";
import { get, useFetch } from "./api.js";
import { sinceTime } from "./filters.js";
import { cost, count, duration, exactCount, fullTime, oneLine, percent, plural, visible } from "./format.js";
import { patch } from "./route.js";
import { Card } from "./stats.js";
import { Empty, Trouble, Waiting } from "./widgets.js";

const PERIODS = [["", "since the first version"], ["24h", "24 hours"], ["7d", "7 days"], ["30d", "30 days"]];
const WHY = {
  demands: "asked for more than calls", conversation: "later in a conversation", tools: "other tools", busy: "too many at once",
  slow: "too slow", broken: "an error", refused: "refused", wrong: "no valid call", unsure: "unsure", invalid: "against the agent's schema",
};

export function Ledger({ query }) {
  const { data, error, loading, reload } = useFetch(() => get("ledger", { since: sinceTime(query.since) }), [query.since]);
  return html`<main class="view page">
    <header class="page-head"><h1>Ledger</h1>
      <div class="segmented" role="group" aria-label="Period">${PERIODS.map(([value, title]) => html`<button aria-pressed=${(query.since ?? "") === value} onClick=${() => patch({ since: value })}>${title}</button>`)}</div>
    </header>
    ${error && html`<${Trouble} error=${error} retry=${reload} />`}
    ${!data && loading && html`<${Waiting} />`}
    ${data && html`<${Figures} data=${data} />`}
  </main>`;
}

function Figures({ data }) {
  const { total, tasks, missing } = data;
  if (!total.calls && !tasks.length) return html`<${Empty} title="No traffic in this time">
    <p><code>speeddial serve --record</code> stands between an agent and its model; what passes is counted here.</p><//>`;
  const wasted = total.wasted;
  return html`
    <div class="cards">
      <${Card} title="Calls served by specialists" value=${percent(total.served_share?.value, 1)} note=${`${span(total.served_share)}; ${exactCount(total.served)} of ${plural(total.calls, "call")}`} />
      <${Card} title="Tokens the model was spared" value=${percent(total.tokens_share?.value, 1)} note=${`${span(total.tokens_share)}; a call's tokens are the mean of ${exactCount(total.baseline_calls)}`} />
      <${Card} title="Saved, in US dollars" value=${cost(total.saved?.value)} note=${total.saved ? `${money(total.saved)}, less what specialists cost` : "prices are not set"} />
      <${Card} title="Training paid for after" value=${total.break_even ? plural(Math.round(total.break_even.value), "call") : "–"} note=${paid(total)} />
    </div>
    <section class="table-part"><h2>Tasks</h2><div class="table-box"><table>
      <thead><tr><th>Task</th><th>Stage</th><th class="num">Served</th><th>Of the calls</th><th>Of the tokens</th><th>Of the cost</th>
        <th class="num">Saved</th><th class="num">Left to the model</th><th class="num">Training</th><th class="num">Paid for after</th></tr></thead>
      <tbody>${tasks.map((line) => html`<${Row} line=${line} />`)}${tasks.length > 1 && html`<${Row} line=${total} />`}</tbody>
    </table></div></section>
    ${total.asked > 0 && html`<section class="table-part"><h2>Left to the large model</h2><div class="table-box"><table>
      <thead><tr><th>Why</th><th class="num">Calls</th><th class="num">Of those asked</th></tr></thead>
      <tbody>${Object.entries(total.reasons).map(([why, n]) => html`<tr><th scope="row">${WHY[why] ?? visible(why)}</th><td class="num">${exactCount(n)}</td><td class="num">${percent(n / total.asked, 1)}</td></tr>`)}</tbody>
    </table></div>
    <p class="note">For nothing, shadows included: ${plural(wasted.calls, "decode")}, ${plural(wasted.tokens, "token")}, ${duration(wasted.seconds * 1000)}${wasted.cost ? `, ${cost(wasted.cost)} US dollars` : ""}.</p></section>`}
    <p class="note">${data.since ? `Counted since ${fullTime(data.since)}. ` : ""}Intervals hold the true figure 95 times of 100.
      What a spared call would have cost is what the large model's other calls of the task cost.</p>
    ${missing.map((line) => html`<p class="note">${visible(line)}</p>`)}`;
}

function Row({ line }) {
  return html`<tr>
    <th scope="row">${line.task === "all" ? "All" : oneLine(line.task)}</th><td>${visible(line.stage)}</td>
    <td class="num">${exactCount(line.served)} of ${exactCount(line.calls)}</td>
    <td><${Interval} figure=${line.served_share} /></td><td><${Interval} figure=${line.tokens_share} /></td><td><${Interval} figure=${line.cost_share} /></td>
    <td class="num" title=${line.saved ? money(line.saved) : ""}>${cost(line.saved?.value)}</td>
    <td class="num">${exactCount(line.escalated)} of ${exactCount(line.asked)}</td>
    <td class="num">${line.training_seconds ? duration(line.training_seconds * 1000) : "–"}</td>
    <td class="num">${line.break_even ? count(Math.round(line.break_even.value)) : "–"}</td>
  </tr>`;
}

/** A share on a scale from 0 to 1, with the band in which it lies. */
function Interval({ figure }) {
  if (!figure) return "–";
  const at = (share) => `${100 * Math.min(1, Math.max(0, share))}%`;
  const words = `${percent(figure.value, 1)}, ${span(figure)}, of ${plural(figure.calls, "call")}`;
  return html`<span class="interval" role="img" aria-label=${words} title=${words}>
    <em><i style=${{ left: at(figure.low), width: at(figure.high - figure.low) }}></i><b style=${{ left: at(figure.value) }}></b></em><span>${percent(figure.value, 1)}</span></span>`;
}

function span(figure) {
  return figure ? `${percent(figure.low, 1)} to ${percent(figure.high, 1)}` : "not known";
}

function money(figure) {
  return `${cost(figure.low)} to ${cost(figure.high)}`;
}

function paid(total) {
  if (total.break_even) return `${count(Math.round(total.break_even.low))} to ${count(Math.round(total.break_even.high))}; training cost ${cost(total.training_cost)} US dollars`;
  return total.training_seconds ? `not known; training took ${duration(total.training_seconds * 1000)}` : "nothing was trained";
}

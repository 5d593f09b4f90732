// Small drawings: shares as bars, and how right a model was by how sure it was.
import { html } from "./lib.js";
import { percent, plural } from "./format.js";
import { statusWord } from "./status.js";

/** parts: [[status, count], ...] as one bar; the words stand in its accessible name and title. */
export function ShareBar({ parts }) {
  const total = parts.reduce((sum, [, n]) => sum + n, 0);
  const words = parts.filter(([, n]) => n > 0).map(([status, n]) => `${statusWord(status)} ${n}`).join(", ");
  return html`<span class="share" role="img" aria-label=${words || "no calls"} title=${words}>${parts.map(
    ([status, n]) => n > 0 && html`<i class=${`share-${status}`} style=${{ flexGrow: n / total }}></i>`)}</span>`;
}

/** One length against the largest of its column. */
export function Bar({ value, most, text }) {
  return html`<span class="meter"><i style=${{ width: `${most > 0 ? (100 * value) / most : 0}%` }}></i><span>${text}</span></span>`;
}

const W = 320;
const H = 220;
const PAD = { left: 40, right: 10, top: 10, bottom: 34 };

/** bins: [{ low, high, count, mean_confidence, right }]; right: the share that was right. */
export function Calibration({ bins }) {
  const filled = bins.filter((bin) => bin.count > 0);
  const x = (share) => PAD.left + share * (W - PAD.left - PAD.right);
  const y = (share) => H - PAD.bottom - share * (H - PAD.top - PAD.bottom);
  const most = Math.max(1, ...filled.map((bin) => bin.count));
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const words = filled.map((bin) => `${percent(bin.low)} to ${percent(bin.high)}: ${percent(bin.right)} right of ${plural(bin.count, "call")}`).join("; ");
  return html`<figure class="chart">
    <svg viewBox=${`0 0 ${W} ${H}`} role="img" aria-label=${`Share of right calls by confidence. ${words}`}>
      ${ticks.map((share) => html`<g class="grid">
        <line x1=${x(share)} x2=${x(share)} y1=${y(0)} y2=${y(1)} /><line x1=${x(0)} x2=${x(1)} y1=${y(share)} y2=${y(share)} />
        <text x=${x(share)} y=${H - PAD.bottom + 14} text-anchor="middle">${share * 100}</text>
        <text x=${PAD.left - 6} y=${y(share) + 3} text-anchor="end">${share * 100}</text></g>`)}
      <line class="ideal" x1=${x(0)} y1=${y(0)} x2=${x(1)} y2=${y(1)} />
      ${filled.map((bin) => html`<g>
        <line class="miss" x1=${x(bin.mean_confidence)} x2=${x(bin.mean_confidence)} y1=${y(bin.mean_confidence)} y2=${y(bin.right)} />
        <circle class="dot" cx=${x(bin.mean_confidence)} cy=${y(bin.right)} r=${3 + 6 * Math.sqrt(bin.count / most)}>
          <title>${`${percent(bin.right)} right of ${plural(bin.count, "call")} at confidence ${percent(bin.mean_confidence)}`}</title></circle></g>`)}
      <text class="axis" x=${x(0.5)} y=${H - 4} text-anchor="middle">confidence, %</text>
      <text class="axis" transform=${`rotate(-90) translate(${-y(0.5)} 10)`} text-anchor="middle">right, %</text>
    </svg>
    <figcaption>On the line, the confidence says how often a call is right. Dots grow with the calls in them.</figcaption>
  </figure>`;
}

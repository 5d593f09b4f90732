// A run as its plan: who was phoned, what ran side by side, and whose results went where.
import { html, classes, useLayoutEffect, useMemo, useRef, useState } from "./lib.js";
import { duration, oneLine, plural } from "./format.js";
import { useKeys } from "./keys.js";
import { layered } from "./layout.js";
import { decidingSpan, spanName } from "./spans.js";
import { Mark, statusWord, tone } from "./status.js";
import { moves } from "./virtual.js";
import { Empty } from "./widgets.js";

const SIZE = { width: 224, height: 104 };
const NARROWEST = 150; // px of a node; below that its words are gone, and the sheet is moved instead
const GAP = { layer: 52, node: 20 };
const GAP_DOWN = { layer: 40, node: 16 };
const MARGIN = 20;
const MOST = 300; // steps; a longer plan is no picture any more

export function PlanGraph({ body, steps, spans, selected, onSelect }) {
  const box = useRef(null);
  const [width, setWidth] = useState(800);
  useLayoutEffect(() => {
    const measure = () => setWidth(box.current.clientWidth);
    const watcher = new ResizeObserver(measure);
    watcher.observe(box.current);
    measure(); // before it is painted: nobody is to click a node that then moves
    return () => watcher.disconnect();
  }, []);

  const nodes = useMemo(() => nodesOf(body, steps, spans), [body, steps, spans]);
  const drawing = useMemo(() => {
    if (!nodes.length) return null;
    const across = layered(nodes, { size: SIZE, gap: GAP, down: false });
    if (across.width + 2 * MARGIN <= width) return { ...across, size: SIZE };
    const beside = Math.max(...across.layers.map((layer) => layer.length));
    const room = (width - 2 * MARGIN - (beside - 1) * GAP_DOWN.node) / beside;
    const size = { ...SIZE, width: Math.max(NARROWEST, Math.min(SIZE.width, room)) };
    return { ...layered(nodes, { size, gap: GAP_DOWN, down: true }), size };
  }, [nodes, width]);

  const stops = nodes.filter((node) => node.target);
  const at = stops.findIndex((node) => node.target === selected || node.spans?.some((span) => `${span.id}` === selected));
  useKeys("Plan", moves(stops.length, at, (index) => onSelect(stops[index].target)));

  return html`<div class="graph" ref=${box} role="group" aria-label="Plan graph">
    ${!drawing && html`<${Empty} title=${steps.length > MOST ? `${plural(steps.length, "step")} are too many for a picture` : "Nobody was phoned yet"}>
      <p>The waterfall and the tree show every call.</p>
    <//>`}
    ${drawing && html`<div class="graph-sheet" style=${{ width: `${drawing.width + 2 * MARGIN}px`, height: `${drawing.height + 2 * MARGIN}px` }}>
      <${Bands} drawing=${drawing} />
      <${Edges} drawing=${drawing} nodes=${nodes} />
      ${nodes.map((node) => {
        const { x, y } = drawing.places.get(node.id);
        return html`<${Node} key=${node.id} node=${node} size=${drawing.size} x=${x + MARGIN} y=${y + MARGIN}
          chosen=${at >= 0 && stops[at] === node} onSelect=${onSelect} />`;
      })}
    </div>`}
    ${drawing && html`<div class="graph-key">
      <span><i class="line solid"></i>result used by</span><span><i class="line dashed"></i>phoned after the plan</span>
    </div>`}
  </div>`;
}

function nodesOf(body, steps, spans) {
  if (!steps.length && !spans.length && !body.plan) return [];
  if (steps.length > MOST) return [];
  const plans = spans.filter((span) => span.kind === "plan");
  const start = plans.length
    ? { id: "plan", kind: "plan", title: plans.at(-1).expert, task: `${plans.length > 1 ? `planned ${plans.length} times: ` : ""}${plural(steps.length, "step")}`, after: [],
        status: plans.at(-1).status, spans: plans, target: `${plans.at(-1).id}`, ms: lengthOf(plans) }
    : { id: "plan", kind: "task", title: "task", task: body.run.task, after: [], status: null };
  const numbers = new Set(steps.map((step) => step.number));
  const used = new Set(steps.flatMap((step) => step.uses));
  const phoned = steps.map((step) => {
    // A plan that failed its check may use what does not exist or comes later; it is shown all the same.
    const uses = step.uses.filter((number) => number < step.number && numbers.has(number));
    return {
      id: `s${step.number}`, kind: "step", number: step.number, title: step.expert, task: step.task, file: step.file,
      after: uses.length ? uses.map((number) => `s${number}`) : ["plan"],
      status: step.status, spans: step.spans, target: decidingSpan(step) ? `${decidingSpan(step).id}` : "",
      ms: lengthOf(step.spans),
    };
  });
  const missing = (body.plan?.missing ?? []).map((task, index) => ({
    id: `m${index}`, kind: "missing", title: "nobody here", task, after: ["plan"], status: "refused",
  }));
  const ends = steps.filter((step) => !used.has(step.number)).map((step) => `s${step.number}`);
  const answer = { id: "answer", kind: "answer", title: "answer", task: body.run.answer || body.run.error || statusWord(body.run.status), after: ends.length ? ends : ["plan"], status: body.run.status, target: "about" };
  return [start, ...phoned, ...missing, answer];
}

/** From the first start to the last end in ms; null when nothing ended. */
function lengthOf(spans) {
  const ended = spans.filter((span) => span.end_ms != null);
  return ended.length ? Math.max(...ended.map((span) => span.end_ms)) - spans[0].start_ms : null;
}

function Bands({ drawing }) {
  return drawing.layers.map((layer) => {
    if (layer.length < 2) return null;
    const spots = layer.map((id) => drawing.places.get(id));
    const [left, top] = [Math.min(...spots.map((spot) => spot.x)), Math.min(...spots.map((spot) => spot.y))];
    const [right, bottom] = [Math.max(...spots.map((spot) => spot.x)) + drawing.size.width, Math.max(...spots.map((spot) => spot.y)) + drawing.size.height];
    return html`<div class="band" aria-hidden="true" style=${{
      left: `${left + MARGIN - 10}px`, top: `${top + MARGIN - 14}px`, width: `${right - left + 20}px`, height: `${bottom - top + 28}px`,
    }}></div>`;
  });
}

function Edges({ drawing, nodes }) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  return html`<svg class="edges" aria-hidden="true" width=${drawing.width + 2 * MARGIN} height=${drawing.height + 2 * MARGIN}>
    <defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
      <path d="M0 .8 7 4 0 7.2Z" fill="context-stroke" /></marker></defs>
    <g transform=${`translate(${MARGIN} ${MARGIN})`}>${drawing.edges.map(({ from, to, path }) => {
      const flow = byId.get(from).kind === "step" && byId.get(to).kind === "step";
      return html`<path d=${path} class=${classes("edge", flow ? `flow tone-${tone(byId.get(from).status)}` : "weak")} marker-end="url(#tip)" />`;
    })}</g>
  </svg>`;
}

/** The spans of a step, the latest by name, earlier ones by shape where names have no room. */
function SpanTags({ spans, room }) {
  const last = spans.slice(-5);
  const named = spans.length > 2 || room < SIZE.width ? 1 : 2;
  return html`${spans.length > last.length && html`<span class="more">${spans.length - last.length} +</span>`}${last.map((span, at) =>
    at < last.length - named
      ? html`<span class="tag terse" title=${oneLine(spanName(span))}><${Mark} status=${span.status} /></span>`
      : html`<span class="tag ellipsis"><${Mark} status=${span.status} />${oneLine(spanName(span))}</span>`,
  )}`;
}

function Node({ node, size, x, y, chosen, onSelect }) {
  const { kind, status, spans = [] } = node;
  const inside = html`
    <span class="node-head">
      ${status && html`<${Mark} status=${status} />`}
      ${node.number && html`<span class="node-number">${node.number}</span>`}
      <span class="node-title ellipsis">${oneLine(node.title)}</span>
      ${node.ms != null && html`<span class="node-ms">${duration(node.ms)}</span>`}
    </span>
    <span class="node-task" dir="auto">${oneLine(node.task)}</span>
    ${kind === "step" && html`<span class="node-spans">${
      spans.length === 0
        ? html`<span class="tag plain">${statusWord(status)}</span>`
        : html`<${SpanTags} spans=${spans} room=${size.width} />`
    }</span>`}
    ${kind === "missing" && html`<span class="node-spans"><span class="tag plain">not served</span></span>`}`;
  const place = { left: `${x}px`, top: `${y}px`, width: `${size.width}px`, height: `${size.height}px` };
  const names = classes("node", `node-${kind}`, status && `tone-${tone(status)}`, chosen && "chosen");
  if (!node.target) return html`<div class=${names} style=${place}>${inside}</div>`;
  const label = `${node.number ? `Step ${node.number}, ` : ""}${oneLine(node.title)}: ${oneLine(node.task)}${status ? `, ${statusWord(status)}` : ""}`;
  return html`<button class=${names} style=${place} aria-label=${label} aria-pressed=${chosen} onClick=${() => onSelect(node.target)}>${inside}</button>`;
}

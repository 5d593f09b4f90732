// What happened in a run, from the API's columns: steps, the rows of the tree, and their order in time.

/** Columns of a row -> an object. */
export function spanOf(fields, row) {
  return Object.fromEntries(fields.map((name, index) => [name, row[index]]));
}

const END = { failed: true, unknown_outcome: true };

/** How a step stands, from its spans in order. */
export function stepStatus(spans) {
  if (!spans.length) return "pending";
  if (spans.some((span) => span.status === "running")) return "running";
  const last = spans.at(-1);
  if (last.kind === "tool" && last.status in END) return last.status;
  const decode = spans.findLast((span) => span.kind !== "tool");
  if (!decode) return last.status;
  return decode.escalated_from != null && !(decode.status in END) && decode.status !== "refused"
    ? "escalated"
    : decode.status;
}

/**
 * The steps of a run, by number: those of the plan, and others that have spans (a call without a plan).
 * Each has number, expert, task, file, uses, spans in order, status, start and end in ms.
 */
export function stepsOf(plan, spans) {
  const steps = new Map();
  const step = (number) => {
    if (!steps.has(number)) steps.set(number, { number, expert: "", task: "", uses: [], spans: [] });
    return steps.get(number);
  };
  (plan?.steps ?? []).forEach((planned, index) => Object.assign(step(index + 1), planned, { uses: planned.uses ?? [] }));
  for (const span of spans) if (span.step > 0) step(span.step).spans.push(span);
  const list = [...steps.values()].sort((a, b) => a.number - b.number);
  for (const one of list) {
    one.expert ||= one.spans[0]?.expert ?? "";
    one.status = stepStatus(one.spans);
    one.start_ms = one.spans.reduce((least, span) => Math.min(least, span.start_ms), Infinity);
    one.end_ms = one.spans.reduce((most, span) => Math.max(most, span.end_ms ?? span.start_ms), 0);
  }
  return list;
}

/** The span that a step's outcome hangs on: its last decode. */
export function decidingSpan(step) {
  return step.spans.findLast((span) => span.kind !== "tool") ?? step.spans.at(-1);
}

/**
 * Rows of the tree, flat: { id, depth, span | step, children, open }. Iterative: a record may nest deeper
 * than a browser's stack.
 */
export function treeRows(spans, steps, closed) {
  const known = new Set(spans.map((span) => span.id));
  const children = new Map();
  const put = (parent, node) => (children.has(parent) ? children.get(parent).push(node) : children.set(parent, [node]));
  for (const span of spans) {
    const parent = known.has(span.parent) && span.parent !== span.id ? `${span.parent}` : span.step > 0 ? `s${span.step}` : "run";
    put(parent, { id: `${span.id}`, span, start: span.start_ms });
  }
  for (const step of steps) put("run", { id: `s${step.number}`, step, start: step.start_ms });
  const rows = [];
  const open = [{ nodes: byStart(children.get("run") ?? []), depth: 0, at: 0 }];
  while (open.length) {
    const level = open.at(-1);
    if (level.at === level.nodes.length) {
      open.pop();
      continue;
    }
    const node = level.nodes[level.at++];
    const inside = children.get(node.id);
    const shown = Boolean(inside) && !closed.has(node.id);
    rows.push({ ...node, depth: level.depth, children: inside?.length ?? 0, open: shown });
    if (shown) open.push({ nodes: byStart(inside), depth: level.depth + 1, at: 0 });
  }
  return rows;
}

function byStart(nodes) {
  return nodes.sort((a, b) => a.start - b.start || (a.step?.number ?? 0) - (b.step?.number ?? 0));
}

/** Rows whose words contain the text, without their nesting. */
export function foundRows(rows, text) {
  const wanted = text.toLocaleLowerCase();
  const words = ({ span, step }) =>
    span
      ? [span.title, span.expert, span.tool, span.model, span.status, span.reason, span.kind]
      : [step.task, step.expert, step.status];
  return rows.filter((row) => words(row).some((word) => word && word.toLocaleLowerCase().includes(wanted)));
}

/** Who or what a span was: its tool, or its expert. */
export function spanName(span) {
  return (span.kind === "tool" ? span.tool : span.expert) || span.kind;
}

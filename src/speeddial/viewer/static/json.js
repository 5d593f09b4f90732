// JSON as coloured text; every piece is a text node.
import { html } from "./lib.js";
import { pretty, visible } from "./format.js";
import { Text } from "./widgets.js";

const PIECES = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\btrue\b|\bfalse\b|\bnull\b)/g;

export function coloured(text) {
  const out = [];
  let at = 0;
  for (const found of text.matchAll(PIECES)) {
    const [piece, string, colon] = found;
    if (found.index > at) out.push(visible(text.slice(at, found.index)));
    const kind = string ? (colon ? "key" : "string") : "atom";
    out.push(html`<span class=${`json-${kind}`}>${visible(string ?? piece)}</span>`, colon ?? "");
    at = found.index + piece.length;
  }
  out.push(visible(text.slice(at)));
  return out;
}

export function Json({ value }) {
  return html`<${Text} code text=${pretty(value)} render=${coloured} />`;
}

// A model's output, token by token: what the grammar forced is dim, what the model chose is shaded by how
// unsure it was.
import { html, classes, useRef, useState } from "./lib.js";
import { percent, visible } from "./format.js";

const FOLD = 2000; // characters

/** [[characters, probability | null], ...] over a text -> [{ text, probability }]; characters are code points. */
export function pieces(raw, tokens) {
  const characters = Array.from(raw);
  let at = 0;
  const out = tokens.map(([length, probability]) => {
    const text = characters.slice(at, at + length).join("");
    at += length;
    return { text, probability };
  });
  if (at < characters.length) out.push({ text: characters.slice(at).join(""), probability: undefined });
  return out;
}

/** 0 for a sure choice to 1 for a wild guess; by the logarithm, as 0.9 and 0.99 differ as 0.1 and 0.01 do. */
function doubt(probability) {
  return Math.min(1, Math.max(0, -Math.log10(Math.max(probability, 1e-3))) / 1.3);
}

export function Tokens({ raw, tokens }) {
  const [open, setOpen] = useState(false);
  const [looked, setLooked] = useState(-1);
  const box = useRef(null);
  const all = pieces(raw, tokens);
  const chosen = all.filter((piece) => piece.probability != null);
  const forced = all.filter((piece) => piece.probability === null).length;
  const least = chosen.length ? Math.min(...chosen.map((piece) => piece.probability)) : null;
  let length = 0;
  const shown = open ? all : all.filter((piece) => (length += piece.text.length) <= FOLD);

  const step = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    let at = looked;
    do at += by;
    while (shown[at] && shown[at].probability == null);
    if (shown[at]) setLooked(at);
  };
  const told = shown[looked];
  return html`<div class="tokens">
    <div class="tokens-key">
      <span><i class="swatch forced">{"</i> forced by the grammar, ${forced} of ${all.length}</span>
      <span class="scale"><i class="swatch" style=${{ "--doubt": 0 }}>sure</i><i class="swatch" style=${{ "--doubt": 0.5 }}></i><i class="swatch" style=${{ "--doubt": 1 }}>unsure</i></span>
      <span class="told" role="status">${told
        ? html`<b class="code">${visible(told.text)}</b> ${percent(told.probability, 1)}`
        : least != null && html`least sure ${percent(least, 1)}`}</span>
    </div>
    <div class="code token-text" ref=${box} tabindex="0" role="group" dir="auto"
      aria-label="Output by token; left and right arrows go through the model's own choices"
      onKeyDown=${step} onBlur=${() => setLooked(-1)} onMouseLeave=${() => setLooked(-1)}
    >${shown.map((piece, at) =>
      piece.probability === undefined
        ? visible(piece.text)
        : html`<span class=${classes("token", piece.probability === null && "forced", at === looked && "looked", piece.probability < 0.5 && piece.probability !== null && "guess")}
            style=${piece.probability === null ? undefined : { "--doubt": doubt(piece.probability).toFixed(3) }}
            onMouseEnter=${() => setLooked(piece.probability === null ? -1 : at)}>${visible(piece.text)}</span>`,
    )}</div>
    ${shown.length < all.length && html`<button class="fold" onClick=${() => setOpen(true)}>show all ${all.length.toLocaleString("en")} tokens</button>`}
  </div>`;
}

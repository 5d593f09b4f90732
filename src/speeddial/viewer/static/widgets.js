// Small parts that many views share: notices, dialogs, folded text, errors, empty states.
import { html, classes, render, useEffect, useLayoutEffect, useRef, useState } from "./lib.js";
import { oneLine, visible } from "./format.js";

const FOLD = 2000; // characters shown before "show all"

/** Text of any length: what hides or reorders is made visible, and past 2,000 characters it is folded. */
export function Text({ text, code = false, render: show = visible }) {
  const [open, setOpen] = useState(false);
  const whole = String(text ?? "");
  const folded = !open && whole.length > FOLD;
  const part = folded ? Array.from(whole.slice(0, FOLD + 1)).slice(0, -1).join("") : whole;
  return html`<div class=${classes("text", code && "code")} dir="auto">${show(part)}${
    whole.length > FOLD &&
    html`<button class="fold" onClick=${() => setOpen(!open)} aria-expanded=${open}>
      ${folded ? `show all ${whole.length.toLocaleString("en")} characters` : "fold"}
    </button>`
  }</div>`;
}

/** A heading that opens and closes what is under it. */
export function Section({ title, note, open = true, actions, children }) {
  const [shown, setShown] = useState(open);
  return html`<section class="section">
    <header>
      <button class="section-title" aria-expanded=${shown} onClick=${() => setShown(!shown)}>
        <span class="caret" aria-hidden="true"></span>${title}${note != null && html`<span class="note">${typeof note === "string" ? oneLine(note) : note}</span>`}
      </button>
      ${shown && actions}
    </header>
    ${shown && html`<div class="section-body">${children}</div>`}
  </section>`;
}

/** Names and values in two columns; pairs without a value are left out. */
export function Facts({ pairs }) {
  return html`<dl class="facts">${pairs
    .filter(([, value]) => value !== "" && value != null && value !== false)
    .map(([name, value]) => html`<div><dt>${oneLine(name)}</dt><dd>${typeof value === "string" ? visible(value) : value}</dd></div>`)}</dl>`;
}

export function Trouble({ error, retry }) {
  return html`<div class="trouble" role="alert">
    <strong>${visible(error.message)}</strong>
    ${error.hint && html`<p>${visible(error.hint)}</p>`}
    <${Problems} problems=${error.problems} />
    ${retry && html`<button onClick=${retry}>Try again</button>`}
  </div>`;
}

/** What a contract says against a call: path, what was expected, what was found. */
export function Problems({ problems = [], onPick }) {
  if (!problems.length) return null;
  return html`<ul class="problems">${problems.map(
    ({ path, expected, got }) => html`<li>
      ${onPick
        ? html`<button class="code link" onClick=${() => onPick(path)}>${visible(path) || "(whole call)"}</button>`
        : html`<span class="code">${visible(path) || "(whole)"}</span>`}
      <span>expected ${visible(expected)}</span>${got && html`<span class="got">got ${visible(got)}</span>`}
    </li>`,
  )}</ul>`;
}

export function Empty({ title, children }) {
  return html`<div class="empty"><div class="empty-mark" aria-hidden="true"></div><h2>${title}</h2>${children}</div>`;
}

export function Waiting({ what = "Loading" }) {
  return html`<div class="waiting" role="status">${what}…</div>`;
}

/** A modal dialog; the browser keeps the focus inside and closes it on Escape. */
export function Dialog({ title, onClose, children, wide }) {
  const element = useRef(null);
  // Before the next key: one typed at once is meant for the dialog, not for the view under it.
  useLayoutEffect(() => {
    const before = document.activeElement;
    const { current } = element;
    current.showModal();
    // The back button leaves the dialog too: it belongs to the place that it was opened from.
    const leave = () => current.close();
    addEventListener("hashchange", leave);
    return () => {
      removeEventListener("hashchange", leave);
      before?.focus?.();
    };
  }, []);
  return html`<dialog
    ref=${element} class=${wide ? "wide" : ""} aria-label=${title} onClose=${onClose}
    onClick=${(event) => event.target === element.current && element.current.close()}
  >
    <div class="dialog">
      <header><h2>${title}</h2><button class="icon" aria-label="Close" onClick=${() => element.current.close()}>✕</button></header>
      ${children}
    </div>
  </dialog>`;
}

/** Say something for four seconds, where screen readers hear it too. */
export function say(text, kind = "good") {
  const place = document.getElementById("notices");
  const notice = document.createElement("div");
  place.append(notice);
  render(html`<div class=${`notice ${kind}`}>${visible(text)}</div>`, notice);
  setTimeout(() => (render(null, notice), notice.remove()), kind === "bad" ? 8000 : 4000);
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`Copied ${what}`);
  } catch {
    say("The browser did not allow copying.", "bad");
  }
}

/** The time now, again every second while `ticking`. */
export function useNow(ticking) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!ticking) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [ticking]);
  return now;
}

/** Whether the window is as narrow as a phone's. */
export function useNarrow() {
  const [query] = useState(() => matchMedia("(max-width: 760px)"));
  const [narrow, setNarrow] = useState(query.matches);
  useEffect(() => {
    const changed = () => setNarrow(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);
  return narrow;
}

// Numbers, times and texts as a person reads them.

const counts = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat("en");

export function count(n) {
  if (n == null) return "–";
  return n < 10_000 ? whole.format(n) : counts.format(n);
}

export function exactCount(n) {
  return n == null ? "–" : whole.format(n);
}

export function percent(share, digits = 0) {
  return share == null || Number.isNaN(share) ? "–" : `${(share * 100).toFixed(digits)} %`;
}

export function cost(x) {
  if (x == null) return "–";
  return x === 0 ? "0" : x < 0.01 ? x.toPrecision(2) : x.toFixed(2);
}

/** Milliseconds as `840 ms`, `3.2 s`, `2 min 5 s`, `1 h 12 min`. */
export function duration(ms) {
  if (ms == null || Number.isNaN(ms)) return "–";
  if (ms < 1) return "< 1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** ISO time as the clock today, as the day before. */
export function when(iso) {
  if (!iso) return "–";
  const date = new Date(iso);
  const today = new Date().toDateString() === date.toDateString();
  return today ? clock.format(date) : `${day.format(date)}, ${clock.format(date).slice(0, 5)}`;
}

export function fullTime(iso) {
  return iso ? full.format(new Date(iso)) : "–";
}

/** `1 call`, `2 calls` */
export function plural(n, noun, nouns = `${noun}s`) {
  return `${exactCount(n)} ${n === 1 ? noun : nouns}`;
}

const BIDI = new Map([
  [0x202a, "LRE"], [0x202b, "RLE"], [0x202c, "PDF"], [0x202d, "LRO"], [0x202e, "RLO"],
  [0x2066, "LRI"], [0x2067, "RLI"], [0x2068, "FSI"], [0x2069, "PDI"], [0x200e, "LRM"], [0x200f, "RLM"],
  [0xfeff, "BOM"], [0x200b, "ZWSP"],
]);
// eslint-disable-next-line no-control-regex
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Text in which characters that hide or reorder others are shown by name instead of taking effect. */
export function visible(text) {
  return String(text ?? "").replace(UNSEEN, (character) => {
    const code = character.codePointAt(0);
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    return `⟨${BIDI.get(code) ?? `U+${code.toString(16).toUpperCase().padStart(4, "0")}`}⟩`;
  });
}

const LINE = 200; // characters; a line and its accessible name are for reading, the whole text stands in a pane

/** The start of a text on one line, for places that have one. */
export function oneLine(text) {
  const start = String(text ?? "").slice(0, 4 * LINE).replace(/\s+/g, " ").trim();
  const characters = Array.from(start);
  return visible(characters.length > LINE ? `${characters.slice(0, LINE).join("")}…` : start);
}

/** The first figures of a hash, without the name of its kind. */
export function shortHash(hash) {
  return visible(String(hash ?? "").replace(/^sha256:/, "").slice(0, 12));
}

export function pretty(value) {
  return JSON.stringify(value, null, 2) ?? "";
}

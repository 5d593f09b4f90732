// How a run or a call came out: one word, one shape and one colour, so that no one needs all three.
import { html } from "./lib.js";

const RING = "M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13Zm0 1.6a4.9 4.9 0 1 1 0 9.8a4.9 4.9 0 0 1 0-9.8Z";
const SHAPES = {
  check: "M8 1.2a6.8 6.8 0 1 0 0 13.6A6.8 6.8 0 0 0 8 1.2Zm3.7 4.9-4.4 5a.8.8 0 0 1-1.2 0L4.3 9.2l1.2-1.1 1.2 1.3 3.8-4.4 1.2 1.1Z",
  half: `${RING}M8 4.6a3.4 3.4 0 0 1 0 6.8Z`,
  patched: "M8 .9 15.1 8 8 15.1.9 8 8 .9Zm0 2.4L3.3 8 8 12.7V3.3Z",
  slash: `${RING}M4 5.1 5.1 4 12 10.9 10.9 12Z`,
  up: "M8 1.4 15 13.8H1L8 1.4Zm0 4L5.6 9.7h1.6v2h1.6v-2h1.6L8 5.4Z",
  cross: "M2.6 1.2h10.8c.8 0 1.4.6 1.4 1.4v10.8c0 .8-.6 1.4-1.4 1.4H2.6c-.8 0-1.4-.6-1.4-1.4V2.6c0-.8.6-1.4 1.4-1.4ZM5.5 4.2 4.2 5.5 6.7 8l-2.5 2.5 1.3 1.3L8 9.3l2.5 2.5 1.3-1.3L9.3 8l2.5-2.5-1.3-1.3L8 6.7 5.5 4.2Z",
  asks: `${RING}M7.2 10h1.6v1.6H7.2Zm.1-1c0-1.8 1.6-1.7 1.6-2.8 0-.5-.4-.8-.9-.8-.6 0-1 .4-1 1H5.4c0-1.5 1.1-2.5 2.6-2.5s2.5.9 2.5 2.2c0 1.7-1.7 1.9-1.7 2.9Z`,
  pause: `${RING}M5.7 5h1.7v6H5.7Zm2.9 0h1.7v6H8.6Z`,
  open: "M8 1.5a6.5 6.5 0 0 1 6.5 6.5h-1.8A4.7 4.7 0 0 0 8 3.3ZM8 14.5A6.5 6.5 0 0 1 1.5 8h1.8A4.7 4.7 0 0 0 8 12.7Z",
  bar: `${RING}M4.6 7.2h6.8v1.6H4.6Z`,
  ring: RING,
};

// status -> [word, shape, tone]; tones are colours of app.css
const STATUSES = {
  exact: ["exact", "check", "good"],
  done: ["done", "check", "good"],
  corrected: ["corrected", "half", "info"],
  salvaged: ["salvaged", "patched", "info"],
  partial: ["partial", "half", "warn"],
  refused: ["refused", "slash", "refused"],
  question: ["question", "asks", "warn"],
  waiting: ["waiting for a person", "pause", "warn"],
  escalated: ["escalated", "up", "warn"],
  failed: ["failed", "cross", "bad"],
  unknown_outcome: ["unknown outcome", "asks", "bad"],
  limit: ["limit reached", "bar", "bad"],
  interrupted: ["interrupted", "open", "bad"],
  cancelled: ["cancelled", "bar", "quiet"],
  running: ["running", "open", "live"],
  pending: ["not phoned", "ring", "quiet"],
};

export const RUN_STATUSES = ["running", "done", "partial", "failed", "waiting", "limit", "interrupted", "cancelled"];
export const CALL_STATUSES = ["exact", "corrected", "salvaged", "refused", "question", "escalated", "failed"];

export function statusWord(status) {
  return STATUSES[status]?.[0] ?? status;
}

export function tone(status) {
  return STATUSES[status]?.[2] ?? "quiet";
}

/** The shape alone; the word stands beside it, or is its accessible name. */
export function Mark({ status, named = false }) {
  const [word, shape] = STATUSES[status] ?? [status, "ring"];
  return html`<svg
    class=${`mark tone-${tone(status)}${status === "running" ? " turning" : ""}`}
    viewBox="0 0 16 16" width="14" height="14" role=${named ? "img" : undefined}
    aria-label=${named ? word : undefined} aria-hidden=${named ? undefined : "true"}
  ><path fill="currentColor" fill-rule="evenodd" d=${SHAPES[shape]} /></svg>`;
}

export function Chip({ status }) {
  return html`<span class=${`chip tone-${tone(status)}`}><${Mark} status=${status} />${statusWord(status)}</span>`;
}

// Two runs side by side, step by step; what differs is tinted and says so.
import { html } from "./lib.js";
import { Empty } from "./widgets.js";

export function Diff() {
  return html`<main class="view page"><${Empty} title="to come" /></main>`;
}

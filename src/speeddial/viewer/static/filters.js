// The filters of the list of runs: what they are called in the URL, and the bar that sets them.
import { html, classes, useEffect, useRef, useState } from "./lib.js";
import { oneLine } from "./format.js";
import { patch, place } from "./route.js";
import { Mark, RUN_STATUSES, statusWord } from "./status.js";

export const FILTERS = ["q", "status", "expert", "workflow", "user", "since"];

const SPANS = [
  ["", "any time"],
  ["1h", "last hour"],
  ["24h", "last 24 hours"],
  ["7d", "last 7 days"],
  ["30d", "last 30 days"],
];

/** `24h` -> the ISO time that it means now. */
export function sinceTime(span) {
  const found = /^(\d+)([hd])$/.exec(span ?? "");
  if (!found) return span || undefined;
  return new Date(Date.now() - Number(found[1]) * (found[2] === "h" ? 3_600_000 : 86_400_000)).toISOString();
}

/** The API's words for what the URL says. */
export function asked(query) {
  const { since, ...rest } = Object.fromEntries(FILTERS.map((name) => [name, query[name] ?? ""]));
  return { ...rest, since: sinceTime(since) };
}

/** Whether a run that just came in belongs into the filtered list; full text is the server's to judge. */
export function matches(run, query) {
  const since = sinceTime(query.since);
  return (
    (!query.status || run.status === query.status) &&
    (!query.workflow || run.workflow === query.workflow) &&
    (!query.user || run.user_id === query.user) &&
    (!query.expert || run.experts.includes(query.expert)) &&
    (!since || run.started >= since) &&
    !query.q
  );
}

export function FilterBar({ query, experts, searchBox, total }) {
  const active = FILTERS.filter((name) => query[name]);
  return html`<div class="filters" role="search">
    <${SearchField} box=${searchBox} value=${query.q ?? ""} onChange=${(q) => patch({ q })}
      label="Search in tasks" placeholder="Search in tasks" />
    <label class="select">
      <span class="sr">Status</span>
      ${query.status ? html`<${Mark} status=${query.status} />` : null}
      <select value=${query.status ?? ""} onChange=${(event) => patch({ status: event.target.value })}>
        <option value="">any status</option>
        ${RUN_STATUSES.map((status) => html`<option value=${status}>${statusWord(status)}</option>`)}
      </select>
    </label>
    <label class="select">
      <span class="sr">Expert</span>
      <select value=${query.expert ?? ""} onChange=${(event) => patch({ expert: event.target.value })}>
        <option value="">any expert</option>
        ${[...new Set([...experts, query.expert].filter(Boolean))].map((name) => html`<option value=${name}>${oneLine(name)}</option>`)}
      </select>
    </label>
    <${SearchField} value=${query.workflow ?? ""} onChange=${(workflow) => patch({ workflow })} label="Workflow" placeholder="workflow" small />
    <${SearchField} value=${query.user ?? ""} onChange=${(user) => patch({ user })} label="User" placeholder="user" small />
    <label class="select">
      <span class="sr">Time</span>
      <select value=${query.since ?? ""} onChange=${(event) => patch({ since: event.target.value })}>
        ${SPANS.map(([value, text]) => html`<option value=${value}>${text}</option>`)}
      </select>
    </label>
    ${active.length > 0 &&
    html`<button class="quiet" onClick=${() => patch(Object.fromEntries(FILTERS.map((name) => [name, ""])))}>Clear filters</button>`}
    <span class=${classes("filters-total", !total && "none")}>${total}</span>
  </div>`;
}

/** A text field that reports a quarter of a second after the last key, and when it is left. */
export function SearchField({ value, onChange, label, placeholder, small, box }) {
  const own = useRef(null);
  const element = box ?? own;
  const [text, setText] = useState(value);
  const timer = useRef(0);
  const typedAt = useRef("");
  useEffect(() => {
    if (document.activeElement !== element.current) setText(value);
  }, [value]);
  const forget = () => {
    clearTimeout(timer.current);
    timer.current = 0;
  };
  useEffect(() => forget, []);
  const tell = (now) => {
    forget();
    // What was typed last before the back button is not for the place that it leads to.
    if (place() === typedAt.current) onChange(now.trim());
  };
  const type = (now) => {
    setText(now);
    forget();
    typedAt.current = place();
    timer.current = setTimeout(() => tell(now), 250);
  };
  const press = (event) => {
    if (event.key === "Escape") (event.stopPropagation(), element.current.blur());
    if (event.key === "Enter") (forget(), onChange(text.trim()), element.current.blur());
  };
  return html`<input
    ref=${element} class=${classes("field", small && "small")} type="search" value=${text} aria-label=${label}
    placeholder=${placeholder} onInput=${(event) => type(event.target.value)} onKeyDown=${press}
    onBlur=${() => timer.current && tell(text)} spellcheck=${false}
  />`;
}

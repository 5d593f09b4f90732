// Full-text search across the record, with what was found marked.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./lib.js";
import { get } from "./api.js";
import { SearchField } from "./filters.js";
import { plural, visible, when } from "./format.js";
import { href, patch } from "./route.js";
import { useLinkKeys } from "./stats.js";
import { Empty, Trouble, Waiting } from "./widgets.js";

const KINDS = { run: "run", plan: "plan", model: "call", tool: "tool", feedback: "feedback" };

export function Search({ query }) {
  const box = useRef(null);
  const q = query.q ?? "";
  const [found, setFound] = useState({ hits: [], next: null, loading: false, error: null, q: null });
  const newest = useRef(q);
  newest.current = q;
  const load = async (before) => {
    setFound((old) => ({ ...old, loading: true, error: null }));
    try {
      const page = await get("search", { q, limit: 50, before });
      if (newest.current === q) setFound((old) => ({ hits: before ? [...old.hits, ...page.hits] : page.hits, next: page.next, loading: false, error: null, q }));
    } catch (error) {
      if (newest.current === q) setFound((old) => ({ ...old, hits: before ? old.hits : [], loading: false, error, q }));
    }
  };
  useEffect(() => {
    if (q) load();
    else setFound({ hits: [], next: null, loading: false, error: null, q: null });
  }, [q]);
  // Before it is painted: who sees the view may type at once.
  useLayoutEffect(() => box.current.focus(), []);
  const at = useLinkKeys("Search", found.hits.map((hit) => [["run", hit.run], { span: hit.interaction ?? "" }]), [
    ["/", "search", () => box.current.focus()],
  ]);

  return html`<main class="view page narrow">
    <header class="page-head"><h1>Search</h1></header>
    <div class="search-big" role="search"><${SearchField} box=${box} value=${q} onChange=${(text) => patch({ q: text })} label="Search the whole record" placeholder="Words in tasks, prompts, outputs, results and remarks, in any script" /></div>
    ${found.error && html`<${Trouble} error=${found.error} retry=${() => load()} />`}
    ${found.loading && !found.hits.length && html`<${Waiting} what="Searching" />`}
    ${!q && html`<p class="note">Everything that was asked, answered and done is searched. Press <kbd>Enter</kbd>, then <kbd>j</kbd> and <kbd>k</kbd>.</p>`}
    ${q && found.q === q && !found.loading && !found.error && !found.hits.length && html`<${Empty} title="Nothing in the record has these words"><p>Every word must occur. Try fewer.</p><//>`}
    <ol class="hits">${found.hits.map((hit, index) => html`<li class=${index === at ? "chosen" : ""}><a href=${href(["run", hit.run], { span: hit.interaction ?? "" })}>
      <span class="hit-head"><span class="tag">${KINDS[hit.kind] ?? hit.kind}</span><span class="note">${when(hit.started)}</span></span>
      <span class="hit-text" dir="auto">${hit.snippet.map(([text, marked]) => (marked ? html`<mark>${visible(text)}</mark>` : visible(text)))}</span>
    </a></li>`)}</ol>
    ${found.next && html`<button onClick=${() => load(found.next)} disabled=${found.loading}>More</button>`}
    ${found.hits.length > 0 && html`<p class="note">${plural(found.hits.length, "hit")}${found.next ? " so far" : ""}</p>`}
  </main>`;
}

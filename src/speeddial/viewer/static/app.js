// The page: which view is shown, the bar above it, the theme, and the help.
import { html, classes, render, useEffect, useState } from "./lib.js";
import { embedded } from "./api.js";
import { Datasets } from "./datasets.js";
import { Diff } from "./diff.js";
import { ExpertPage, Experts } from "./experts.js";
import { fullTime } from "./format.js";
import { boundKeys, useKeys } from "./keys.js";
import { go, href, useRoute } from "./route.js";
import { Ledger } from "./ledger.js";
import { Run } from "./run.js";
import { Runs } from "./runs.js";
import { Search } from "./search.js";
import { Stats } from "./stats.js";
import { Dialog, Empty } from "./widgets.js";

// path, title, second key after g
const PLACES = [
  ["runs", "Runs", "r"],
  ["search", "Search", "s"],
  ["experts", "Experts", "e"],
  ["stats", "Savings", "t"],
  ["ledger", "Ledger", "l"],
  ["datasets", "Datasets", "d"],
];
const UNDER = { run: "runs", diff: "runs", expert: "experts" };

function View({ route, onLive }) {
  const [place = "runs", id] = route.path;
  if (embedded) return html`<${Run} id=${embedded.run.run.id} query=${route.query} onLive=${onLive} />`;
  switch (place) {
    case "runs": return html`<${Runs} query=${route.query} onLive=${onLive} />`;
    case "run": return html`<${Run} key=${id} id=${id} query=${route.query} onLive=${onLive} />`;
    case "search": return html`<${Search} query=${route.query} />`;
    case "experts": return html`<${Experts} />`;
    case "expert": return html`<${ExpertPage} key=${id} name=${id} />`;
    case "stats": return html`<${Stats} query=${route.query} />`;
    case "ledger": return html`<${Ledger} query=${route.query} />`;
    case "datasets": return html`<${Datasets} query=${route.query} />`;
    case "diff": return html`<${Diff} a=${route.query.a} b=${route.query.b} />`;
    default: return html`<main class="view page"><${Empty} title="There is no such page"><a class="button" href=${href(["runs"])}>To the runs</a><//></main>`;
  }
}

function App() {
  const route = useRoute();
  const [live, setLive] = useState(null);
  const [help, setHelp] = useState(false);
  const [theme, setTheme] = useTheme();
  const here = UNDER[route.path[0]] ?? route.path[0] ?? "runs";
  useKeys("Everywhere", [
    ...(embedded ? [] : PLACES.map(([path, title, key]) => [`g+${key}`, title.toLowerCase(), () => go([path])])),
    ["T", "light or dark", () => setTheme(next(theme))],
    ["?", "this help", () => setHelp(true)],
  ]);
  useEffect(() => {
    const title = embedded ? embedded.run.run.task : PLACES.find(([path]) => path === here)?.[1];
    document.title = `${(title ?? "").slice(0, 80)} · Speeddial`;
  }, [here]);

  return html`
    <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), document.querySelector("main .list, main a, main button")?.focus())}>Skip to the content</a>
    <div class="top">
      <a class="brand" href=${href(embedded ? [] : ["runs"])}><${Logo} /><span>Speeddial</span></a>
      ${!embedded && html`<nav aria-label="Views">${PLACES.map(([path, title]) => html`<a href=${href([path])} aria-current=${here === path ? "page" : undefined}>${title}</a>`)}</nav>`}
      ${embedded && html`<span class="note">One run, exported ${fullTime(embedded.written)}</span>`}
      <span class="push"></span>
      ${live !== null && !embedded && html`<span class=${classes("live", live && "on")} role="status"><i></i>${live ? "live" : "not connected"}</span>`}
      <button class="quiet theme" aria-label=${`Theme: ${theme}`} title=${`Theme: ${theme}`} onClick=${() => setTheme(next(theme))}><${ThemeMark} theme=${theme} /></button>
      <button class="quiet" aria-label="Keyboard help" onClick=${() => setHelp(true)}><kbd>?</kbd></button>
    </div>
    <${View} route=${route} onLive=${setLive} />
    ${help && html`<${Help} onClose=${() => setHelp(false)} />`}`;
}

const THEMES = ["system", "light", "dark"];

function next(theme) {
  return THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
}

function useTheme() {
  const [theme, setTheme] = useState(() => {
    try {
      return THEMES.find((one) => one === localStorage.getItem("theme")) ?? "system";
    } catch {
      return "system"; // a page opened from a file may have no storage
    }
  });
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // it is then asked for again
    }
  }, [theme]);
  return [theme, setTheme];
}

function Logo() {
  return html`<svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" class="logo">
    <rect x="1" y="1" width="18" height="18" rx="5" />
    ${[5.5, 10, 14.5].flatMap((y, row) => [5.5, 10, 14.5].map((x, column) => html`<circle cx=${x} cy=${y} r="1.35" class=${row === column ? "lit" : ""} />`))}
  </svg>`;
}

function ThemeMark({ theme }) {
  const path = {
    light: "M8 4.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7ZM7.3.8h1.4v2H7.3Zm0 12.4h1.4v2H7.3ZM.8 7.3h2v1.4h-2Zm12.4 0h2v1.4h-2Z",
    dark: "M6.2 1.6A6.6 6.6 0 1 0 14.5 9.7 5.4 5.4 0 0 1 6.2 1.6Z",
    system: "M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13Zm0 1.6v9.8a4.9 4.9 0 0 0 0-9.8Z",
  }[theme];
  return html`<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path fill="currentColor" d=${path} /></svg>`;
}

const NAMES = { ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc" };

function Help({ onClose }) {
  const [groups] = useState(() => boundKeys());
  return html`<${Dialog} title="Keyboard" onClose=${onClose} wide><div class="help">${groups.map(({ title, bindings }) => html`<section><h3>${title}</h3><dl>${bindings.map(
    ([keys, what]) => html`<div><dt>${keys.split(" ").map((key) => html`<span>${key.split("+").map((one) => html`<kbd>${NAMES[one] ?? one}</kbd>`)}</span>`)}</dt><dd>${what}</dd></div>`,
  )}</dl></section>`)}</div><//>`;
}

render(html`<${App} />`, document.getElementById("app"));

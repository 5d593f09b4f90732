// A list of any length in a bounded number of elements: rows of one height, only those in sight exist.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./lib.js";

const SPARE = 12; // rows kept above and below the ones in sight
const MOST = 160; // never more, however tall the window

/**
 * rows: anything; height: of one row in px; row(item, index, selected): its content;
 * selected: index or -1; onSelect(index), onOpen(index); onEnd(): the last rows came into sight.
 */
export function VirtualList({ rows, height, row, selected, onSelect, onOpen, onEnd, label, role = "listbox", aria, id }) {
  const box = useRef(null);
  const [sight, setSight] = useState({ top: 0, tall: 600 });

  useLayoutEffect(() => {
    const measure = () => setSight({ top: box.current.scrollTop, tall: box.current.clientHeight });
    const watcher = new ResizeObserver(measure);
    watcher.observe(box.current);
    measure();
    return () => watcher.disconnect();
  }, []);

  // The chosen row stays in sight, whoever chose it.
  useLayoutEffect(() => {
    if (selected < 0) return;
    const { scrollTop, clientHeight } = box.current;
    if (selected * height < scrollTop) box.current.scrollTop = selected * height;
    else if ((selected + 1) * height > scrollTop + clientHeight)
      box.current.scrollTop = (selected + 1) * height - clientHeight;
  }, [selected, height]);

  const first = Math.max(0, Math.floor(sight.top / height) - SPARE);
  const end = Math.min(rows.length, first + Math.min(MOST, Math.ceil(sight.tall / height) + 2 * SPARE));
  useEffect(() => {
    if (onEnd && end >= rows.length) onEnd();
  }, [end, rows.length]);

  const name = (index) => `${id}-${index}`;
  const option = role === "tree" ? "treeitem" : "option";
  const shown = [];
  for (let index = first; index < end; index++)
    shown.push(html`<div
      key=${index} id=${name(index)} role=${option} class="row"
      aria-selected=${index === selected} aria-posinset=${index + 1} aria-setsize=${rows.length}
      ...${aria ? aria(rows[index]) : {}}
      style=${{ top: `${index * height}px`, height: `${height}px` }}
      onClick=${() => (onSelect(index), onOpen?.(index))}
    >${row(rows[index], index, index === selected)}</div>`);

  return html`<div
    ref=${box} class="list" tabindex="0" role=${role} aria-label=${label}
    aria-activedescendant=${selected >= first && selected < end ? name(selected) : undefined}
    onScroll=${() => setSight({ top: box.current.scrollTop, tall: box.current.clientHeight })}
  ><div class="list-inner" role="presentation" style=${{ height: `${rows.length * height}px` }}>${shown}</div></div>`;
}

/** Keys that move through a list: give them to useKeys. */
export function moves(length, selected, select) {
  const to = (index) => length > 0 && select(Math.max(0, Math.min(length - 1, index)));
  return [
    ["j ArrowDown", "next", () => to(selected + 1)],
    ["k ArrowUp", "previous", () => to(selected < 0 ? 0 : selected - 1)],
    ["PageDown", "ten on", () => to(selected + 10)],
    ["PageUp", "ten back", () => to(selected - 10)],
    ["Home", "first", () => to(0)],
    ["End", "last", () => to(length - 1)],
  ];
}

// The keyboard: what is bound where, so that the same list works the keys and fills the help.
import { useLayoutEffect, useRef } from "./lib.js";

const groups = []; // innermost last: the pane over the view over the whole page
let pending = ""; // the first of two keys, as in `g r`
let forget = 0;

/**
 * Bind keys while the component is shown.
 * bindings: [[keys, what it does, handler], ...]; several keys for one thing are parted by a space, two
 * keys in a row are joined by `+` (`g+r`). A handler that returns false leaves the key to others.
 */
export function useKeys(title, bindings) {
  const group = useRef({ title, bindings });
  group.current.bindings = bindings;
  useLayoutEffect(() => {
    const mine = group.current;
    groups.push(mine);
    return () => groups.splice(groups.indexOf(mine), 1);
  }, []);
}

/** What is bound now, innermost first. */
export function boundKeys() {
  return [...groups].reverse().filter((group) => group.bindings.length);
}

const FIELDS = "input, textarea, select, [contenteditable]";
const PRESSED_BY_ENTER = "button, a[href], summary";

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const { key, target } = event;
  const isElement = target instanceof Element;
  if (isElement && target.matches(FIELDS) && key !== "Escape") return;
  if (isElement && (key === "Enter" || key === " ") && target.closest(PRESSED_BY_ENTER)) return;
  if (document.querySelector("dialog[open]") && key !== "?") return;
  const wanted = pending ? `${pending}+${key}` : key;
  pending = "";
  for (const { bindings } of boundKeys())
    for (const [keys, , handle] of bindings)
      if (keys.split(" ").includes(wanted) && handle(event) !== false) {
        event.preventDefault();
        return;
      }
  if (boundKeys().some(({ bindings }) => bindings.some(([keys]) => keys.includes(`${key}+`)))) {
    pending = key;
    clearTimeout(forget);
    forget = setTimeout(() => (pending = ""), 1500);
  }
});

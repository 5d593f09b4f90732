// Where the reader is: the URL's fragment as a path and a query, so that it works from a server and from a file.
import { useLayoutEffect, useState } from "./lib.js";

/** `#/run/ID?view=tree&span=3` -> { path: ["run", "ID"], query: { view: "tree", span: "3" } } */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return {
    path: path.split("/").filter(Boolean).map(decoded),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a lone % typed by hand
  }
}

/** The fragment of a place; empty values of the query are left out. */
export function href(path, query = {}) {
  const kept = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  const tail = new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${tail && `?${tail}`}`;
}

/** Go to a place; with `replace` the back button skips the place that is left. */
export function go(path, query = {}, { replace = false } = {}) {
  const target = href(path, query);
  if (target === location.hash) return;
  // Not by location.hash, which tells a moment later: the next key is meant for the new place.
  if (replace) history.replaceState(null, "", target);
  else history.pushState(null, "", target);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** The present place, whatever its query: two are one view's when they are equal. */
export function place() {
  return location.hash.split("?")[0];
}

/** Change some values of the present place's query. */
export function patch(changes, { replace = true } = {}) {
  const { path, query } = parse(location.hash);
  go(path, { ...query, ...changes }, { replace });
}

export function useRoute() {
  const [route, setRoute] = useState(() => parse(location.hash));
  // Before anything else can happen: a change between the first look and a later effect would be missed.
  useLayoutEffect(() => {
    const changed = () => setRoute(parse(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

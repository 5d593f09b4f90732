// The API of `speeddial view`, or the data embedded in an exported page in its place.
import { useEffect, useState } from "./lib.js";

export class ApiError extends Error {
  constructor(status, { message, hint = "", problems = [] }) {
    super(message);
    Object.assign(this, { status, hint, problems });
  }
}

/** What an exported page carries: { written: time, run: body of /api/runs/ID, interactions: [...] }; null on a server. */
export const embedded = (() => {
  const element = document.getElementById("record");
  return element && JSON.parse(element.textContent);
})();

export function get(path, query = {}) {
  if (embedded) return fromPage(path);
  const kept = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  const tail = new URLSearchParams(kept).toString();
  return request(`api/${path}${tail && `?${tail}`}`);
}

export function post(path, body = {}) {
  return request(`api/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Speeddial": "1" },
    body: JSON.stringify(body),
  });
}

async function request(url, options = {}) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...options });
  } catch {
    throw new ApiError(0, {
      message: "The viewer's server does not answer.",
      hint: "Start `speeddial view` again and reload.",
    });
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body;
  throw new ApiError(response.status, body?.error ?? { message: `The server answered ${response.status}.` });
}

async function fromPage(path) {
  const [kind, id] = path.split("/");
  if (kind === "runs" && id) return embedded.run;
  const row = kind === "interactions" && embedded.interactions.find((one) => String(one.id) === id);
  if (row) return row;
  throw new ApiError(404, { message: "This page holds one run only." });
}

/** Follow what is written: `handlers` by event name are given the parsed data. Returns what ends it. */
export function follow(query, handlers, onState = () => {}) {
  if (embedded) return () => {};
  const source = new EventSource(`api/events?${new URLSearchParams(query)}`);
  for (const [name, handle] of Object.entries(handlers))
    source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  source.onopen = () => onState(true);
  source.onerror = () => onState(false); // EventSource tries again by itself
  return () => source.close();
}

/** { data, error, loading, reload } of a promise; a newer question makes the answer to an older one void. */
export function useFetch(ask, dependencies) {
  const [state, setState] = useState({ data: null, error: null, loading: true });
  const [round, setRound] = useState(0);
  useEffect(() => {
    let current = true;
    setState((old) => ({ ...old, loading: true }));
    ask().then(
      (data) => current && setState({ data, error: null, loading: false }),
      (error) => current && setState({ data: null, error, loading: false }),
    );
    return () => {
      current = false;
    };
  }, [...dependencies, round]);
  return {
    ...state,
    reload: () => setRound((n) => n + 1),
    setData: (change) => setState((old) => ({ ...old, data: change(old.data) })),
  };
}

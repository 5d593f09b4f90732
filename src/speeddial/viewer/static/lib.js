// The one door to the vendored Preact and htm.
import { h, render, Fragment } from "./vendor/preact.js";
import { useState, useEffect, useLayoutEffect, useMemo, useRef } from "./vendor/hooks.js";
import htm from "./vendor/htm.js";

export const html = htm.bind(h);

/** Values that are true, joined as a class attribute. */
export function classes(...names) {
  return names.filter(Boolean).join(" ");
}

export { render, Fragment, useState, useEffect, useLayoutEffect, useMemo, useRef };

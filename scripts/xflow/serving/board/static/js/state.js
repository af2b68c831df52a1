// What is chosen stands in the address after #, so that a link shows what its sender saw.

const listeners = [];
let last = "";

function read() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

export let state = read();

// Change some of the choices; an empty value removes one.
export function choose(changes, { replace = false } = {}) {
  const next = { ...state, ...changes };
  const kept = Object.entries(next).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  const hash = "#" + new URLSearchParams(kept).toString();
  if (hash === (location.hash || "#")) return;
  if (replace) history.replaceState(null, "", hash);
  else history.pushState(null, "", hash);
  tell();
}

function tell() {
  if (location.hash === last) return;
  last = location.hash;
  const before = state;
  state = read();
  const names = Object.keys({ ...before, ...state }).filter((name) => before[name] !== state[name]);
  for (const each of listeners) each(names);
}

// Call with the names of the choices that have changed, by the page or by the browser's buttons.
export const onChoice = (listener) => listeners.push(listener);

window.addEventListener("popstate", tell);
window.addEventListener("hashchange", tell);
last = location.hash;

// What the browser keeps between visits; some frames let a page keep nothing.

// The text of a name, "" when there is none, null when nothing may be kept.
export function kept(name) {
  try {
    return localStorage.getItem(name) ?? "";
  } catch {
    return null;
  }
}

export function keep(name, text) {
  try {
    localStorage.setItem(name, text);
  } catch {
    // it then lasts until the page is left
  }
}

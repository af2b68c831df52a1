// Light or dark: what the machine prefers, until the person chooses. Loaded before the page is painted.

const KEY = "xflow-theme";
const prefers = window.matchMedia("(prefers-color-scheme: dark)");

function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // a frame may not keep anything
  }
}

const apply = () => {
  document.documentElement.dataset.theme = stored(KEY) ?? (prefers.matches ? "dark" : "light");
  document.dispatchEvent(new Event("theme"));
};

window.xflowTheme = {
  toggle() {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // the choice then lasts until the page is left
    }
    document.documentElement.dataset.theme = next;
    document.dispatchEvent(new Event("theme"));
  },
};
prefers.addEventListener("change", apply);
apply();

// Charts that follow the theme, keep their place when data change, and say the same as a table.

import { h } from "./dom.js";
import { t } from "./i18n.js";

const { Chart } = window;

// A colour of the theme, by the name of its token.
export const colour = (token) => getComputedStyle(document.documentElement).getPropertyValue(`--${token}`).trim();

export function followTheme() {
  const dress = () => {
    Chart.defaults.color = colour("soft");
    Chart.defaults.borderColor = colour("line");
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = 12.5;
  };
  dress();
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
  Chart.defaults.plugins.legend.display = false;
  document.addEventListener("theme", dress);
}

const tooltip = () => ({
  backgroundColor: colour("card"),
  titleColor: colour("ink"),
  bodyColor: colour("ink"),
  borderColor: colour("line"),
  borderWidth: 1,
  padding: 12,
  cornerRadius: 10,
  boxPadding: 6,
  usePointStyle: true,
});

// Draw on a canvas: the chart that is there is given the new data, so that nothing flickers.
export function draw(canvas, config) {
  const old = Chart.getChart(canvas);
  const options = { ...config.options, plugins: { ...config.options?.plugins } };
  options.plugins.tooltip = { ...tooltip(), ...options.plugins.tooltip };
  if (old && old.config.type === config.type) {
    old.data = config.data;
    old.options = options;
    old.update("none");
    return old;
  }
  old?.destroy();
  return new Chart(canvas, { ...config, options });
}

// A legend of shapes and words: `kind` is line, dash, dots, bar or band; `token` a colour.
export const legend = (entries) =>
  h(
    "ul",
    { class: "legend" },
    entries.map(([kind, token, words]) =>
      h(
        "li",
        {},
        h("span", { class: `key ${kind}`, style: { "--key": `var(--${token})` }, "aria-hidden": "true" }),
        words,
      ),
    ),
  );

// A figure: a title, a legend, a canvas with its text alternative, and what it shows as a table.
export class ChartFigure {
  constructor(id, { tall = false } = {}) {
    this.canvas = h("canvas", { id, role: "img" });
    this.head = h("h3", { class: "figure-title" });
    this.key = h("div");
    this.words = h("figcaption", { class: "soft small" });
    this.table = h("div", { class: "scroll" });
    this.summary = h("summary", {});
    this.root = h(
      "figure",
      { class: "chart" },
      this.head,
      this.key,
      h("div", { class: tall ? "canvas tall" : "canvas" }, this.canvas),
      this.words,
      h("details", { class: "as-table" }, this.summary, this.table),
    );
  }

  // `columns` and `rows` hold texts; `config` is Chart.js's.
  show({ title, keys, caption, columns, rows, config }) {
    this.head.textContent = title;
    this.head.hidden = !title;
    this.key.replaceChildren(keys?.length ? legend(keys) : "");
    this.words.textContent = caption;
    this.summary.textContent = t("as_table");
    this.canvas.setAttribute("aria-label", `${title ? title + ". " : ""}${caption}`);
    this.table.replaceChildren(table(columns, rows));
    this.config = config;
    draw(this.canvas, config());
  }

  stop() {
    Chart.getChart(this.canvas)?.destroy();
  }

  // Draw the same again: the theme's colours have changed.
  again() {
    if (this.config && this.canvas.isConnected) draw(this.canvas, this.config());
  }
}

export const table = (columns, rows) =>
  h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        columns.map((name) => h("th", { scope: "col" }, name)),
      ),
    ),
    h(
      "tbody",
      {},
      rows.map((row) =>
        h(
          "tr",
          {},
          row.map((cell, at) => h(at ? "td" : "th", at ? {} : { scope: "row" }, cell)),
        ),
      ),
    ),
  );

// An axis with few ticks and a quiet grid.
export const axis = (more = {}) => {
  const { ticks, grid, ...rest } = more;
  return {
    ...rest,
    border: { display: false },
    grid: { color: colour("line"), ...grid },
    ticks: { maxTicksLimit: 6, maxRotation: 0, autoSkipPadding: 18, padding: 6, color: colour("soft"), ...ticks },
  };
};

// What predictions turned out to be worth, over time, beside what the holdout promised.

import { axis, ChartFigure, colour } from "../charts.js";
import { fill, h } from "../dom.js";
import { fixed, known, number, period, share, time } from "../format.js";
import { cohortName, named, t } from "../i18n.js";
import { Choice, Section } from "../section.js";
import { nothing } from "../shell.js";
import { choose, state } from "../state.js";

export class Accuracy extends Section {
  constructor() {
    super("accuracy", "accuracy", "accuracy_about", ["accuracy"]);
    this.which = new Choice("accuracy-which", t("pipeline"), (value) => choose({ accuracy: value }));
    this.error = new ChartFigure("accuracy-error");
    this.detail = new ChartFigure("accuracy-detail");
    this.coverage = new ChartFigure("accuracy-coverage");
    this.figures = [this.error, this.detail, this.coverage];
    this.place = h("div", {});
  }

  async load(overview) {
    const names = overview.pipelines.map(({ name }) => name);
    const all = await Promise.all(names.map((name) => this.ask(`pipelines/${encodeURIComponent(name)}/realised`)));
    const found = names.flatMap((name, at) => all[at].targets.map((target) => ({ name, about: all[at], target })));
    const first = found.map((each) => [
      key(each),
      each.target.target ? `${each.name}: ${named("target", each.target.target)}` : each.name,
    ]);
    this.which.offer(first, state.accuracy);
    const chosen = found.find((each) => key(each) === this.which.select.value);
    this.when("all", chosen ?? all.map(({ message }) => message), () => {
      fill(this.body, h("div", { class: "fields" }, this.which.root), this.place);
      if (chosen)
        this.show(
          chosen,
          overview.pipelines.find(({ name }) => name === chosen.name),
        );
      else fill(this.place, nothing(t("no_outcomes"), todo(names, all)));
    });
  }

  show({ about, target }, pipeline) {
    const main = target.metrics.find((each) => each.main) ?? target.metrics[0];
    const covered = target.metrics.find((each) => each.level !== null && each.windows.length);
    const monthly = pipeline.frequency === "M";
    const detail = byItem(target, main);
    fill(
      this.place,
      h(
        "div",
        { class: "grid" },
        h("div", { class: "card" }, verdict(main, about), this.error.root),
        covered && h("div", { class: "card" }, this.coverage.root),
        detail.rows.length > 0 && h("div", { class: "card" }, this.detail.root),
      ),
    );
    this.error.show(overTime(main, monthly));
    if (covered) this.coverage.show(coverage(covered, monthly));
    if (detail.rows.length) this.detail.show(detail);
  }
}

const key = ({ name, target }) => `${name}.${target.target}`;

const todo = (names, all) => [
  h(
    "ul",
    {},
    names.map((name, at) =>
      h("li", {}, h("code", {}, `${name}_monitor`), " ", all[at].message || t("no_outcomes_todo")),
    ),
  ),
  h("p", {}, t("no_outcomes_more")),
];

function verdict(main, about) {
  const gone = known(main.holdout) ? (main.value - main.holdout) / Math.abs(main.holdout) : null;
  return h(
    "div",
    { class: "between verdict" },
    h(
      "p",
      {},
      h("span", { class: "big" }, fixed(main.value)),
      " ",
      named("metric", main.metric),
      ", ",
      t(main.better === "higher" ? "higher_better" : "lower_better"),
    ),
    h(
      "p",
      { class: "soft small" },
      known(gone) && [
        t(gone > 0 === (main.better === "lower") ? "worse_than_holdout" : "better_than_holdout", {
          share: share(Math.abs(gone), 1),
        }),
        h("br"),
      ],
      t("outcomes", { n: main.n }),
      h("br"),
      t("checked_at", { time: time(about.at) }),
    ),
  );
}

const flat = (value, windows) => windows.map(() => value);

function overTime({ metric, windows, holdout, floor }, monthly) {
  const name = named("metric", metric);
  const when = windows.map(({ start }) => period(start, monthly));
  const line = (value, token, dash) => ({
    data: flat(value, windows),
    borderColor: colour(token),
    borderWidth: 2,
    borderDash: dash,
    pointRadius: 0,
  });
  const bad = windows.filter((each) => each.bad).length;
  return {
    title: t("error_over_time", { metric: name }),
    keys: [
      ["line", "series", t("realised")],
      known(holdout) && ["dash", "grey", t("on_holdout")],
      known(floor) && ["dots", "other", t("floor")],
    ].filter(Boolean),
    caption: bad ? t("bad_windows", { n: bad }) : t("no_bad_windows"),
    columns: [t("window"), name, t("predictions"), t("judged")],
    rows: windows.map((each, at) => [
      when[at],
      fixed(each.value),
      number(each.n, 6),
      t(each.bad ? "bad_window" : each.bad === null ? "not_judged" : "as_expected"),
    ]),
    config: () => ({
      type: "line",
      data: {
        labels: when,
        datasets: [
          {
            label: name,
            data: windows.map(({ value }) => value),
            borderColor: colour("series"),
            backgroundColor: colour("series"),
            borderWidth: 2.5,
            pointStyle: windows.map((each) => (each.bad ? "triangle" : "circle")),
            pointRadius: windows.map((each) => (each.bad ? 8 : 4)),
            pointBackgroundColor: windows.map((each) => colour(each.bad ? "bad" : "series")),
            pointBorderColor: colour("card"),
          },
          known(holdout) && { label: t("on_holdout"), ...line(holdout, "grey", [7, 5]) },
          known(floor) && { label: t("floor"), ...line(floor, "other", [2, 4]) },
        ].filter(Boolean),
      },
      options: {
        interaction: { mode: "index", intersect: false },
        scales: { x: axis({ grid: { display: false } }), y: axis({ grace: "12%" }) },
      },
    }),
  };
}

function coverage({ level, windows }, monthly) {
  const when = windows.map(({ start }) => period(start, monthly));
  const promised = level / 100;
  return {
    title: t("coverage", { level: share(promised) }),
    keys: [
      ["line", "series", t("realised")],
      ["dash", "grey", t("promised", { level: share(promised) })],
    ],
    caption: t("coverage_about", { level: share(promised) }),
    columns: [t("window"), t("share_inside")],
    rows: windows.map(({ value }, at) => [when[at], share(value, 1)]),
    config: () => ({
      type: "line",
      data: {
        labels: when,
        datasets: [
          {
            label: t("realised"),
            data: windows.map(({ value }) => value),
            borderColor: colour("series"),
            backgroundColor: colour("series"),
            borderWidth: 2.5,
            pointRadius: 4,
            pointBorderColor: colour("card"),
          },
          {
            label: t("promised", { level: share(promised) }),
            data: flat(promised, windows),
            borderColor: colour("grey"),
            borderDash: [7, 5],
            borderWidth: 2,
            pointRadius: 0,
          },
        ],
      },
      options: {
        interaction: { mode: "index", intersect: false },
        plugins: {
          tooltip: { callbacks: { label: ({ dataset, parsed }) => `${dataset.label}: ${share(parsed.y, 1)}` } },
        },
        scales: {
          x: axis({ grid: { display: false } }),
          y: axis({ suggestedMin: 0.5, max: 1, ticks: { callback: (value) => share(value) } }),
        },
      },
    }),
  };
}

// The same figure by step of the horizon, or by cohort, role: whichever there is.
function byItem({ steps, cohorts, roles }, { metric }) {
  const name = named("metric", metric);
  const [what, rows] = [
    ["by_step", steps.map(({ step, ...rest }) => ({ ...rest, item: String(step) }))],
    ["by_cohort", cohorts.map((each) => ({ ...each, item: cohortName(each.item) }))],
    ["by_role", roles],
  ].find(([, found]) => found.length) ?? ["by_cohort", []];
  return {
    title: t(what, { metric: name }),
    caption: t(`${what}_about`),
    columns: [t(`${what}_column`), name, t("predictions")],
    rows: rows.map(({ item, value, n }) => [item, fixed(value), number(n, 6)]),
    config: () => ({
      type: "bar",
      data: {
        labels: rows.map(({ item }) => item),
        datasets: [
          {
            label: name,
            data: rows.map(({ value }) => value),
            backgroundColor: colour("series"),
            borderRadius: 4,
            maxBarThickness: 46,
          },
        ],
      },
      options: { scales: { x: axis({ grid: { display: false } }), y: axis({ beginAtZero: true }) } },
    }),
  };
}

// Predictions that were asked for over the network: how many, how fast, by which versions.

import { axis, ChartFigure, colour, table } from "../charts.js";
import { fill, h } from "../dom.js";
import { ago, known, number, time } from "../format.js";
import { t } from "../i18n.js";
import { Choice, Section, stats } from "../section.js";
import { nothing } from "../shell.js";
import { choose, state } from "../state.js";

export class Served extends Section {
  constructor() {
    super("served", "served", "served_about", ["hours"]);
    this.hours = new Choice("hours", t("span"), (value) => choose({ hours: value }));
    this.figure = new ChartFigure("served-hours");
    this.figures = [this.figure];
  }

  async load() {
    this.hours.offer(
      ["24", "48", "168", "720"].map((n) => [n, n < 100 ? t("hours", { n }) : t("days", { n: n / 24 })]),
      state.hours ?? "48",
    );
    const served = await this.ask("served", { hours: this.hours.select.value });
    this.when("all", served, () => this.show(served));
  }

  show(served) {
    const fields = h("div", { class: "fields" }, this.hours.root);
    if (!served.total) {
      const todo = h(
        "p",
        {},
        t("no_served_todo"),
        " ",
        h("code", {}, "POST /v1/series/…/forecast"),
        " ",
        h("code", {}, "POST /v1/vacancies/predict"),
      );
      return fill(this.body, fields, nothing(t("no_served"), todo));
    }
    const milliseconds = (value) => (known(value) ? t("ms", { value: number(value, 3) }) : "–");
    fill(
      this.body,
      fields,
      stats([
        [t("served_rows"), number(served.total, 7), t("in_requests", { n: served.requests })],
        [t("median_time"), milliseconds(served.median_ms), t("of_a_request")],
        [t("p99_time"), milliseconds(served.p99_ms), t("of_hundred")],
      ]),
      h(
        "div",
        { class: "halves" },
        h("div", { class: "card" }, this.figure.root),
        h(
          "div",
          { class: "card" },
          h("h3", { class: "figure-title" }, t("served_by")),
          h("div", { class: "scroll" }, versions(served.by_model)),
        ),
      ),
    );
    this.figure.show(hourly(served));
  }
}

const versions = (rows) =>
  table(
    [t("model"), t("version_column"), t("predictions"), t("last_time")],
    rows.map(({ model, version, rows: n, last }) => [model, version, number(n, 7), ago(last)]),
  );

function hourly({ by_hour: hours, total }) {
  const busiest = hours.reduce((best, each) => (each.rows > best.rows ? each : best));
  return {
    title: t("served_title"),
    caption: t("served_busiest", { time: time(busiest.hour), n: number(busiest.rows, 7), total: number(total, 7) }),
    columns: [t("hour"), t("predictions")],
    rows: hours
      .filter(({ rows }) => rows)
      .map(({ hour, rows }) => [time(hour), number(rows, 7)])
      .reverse(),
    config: () => ({
      type: "bar",
      data: {
        labels: hours.map(({ hour }) => time(hour)),
        datasets: [
          {
            label: t("predictions"),
            data: hours.map(({ rows }) => rows),
            backgroundColor: colour("series"),
            borderRadius: 3,
            maxBarThickness: 22,
          },
        ],
      },
      options: {
        scales: {
          x: axis({ grid: { display: false }, ticks: { maxTicksLimit: 5 } }),
          y: axis({ beginAtZero: true, ticks: { precision: 0 } }),
        },
      },
    }),
  };
}

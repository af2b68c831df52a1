// One series: its history, its forecast and how sure that is. Any series of any forecasting pipeline.

import { ChartFigure } from "../charts.js";
import { calm, fill, h } from "../dom.js";
import { fan, fanKeys } from "../fan.js";
import { day, number, period, share } from "../format.js";
import { t } from "../i18n.js";
import { Choice, linked, Section } from "../section.js";
import { nothing } from "../shell.js";
import { choose, state } from "../state.js";

const MOST_OFFERED = 200;

export class Forecasts extends Section {
  constructor() {
    super("forecasts", "forecasts", "forecasts_about", ["pipeline", "series", "periods"]);
    this.pipeline = new Choice("forecast-pipeline", t("pipeline"), (value) => choose({ pipeline: value, series: "" }));
    this.periods = new Choice("forecast-periods", t("history"), (value) => choose({ periods: value }));
    this.search = h("input", {
      id: "series",
      type: "search",
      list: "series-list",
      autocomplete: "off",
      spellcheck: "false",
    });
    this.search.addEventListener(
      "input",
      calm(() => this.typed(), 250),
    );
    this.search.addEventListener("change", () => this.search.value && choose({ series: this.search.value }));
    this.list = h("datalist", { id: "series-list" });
    this.count = h("span", {});
    this.figure = new ChartFigure("forecast-chart", { tall: true });
    this.figures = [this.figure];
    this.card = h("div", { class: "card" });
    this.fields = h(
      "div",
      { class: "fields" },
      this.pipeline.root,
      h("label", { class: "field" }, this.count, this.search, this.list),
      this.periods.root,
      h(
        "button",
        { id: "random", type: "button", class: "button quiet", onclick: () => this.surprise() },
        t("random_series"),
      ),
    );
  }

  async load(overview) {
    const able = overview.pipelines.filter(({ kind }) => kind === "series");
    if (!able.length) return this.when("all", "none", () => fill(this.body, nothing(t("no_forecasting"))));
    const busy = able.find(({ freshness }) => freshness.predicted_at);
    this.pipeline.offer(
      able.map(({ name }) => [name, name]),
      state.pipeline ?? busy?.name,
    );
    this.periods.offer(
      ["60", "120", "240", "2000"].map((n) => [n, n === "2000" ? t("all_periods") : t("periods", { n })]),
      state.periods ?? (window.innerWidth < 600 ? "60" : "120"),
    );
    this.name = this.pipeline.select.value;
    const offered = await this.offer("");
    const series = state.series || offered[0];
    if (!series) {
      this.search.value = "";
      const trained = able.find(({ name }) => name === this.name).champions.length > 0;
      const [words, kind] = trained ? ["no_forecasts_todo", "predict"] : ["no_champion_todo", "train"];
      const todo = h("p", {}, t(words), " ", h("code", {}, `${this.name}_${kind}`));
      return this.when("all", ["nothing", this.name, kind], () => this.place(nothing(t("no_forecasts"), todo)));
    }
    if (document.activeElement !== this.search) this.search.value = series;
    const found = await this.read(series);
    this.when("all", found, () =>
      found.status ? this.place(nothing(t("no_series", { series }))) : this.show(found),
    );
  }

  // A series' history and forecast; the error itself when nothing knows the series.
  async read(series) {
    try {
      return await this.ask(`pipelines/${encodeURIComponent(this.name)}/forecast`, {
        series,
        periods: this.periods.select.value,
      });
    } catch (error) {
      if (error.status === 404) return error;
      throw error;
    }
  }

  place(...children) {
    fill(this.card, children);
    if (!this.fields.isConnected) fill(this.body, this.fields, this.card);
  }

  async offer(search) {
    const { series, total } = await this.ask(`pipelines/${encodeURIComponent(this.name)}/series`, {
      search,
      limit: MOST_OFFERED,
    });
    this.count.textContent = t("series_of", { n: number(total, 7) });
    fill(
      this.list,
      series.map((each) => h("option", { value: each })),
    );
    if (!search) this.known = series;
    return series;
  }

  async typed() {
    const offered = await this.offer(this.search.value).catch(() => []);
    if (offered.includes(this.search.value)) choose({ series: this.search.value }, { replace: true });
  }

  surprise() {
    const others = this.known.filter((each) => each !== state.series);
    const series = others[Math.floor(Math.random() * others.length)];
    if (!series) return;
    this.search.value = series;
    choose({ series });
  }

  show({ series, frequency, history, forecast, earlier, links }) {
    const points = forecast?.points ?? [];
    const past = earlier.map((each) => each.points);
    const label = (at) => (at ? (frequency === "M" ? period(at, true) : day(at)) : "");
    const write = (value) => number(value, 5);
    this.place(
      h(
        "div",
        { class: "between" },
        h("h3", {}, series),
        forecast &&
          h(
            "p",
            { class: "soft small" },
            t("forecast_by", { version: forecast.version, day: day(forecast.made_at) }),
            " ",
            links.run && linked(links.run, t("its_run")),
          ),
      ),
      this.figure.root,
    );
    const next = points[0];
    const sure = Object.entries(next?.intervals ?? {})[0];
    const words = next
      ? t("next_period", { period: label(next.at), value: write(next.forecast) })
      : t("no_forecast_of");
    this.figure.show({
      title: "",
      keys: fanKeys(points, past),
      caption:
        words +
        (sure
          ? ` ${t("surely", { level: share(sure[0] / 100), low: write(sure[1][0]), high: write(sure[1][1]) })}`
          : "") +
        (forecast?.note ? ` ${forecast.note}.` : ""),
      columns: [
        t("period"),
        t("actual"),
        t("forecast"),
        ...Object.keys(next?.intervals ?? {}).map((level) => share(level / 100)),
      ],
      rows: [
        ...points.map(({ at, forecast: value, intervals }) => [
          label(at),
          "–",
          write(value),
          ...Object.values(intervals).map(([low, high]) => `${write(low)} – ${write(high)}`),
        ]),
        ...history
          .slice(-24)
          .reverse()
          .map(({ at, value }) => [label(at), write(value), "–", ...Object.keys(next?.intervals ?? {}).map(() => "–")]),
      ],
      config: () => fan({ history, points, earlier: past, label, write }),
    });
  }
}

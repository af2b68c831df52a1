// The market of vacancies: how many are open, what they pay, and what the models expect of each.

import { ChartFigure } from "../charts.js";
import { cohortBars } from "../cohorts.js";
import { fill, h } from "../dom.js";
import { fan, fanKeys } from "../fan.js";
import { compact, day, known, number, period, roubles, share, signed } from "../format.js";
import { t } from "../i18n.js";
import { Choice, Section, stats } from "../section.js";
import { nothing } from "../shell.js";
import { choose, state } from "../state.js";
import { wordLists } from "../word_lists.js";

export class Market extends Section {
  constructor() {
    super("market", "market", "market_about", ["market", "role", "area", "days", "by"]);
    this.pipeline = new Choice("market-pipeline", t("pipeline"), (value) =>
      choose({ market: value, role: "", area: "" }),
    );
    this.role = new Choice("role", t("role"), (value) => choose({ role: value }));
    this.area = new Choice("area", t("area"), (value) => choose({ area: value }));
    this.days = new Choice("days", t("span"), (value) => choose({ days: value }));
    this.open = new ChartFigure("market-open");
    this.salary = new ChartFigure("market-salary");
    this.cohorts = { salary: new ChartFigure("cohorts-salary"), demand: new ChartFigure("cohorts-demand") };
    this.figures = [this.open, this.salary, ...Object.values(this.cohorts)];
    this.places = {
      origin: h("div", {}),
      now: h("div", {}),
      days: h("div", { class: "halves" }),
      groups: h("div", { class: "halves" }),
      cohorts: h("div", {}),
      words: h("div", {}),
    };
    this.fields = h("div", { class: "fields" }, this.pipeline.root, this.role.root, this.area.root, this.days.root);
  }

  async load(overview) {
    const able = overview.pipelines.filter(({ kind }) => kind === "vacancies");
    this.pipeline.offer(
      able.map(({ name }) => [name, name]),
      state.market,
    );
    const name = this.pipeline.select.value;
    if (!name) return this.when("page", "none", () => fill(this.body, nothing(t("no_vacancies"))));
    const path = `pipelines/${encodeURIComponent(name)}`;
    const chosen = { role: state.role, area: state.area };
    const own = able.find((each) => each.name === name);
    const forecasting = overview.pipelines.find((each) => each.name === own.market);
    const trained = own.champions.length > 0;
    this.when("page", "some", () => fill(this.body, this.fields, Object.values(this.places)));
    this.when("origin", own.generated, () =>
      fill(this.places.origin, own.generated && h("p", { class: "caution" }, t("generated"))),
    );
    const todo = unforecast(forecasting);
    const ends = await Promise.allSettled([
      this.ask(`${path}/market/filters`).then((filters) => this.offer(filters)),
      this.ask(`${path}/market`, { ...chosen, days: state.days ?? "90" }).then((market) =>
        this.when("market", [market, todo], () => this.showMarket(market, name, todo)),
      ),
      this.ask(`${path}/cohorts`, chosen).then((found) =>
        this.when("cohorts", [found, state.by, trained], () =>
          cohortBars(this.places.cohorts, this.cohorts, found, trained ? `${name}_predict` : `${name}_train`),
        ),
      ),
      this.ask(`${path}/words`, { count: 10 }).then((words) =>
        this.when("words", words, () => wordLists(this.places.words, words, name)),
      ),
    ]);
    const failed = ends.find(({ status }) => status === "rejected");
    if (failed) throw failed.reason;
  }

  offer({ roles, areas }) {
    const all = (each) => [
      ["", t("all")],
      ...each.map(({ id, name, open }) => [id, known(open) ? `${name} (${number(open, 6)})` : name]),
    ];
    this.role.offer(all(roles), state.role);
    this.area.offer(all(areas), state.area);
    this.days.offer(
      ["30", "90", "365"].map((n) => [n, t("days", { n })]),
      state.days ?? "90",
    );
  }

  showMarket(market, name, todo) {
    if (!market.day) {
      fill(
        this.places.now,
        nothing(t("no_market"), h("p", {}, t("no_market_todo"), " ", h("code", {}, `${name}_collect`))),
      );
      return (fill(this.places.days), fill(this.places.groups));
    }
    const { open_now: open, stated_now: stated, salary_now: salary, open_change: change } = market;
    fill(
      this.places.now,
      stats([
        [
          t("open_now"),
          number(open, 6),
          [t("on_day", { day: day(market.day) }), known(change) && t("change_week", { change: signed(change, 0) })]
            .filter(Boolean)
            .join(", "),
        ],
        [t("salary_now"), roubles(salary), t(market.salary_kind === "median" ? "salary_median" : "salary_mean")],
        [
          t("stated_now"),
          open ? share(stated / open) : "–",
          t("stated_of", { stated: number(stated ?? 0, 6), open: number(open ?? 0, 6) }),
        ],
      ]),
    );
    fill(this.places.days, h("div", { class: "card" }, this.open.root), h("div", { class: "card" }, this.salary.root));
    this.open.show(daily(market, "open", number, t("open_title"), todo));
    this.salary.show(daily(market, "salary", roubles, t("salary_title"), todo));
    fill(
      this.places.groups,
      group(t("by_role_title"), market.by_role, "role"),
      group(t("by_area_title"), market.by_area, "area"),
    );
  }
}

// What to do for a forecast of the market, by the state of the pipeline that makes it.
function unforecast(pipeline) {
  if (!pipeline) return t("market_alone");
  const values = { pipeline: pipeline.name };
  if (!pipeline.champions.length) return t("market_untrained", values);
  return pipeline.freshness.predicted_at ? t("market_unknown") : t("market_unpredicted", values);
}

// A figure of the market by day, and its forecast where there is one, or what to do for one.
function daily({ days, forecast }, what, write, title, todo) {
  const history = days.map(({ day: at, [what]: value }) => ({ at, value }));
  const points = forecast?.[what] ?? [];
  const label = (at) => (at ? period(at) : "");
  const text = (value) => write(Math.round(value), 6);
  const ahead = points.at(-1);
  return {
    title,
    keys: points.length ? fanKeys(points) : [],
    caption: ahead
      ? t("market_ahead", { day: label(ahead.at), value: text(ahead.forecast) })
      : what === "salary" && forecast?.open?.length && !(state.role && state.area)
        ? t("choose_both")
        : todo,
    columns: [t("day"), title],
    rows: [
      ...points.map(({ at, forecast: value }) => [`${label(at)} (${t("forecast")})`, text(value)]).reverse(),
      ...history.toReversed().map(({ at, value }) => [label(at), known(value) ? text(value) : "–"]),
    ],
    config: () => fan({ history, points, label, write: text, tick: compact }),
  };
}

// Roles or areas of the newest day as bars that choose the filter when pressed.
function group(title, rows, filter) {
  const most = Math.max(1, ...rows.map(({ open }) => open));
  const bar = ({ id, name, open, salary }) => {
    const pressed = state[filter] === id;
    return h(
      "li",
      {},
      h(
        "button",
        {
          id: `${filter}-${id}`,
          type: "button",
          class: "meter",
          "aria-pressed": String(pressed),
          onclick: () => choose({ [filter]: pressed ? "" : id }),
        },
        h("span", { class: "name" }, name),
        h("span", { class: "rod ours" }, h("span", { style: { width: `${(100 * open) / most}%` } })),
        h("span", { class: "figure" }, number(open, 6)),
        h("span", { class: "figure soft" }, roubles(salary)),
      ),
    );
  };
  return h(
    "div",
    { class: "card" },
    h("h3", { class: "figure-title" }, title),
    h("p", { class: "soft small" }, t("press_to_filter")),
    h("ul", { class: "meters" }, rows.slice(0, 12).map(bar)),
  );
}

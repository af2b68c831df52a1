// The state of things: one sentence, and a card for every pipeline.

import { fill, h } from "../dom.js";
import { ago, brief, day, fixed, number, period, share, span, time } from "../format.js";
import { named, t } from "../i18n.js";
import { badge, framed, linked, Section } from "../section.js";
import { DRIFT_TONES, RUN_TONES, shape } from "../shapes.js";
import { nothing } from "../shell.js";
import { worries } from "../worries.js";

const MOST_DOTS = 8;

export class Pipelines extends Section {
  constructor() {
    super("pipelines", "pipelines", null, []);
    this.root.querySelector(".section-head").remove();
    this.root.setAttribute("aria-label", t("pipelines"));
    this.root.removeAttribute("aria-labelledby");
  }

  async load(overview) {
    const runs = await Promise.all(
      overview.pipelines.map(({ name }) => this.ask(`pipelines/${encodeURIComponent(name)}/runs`, { limit: 60 })),
    );
    const minute = Math.floor(Date.now() / 60_000); // so that "4 minutes ago" stays true
    this.when("all", [overview.pipelines, runs, minute], () =>
      fill(
        this.body,
        greeting(overview),
        overview.pipelines.length
          ? [
              h(
                "div",
                { class: "pipelines" },
                overview.pipelines.map((each, at) => card(each, runs[at].runs)),
              ),
              h("p", { class: "soft small" }, t("floor_about")),
            ]
          : nothing(t("no_pipelines"), h("p", {}, t("no_pipelines_todo"), " ", h("code", {}, "dags/pipelines/"))),
      ),
    );
  }
}

function greeting(overview) {
  const found = worries(overview.pipelines);
  const well = overview.pipelines.some(({ champions }) => champions.length) ? "all_well" : "beginning";
  return h(
    "div",
    { class: "hello" },
    h(
      "div",
      {},
      h("h1", {}, found.length ? t("worries", { n: found.length }) : t(well)),
      found.length
        ? h(
            "ul",
            { class: "worries" },
            found.map(({ tone, text, link }) =>
              h(
                "li",
                { class: tone },
                shape(tone),
                h("span", {}, text, link && " ", link && linked(link, t("its_run"))),
              ),
            ),
          )
        : h("p", {}, t(`${well}_more`)),
    ),
  );
}

function card(pipeline, runs) {
  const champions = pipeline.champions.map((each) => champion(pipeline, each));
  const { airflow, mlflow } = pipeline.links;
  return h(
    "article",
    { class: "card pipeline", "aria-label": pipeline.name },
    h(
      "div",
      { class: "who" },
      h("h2", {}, pipeline.name),
      runs.length > 0 && drift(pipeline.drift),
      h("p", { class: "soft small" }, pipeline.description),
      pipeline.generated && h("p", { class: "small caution" }, t("generated")),
      !framed &&
        h("p", { class: "small links" }, airflow && linked(airflow, "Airflow"), mlflow && linked(mlflow, "MLflow")),
    ),
    champions.length
      ? h("div", { class: "champions" }, champions)
      : nothing(t("no_champion"), h("p", {}, t("no_champion_todo"), " ", h("code", {}, `${pipeline.name}_train`))),
    h("div", { class: "lately" }, timeline(runs), freshness(pipeline)),
  );
}

function drift({ state, report, message }) {
  const tone = DRIFT_TONES[state] ?? "none";
  const made = badge(state ? tone : "", t(`drift_${state ?? "none"}`), shape(tone));
  if (message) made.title = message;
  return report ? linked(report, made, { class: "bare" }) : made;
}

function champion(pipeline, one) {
  const main = one.figures.find((each) => each.main);
  return h(
    "div",
    { class: "champion" },
    h(
      "div",
      { class: "between" },
      h(
        "p",
        { class: "strong" },
        one.target ? `${named("target", one.target)}: ` : "",
        linked(one.links.version, t("version", { version: one.version })),
      ),
      h("span", { class: "soft small", title: one.reason }, t("champion_since", { day: day(one.since) })),
    ),
    main && versusFloor(main),
    h("p", { class: "soft small" }, others(one)),
    h("p", { class: "small" }, serving(one)),
  );
}

function serving({ service, version }) {
  if (!service) return badge("", t("unserved"), shape("none"));
  if (service.version === version) return badge("good", t("serves"), shape("good"));
  return badge("warn", t("behind", { version: service.version }), shape("warn"));
}

// The champion's figure and the floor's as two bars on one scale, and the difference in words.
function versusFloor({ metric, value, floor, better }) {
  const name = named("metric", metric);
  if (floor === null) return h("p", {}, `${name} ${fixed(value)}`);
  const gain = (better === "lower" ? floor - value : value - floor) / Math.abs(floor) || 0;
  const words = gain > 0 ? "win" : gain < 0 ? "loss" : "level";
  const most = Math.max(value, floor) || 1;
  const bar = (tone, label, figure) => [
    h("dt", {}, label),
    h("dd", { class: `rod ${tone}` }, h("span", { style: { width: `${(100 * figure) / most}%` } })),
    h("dd", { class: "figure" }, fixed(figure)),
  ];
  return h(
    "div",
    {},
    h("p", { class: `gain ${words}` }, t(words, { share: share(Math.abs(gain), 1) })),
    h("dl", { class: "rods" }, bar("ours", t("champion"), value), bar("floor", t("floor"), floor)),
    h("p", { class: "soft small" }, `${name}, ${t(better === "lower" ? "lower_better" : "higher_better")}`),
  );
}

const others = ({ figures, coverage }) =>
  [
    ...figures
      .filter(({ main }) => !main)
      .map(
        ({ metric, value }) =>
          `${named("metric", metric)} ${metric === "smape" ? share(value / 100, 1) : number(value)}`,
      ),
    ...coverage.map(({ level, value }) => t("covers", { level: share(level / 100), share: share(value, 1) })),
  ].join(" · ");

// A row a kind of run, oldest to newest.
function timeline(runs) {
  if (!runs.length) return h("p", { class: "soft small" }, t("no_runs"));
  const kinds = [...new Set(["collect", "train", "predict", "monitor", "deploy", ...runs.map((run) => run.kind)])];
  const rows = kinds.map((kind) => [kind, runs.filter((run) => run.kind === kind)]).filter(([, found]) => found.length);
  return h(
    "dl",
    { class: "timeline", "aria-label": t("last_runs") },
    rows.map(([kind, found]) => [
      h("dt", {}, named("kind", kind)),
      h("dd", {}, h("ul", {}, found.slice(0, MOST_DOTS).reverse().map(dot))),
      h("dd", { class: "soft small" }, ago(found[0].updated_at ?? found[0].started_at)),
    ]),
  );
}

function dot(run) {
  const tone = RUN_TONES[run.state] ?? "none";
  const rows =
    run.rows_in === null ? "" : t("run_rows", { rows: number(run.rows_in), rejected: number(run.rows_rejected ?? 0) });
  const facts = [time(run.started_at), span(run.seconds), rows, run.message].filter(Boolean).join(" · ");
  const label = `${named("kind", run.kind)}: ${t(`state_${run.state}`)}`;
  const tip = h("span", { class: "tip", "aria-hidden": "true" }, h("strong", {}, label), h("br"), brief(facts, 240));
  const props = { class: `run ${tone}`, "aria-label": `${label}. ${facts}` };
  return h(
    "li",
    {},
    run.links.run && !framed
      ? linked(run.links.run, [shape(tone), tip], props)
      : h("span", { ...props, role: "img", tabindex: 0 }, shape(tone), tip),
  );
}

function freshness({ freshness: { data_as_of, predicted_at, collected_at }, frequency }) {
  const facts = [
    data_as_of && [t("data_until"), frequency === "M" ? period(data_as_of, true) : day(data_as_of)],
    collected_at && [t("collected"), ago(collected_at)],
    [t("predicted"), predicted_at ? ago(predicted_at) : t("never")],
  ].filter(Boolean);
  return h(
    "dl",
    { class: "facts" },
    facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

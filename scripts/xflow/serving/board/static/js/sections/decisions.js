// Every decision about a model: which version, who decided, and how sure the comparison was.

import { fill, h, svg } from "../dom.js";
import { day, fixed, known, number, share, signed, time } from "../format.js";
import { named, t } from "../i18n.js";
import { badge, Choice, linked, Section } from "../section.js";
import { OUTCOME_TONES, shape } from "../shapes.js";
import { nothing } from "../shell.js";
import { choose, state } from "../state.js";

const FIRST_SHOWN = 6;
const [WIDTH, HEIGHT] = [240, 34];

export class Decisions extends Section {
  constructor() {
    super("decisions", "decisions", "decisions_about", ["decisions"]);
    this.which = new Choice("decisions-which", t("pipeline"), (value) => choose({ decisions: value }));
  }

  async load(overview) {
    const names = overview.pipelines.map(({ name }) => name);
    this.which.offer([["", t("all")], ...names.map((name) => [name, name])], state.decisions);
    const asked = this.which.select.value ? [this.which.select.value] : names;
    const answers = await Promise.all(
      asked.map((name) => this.ask(`pipelines/${encodeURIComponent(name)}/promotions`, { limit: 50 })),
    );
    const rows = answers.flatMap(({ promotions }) => promotions).sort((a, b) => (a.decided_at < b.decided_at ? 1 : -1));
    this.when("all", rows, () => this.show(rows));
  }

  all(rows) {
    this.whole = true;
    this.show(rows);
  }

  show(rows) {
    const shown = this.whole ? rows : rows.slice(0, FIRST_SHOWN);
    const most = new Map();
    for (const { model, lower, upper } of shown) {
      if (known(lower)) most.set(model, Math.max(most.get(model) ?? 0, Math.abs(lower), Math.abs(upper)));
    }
    fill(
      this.body,
      h("div", { class: "fields" }, this.which.root),
      shown.length
        ? h(
            "ol",
            { class: "card decisions" },
            shown.map((row) => decision(row, most.get(row.model))),
          )
        : nothing(t("no_decisions"), h("p", {}, t("no_decisions_todo"))),
      shown.length < rows.length &&
        h(
          "button",
          { id: "all-decisions", type: "button", class: "button quiet", onclick: () => this.all(rows) },
          t("show_all", { n: rows.length }),
        ),
    );
  }
}

function decision(row, most) {
  const tone = OUTCOME_TONES[row.outcome] ?? "none";
  return h(
    "li",
    { class: "decision" },
    h(
      "div",
      { class: "what" },
      h(
        "p",
        { class: "between" },
        h(
          "span",
          { class: "strong" },
          linked(row.links.version, `${row.model}, ${t("version", { version: row.version })}`),
        ),
        badge(tone === "same" ? "" : tone, t(`outcome_${row.outcome}`), shape(tone)),
      ),
      h("p", { class: "small" }, row.reason),
      h(
        "p",
        { class: "soft small" },
        h("time", { datetime: row.decided_at, title: time(row.decided_at) }, day(row.decided_at)),
        " · ",
        row.decided_by === "policy" ? t("by_policy") : t("by_person", { name: row.decided_by }),
        row.action === "judge" ? "" : ` · ${t(`action_${row.action}`)}`,
      ),
    ),
    h("div", { class: "how" }, known(row.lower) ? forest(row, most) : h("p", { class: "soft small" }, alone(row))),
  );
}

const alone = ({ challenger_score: score, metric }) =>
  known(score) ? t("nothing_to_compare", { metric: named("metric", metric), score: fixed(score) }) : t("not_compared");

// The difference to the champion with its interval, beside no difference at all: left of it is better.
function forest({ difference, lower, upper, confidence, units, metric }, most) {
  const at = (value) => WIDTH / 2 + (value / (most * 1.12 || 1)) * (WIDTH / 2);
  const tone = upper < 0 ? "better" : lower > 0 ? "worse" : "even";
  const words = t("interval_words", {
    metric: named("metric", metric),
    difference: signed(difference),
    lower: signed(lower),
    upper: signed(upper),
    confidence: share(confidence),
    units: number(units, 7),
  });
  const picture = svg(
    "svg",
    {
      class: `forest ${tone}`,
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: "img",
      "aria-label": `${t(`forest_${tone}`)}. ${words}`,
    },
    svg("line", { class: "zero", x1: WIDTH / 2, x2: WIDTH / 2, y1: 2, y2: HEIGHT - 2 }),
    svg("line", { class: "whisker", x1: at(lower), x2: at(upper), y1: HEIGHT / 2, y2: HEIGHT / 2 }),
    [lower, upper].map((end) =>
      svg("line", { class: "whisker", x1: at(end), x2: at(end), y1: HEIGHT / 2 - 5, y2: HEIGHT / 2 + 5 }),
    ),
    svg("rect", {
      class: "point",
      x: at(difference) - 5,
      y: HEIGHT / 2 - 5,
      width: 10,
      height: 10,
      transform: `rotate(45 ${at(difference)} ${HEIGHT / 2})`,
    }),
  );
  return [
    picture,
    h(
      "p",
      { class: "ends soft", "aria-hidden": "true" },
      h("span", {}, `← ${t("better")}`),
      h("span", {}, `${t("worse")} →`),
    ),
    h("p", { class: "soft small" }, words),
  ];
}

// What the models expect of the vacancies: the shares of cohorts by role or area, as stacked bars.

import { axis, colour } from "./charts.js";
import { fill, h } from "./dom.js";
import { number, share, time } from "./format.js";
import { cohortName, t } from "./i18n.js";
import { nothing } from "./shell.js";
import { choose, state } from "./state.js";

const UNKNOWN = "not stated";
const MOST_BARS = 10;

export function cohortBars(place, figures, { targets, at }, first) {
  if (!targets.length) {
    fill(place, nothing(t("no_cohorts"), h("p", {}, t("no_forecasts_todo"), " ", h("code", {}, first))));
    return;
  }
  const by = state.by === "area" ? "area" : "role";
  fill(
    place,
    h("div", { class: "between head" }, h("h3", {}, t("cohorts_title")), turn(by)),
    h("p", { class: "soft small" }, t("cohorts_about", { time: time(at) })),
    h(
      "div",
      { class: "halves" },
      targets.map(({ target }) => h("div", { class: "card" }, figures[target].root)),
    ),
  );
  for (const each of targets) figures[each.target].show(stacked(each, by));
}

// Two buttons of which one is pressed.
const turn = (by) =>
  h(
    "div",
    { class: "turn", role: "group", "aria-label": t("group_by") },
    ["role", "area"].map((each) =>
      h(
        "button",
        { id: `by-${each}`, type: "button", "aria-pressed": String(each === by), onclick: () => choose({ by: each }) },
        t(each),
      ),
    ),
  );

// Cohorts in their order take the ramp's colours, light to dark; what is not known is grey.
function tokens(cohorts) {
  const ordered = cohorts.filter(({ cohort }) => cohort !== UNKNOWN);
  const step = ordered.length > 1 ? 4 / (ordered.length - 1) : 0;
  return cohorts.map((each) =>
    each.cohort === UNKNOWN ? "ramp-none" : `ramp-${1 + Math.round(step * ordered.indexOf(each))}`,
  );
}

function stacked({ target, version, vacancies, cohorts, by_role, by_area }, by) {
  const groups = [
    { name: t(state.role || state.area ? "chosen" : "all"), vacancies, shares: cohorts.map((each) => each.share) },
    ...(by === "area" ? by_area : by_role).slice(0, MOST_BARS),
  ];
  const colours = tokens(cohorts);
  const names = cohorts.map(({ cohort }) => cohortName(cohort));
  const largest = cohorts.reduce((best, each) => (each.share > best.share ? each : best));
  return {
    title: t(`cohorts_${target}`),
    keys: names.map((name, at) => ["bar", colours[at], name]),
    caption: t("cohorts_most", {
      cohort: cohortName(largest.cohort),
      share: share(largest.share),
      n: number(vacancies, 6),
      version,
    }),
    columns: [t(by), t("vacancies"), ...names],
    rows: groups.map((each) => [each.name, number(each.vacancies, 6), ...each.shares.map((value) => share(value))]),
    config: () => ({
      type: "bar",
      data: {
        labels: groups.map(({ name }) => name),
        datasets: names.map((label, at) => ({
          label,
          data: groups.map(({ shares }) => shares[at]),
          backgroundColor: colour(colours[at]),
          borderColor: colour("card"),
          borderWidth: 1,
          maxBarThickness: 26,
        })),
      },
      options: {
        indexAxis: "y",
        interaction: { mode: "index", axis: "y", intersect: false },
        scales: {
          x: axis({ stacked: true, max: 1, ticks: { callback: (value) => share(value) } }),
          y: axis({
            stacked: true,
            grid: { display: false },
            ticks: { autoSkip: false, callback: (at) => shorten(groups[at].name) },
          }),
        },
        plugins: {
          tooltip: {
            callbacks: {
              title: ([first]) => `${first.label}: ${t("vacancies_n", { n: groups[first.dataIndex].vacancies })}`,
              label: ({ dataset, parsed }) => `${dataset.label}: ${share(parsed.x, 1)}`,
            },
          },
        },
      },
    }),
  };
}

const shorten = (name) => (name.length > 22 ? `${name.slice(0, 20)}…` : name);

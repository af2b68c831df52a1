// Which words speak for which cohort: a list a cohort, each word as long as its weight.

import { fill, h } from "./dom.js";
import { fixed } from "./format.js";
import { cohortName, t } from "./i18n.js";
import { nothing } from "./shell.js";

export function wordLists(place, { targets }, pipeline) {
  const found = targets.filter(({ cohorts }) => cohorts.some(({ words }) => words.length));
  fill(
    place,
    h("div", { class: "head" }, h("h3", {}, t("words_title")), h("p", { class: "soft small" }, t("words_about"))),
    found.length
      ? found.map((each) =>
          h(
            "div",
            { class: "words" },
            h("h3", { class: "figure-title" }, t(`words_${each.target}`)),
            h(
              "div",
              { class: "word-grid" },
              each.cohorts.map((cohort) => list(cohort, each)),
            ),
          ),
        )
      : nothing(t("no_words"), h("p", {}, t("no_words_todo"), " ", h("code", {}, `${pipeline}_deploy`))),
  );
}

function list({ cohort, words }, { cohorts }) {
  const most = Math.max(...cohorts.flatMap((each) => each.words.map(({ weight }) => Math.abs(weight)))) || 1;
  return h(
    "div",
    { class: "card word-list" },
    h("h4", {}, cohortName(cohort)),
    h(
      "ol",
      {},
      words.map(({ word, weight, column, kind }) =>
        h(
          "li",
          { title: t("word_weight", { weight: fixed(weight, 2), column }) },
          h("span", { class: "wash", style: { width: `${(100 * Math.abs(weight)) / most}%` }, "aria-hidden": "true" }),
          h("span", { class: "word" }, kind === "categories" ? `${column}: ${word}` : word),
          h("span", { class: "unseen" }, fixed(weight, 2)),
        ),
      ),
    ),
  );
}

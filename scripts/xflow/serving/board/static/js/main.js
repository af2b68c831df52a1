// The page from start to end: a session, the sections, and a look at the newest figures every minute.

import { ask, session } from "./api.js";
import { followTheme } from "./charts.js";
import { byId, fill, h } from "./dom.js";
import { time } from "./format.js";
import { language, t } from "./i18n.js";
import { badge, framed, linked } from "./section.js";
import { Accuracy } from "./sections/accuracy.js";
import { Decisions } from "./sections/decisions.js";
import { Forecasts } from "./sections/forecasts.js";
import { Market } from "./sections/market.js";
import { Pipelines } from "./sections/pipelines.js";
import { Served } from "./sections/served.js";
import { arrive, showEntrance, showFrame, words } from "./shell.js";
import { onChoice, state } from "./state.js";

const EVERY = 60_000;
const TITLES = ["pipelines", "forecasts", "accuracy", "market", "decisions", "served"].map((id) => ({
  id,
  title: `nav_${id}`,
}));

const app = byId("app");
let page = null;

function stop() {
  page?.sections.forEach((each) => each.stop());
  page = null;
}

function enter() {
  stop();
  document.documentElement.lang = language;
  const places = showFrame(app, TITLES, { again: enter, left: () => leave() });
  const sections = [new Pipelines(), new Forecasts(), new Accuracy(), new Market(), new Decisions(), new Served()];
  fill(
    places.main,
    places.trouble,
    sections.map(({ root }) => root),
  );
  page = { places, sections, overview: null };
  refresh().then(() => state.at && arrive());
}

function leave(note = "") {
  stop();
  document.documentElement.lang = language;
  showEntrance(app, enter, () => leave(note), note);
}

// Ask for everything that is shown; what cannot be had says so in its place, and the rest stays.
async function refresh() {
  const shown = page;
  if (!shown) return;
  try {
    shown.overview = await ask("overview");
    if (shown !== page) return;
    fill(shown.places.trouble);
    frame(shown);
  } catch (error) {
    if (error.status === 401) return shown === page && leave();
    fill(shown.places.trouble, h("p", { class: "error banner" }, words(error)));
    shown.sections.forEach((each) => each.quiet());
  }
  await sections(shown);
}

async function sections(shown, wanted = () => true) {
  if (!shown?.overview || shown !== page) return;
  const ends = await Promise.allSettled(shown.sections.filter(wanted).map((each) => each.refresh(shown.overview)));
  if (ends.some(({ reason }) => reason?.status === 401) && shown === page) leave(t("session_ended"));
}

function frame({ places, overview: { environment, links, now, version } }) {
  fill(places.environment, badge(environment === "prod" ? "accent" : "", environment));
  fill(
    places.links,
    !framed && links.airflow && linked(links.airflow, "Airflow", { class: "wide" }),
    !framed && links.mlflow && linked(links.mlflow, "MLflow", { class: "wide" }),
  );
  fill(
    places.foot,
    h(
      "p",
      {},
      `xFlow ${version} · ${t("as_of_now", { time: time(now) })} · `,
      links.api && linked(links.api, t("api")),
    ),
    framed && h("p", {}, t("own_window"), " ", h("code", {}, location.origin)),
  );
}

followTheme();
document.addEventListener("theme", () => page?.sections.forEach((each) => each.again()));
onChoice((names) => page && sections(page, (each) => each.choices.some((name) => names.includes(name))));
setInterval(() => document.visibilityState === "visible" && refresh(), EVERY);

document.documentElement.lang = language;
session().then(enter, (error) => leave(error.status === 401 ? "" : words(error)));

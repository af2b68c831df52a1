// A series and its forecast as one chart: what was, what is expected, and how sure that is.

import { axis, colour } from "./charts.js";
import { compact, known, moment, share } from "./format.js";
import { t } from "./i18n.js";

const DAY = 86_400_000;

// Put history and forecasts on one axis of times; bands are drawn from the widest to the narrowest.
export function fan({ history, points, earlier = [], label, tick = compact, write }) {
  const times = [...new Set([...history, ...points, ...earlier.flat()].map(({ at }) => at))].sort();
  const place = new Map(times.map((at, index) => [at, index]));
  const row = (found, value) => {
    const made = Array(times.length).fill(null);
    for (const each of found) made[place.get(each.at)] = value(each);
    return made;
  };
  const levels = Object.keys(points[0]?.intervals ?? {}).sort((a, b) => b - a);
  const joined = row(points, (each) => each.forecast);
  const last = history.findLast(({ value }) => known(value));
  if (last && points.length) joined[place.get(last.at)] ??= last.value;
  const plain = { pointRadius: 0, pointHoverRadius: 0, borderWidth: 0 };
  const bands = levels.flatMap((level, at) => [
    { ...plain, label: `low ${level}`, band: true, data: row(points, ({ intervals }) => intervals[level]?.[0]) },
    {
      ...plain,
      label: `high ${level}`,
      band: true,
      data: row(points, ({ intervals }) => intervals[level]?.[1]),
      fill: "-1",
      backgroundColor: colour(at ? "band-80" : levels.length > 1 ? "band-95" : "band-80"),
    },
  ]);
  const lines = [
    {
      label: t("actual"),
      data: row(history, ({ value }) => value),
      borderColor: colour("ink"),
      borderWidth: 1.8,
      pointRadius: 0,
      pointHoverRadius: 4,
    },
    points.length && {
      label: t("forecast"),
      data: joined,
      borderColor: colour("series"),
      borderWidth: 2.6,
      pointRadius: 0,
      pointHoverRadius: 5,
      forecast: true,
    },
    ...earlier.map((each) => ({
      label: t("earlier_forecast"),
      data: row(each, ({ forecast }) => forecast),
      borderColor: colour("other"),
      borderDash: [2, 4],
      borderWidth: 2,
      pointRadius: 0,
    })),
  ].filter(Boolean);
  const known_at = new Map(points.map((each) => [each.at, each]));
  return {
    type: "line",
    data: { labels: times, datasets: [...bands, ...lines] },
    options: {
      interaction: { mode: "index", intersect: false },
      spanGaps: false,
      scales: {
        x: axis({
          grid: { display: false },
          afterBuildTicks: (scale) => (scale.ticks = ticks(times, scale.width)),
          ticks: {
            autoSkip: false,
            callback: (index) => (yearly(times) ? times[index].slice(0, 4) : label(times[index])),
          },
        }),
        y: axis({ ticks: { callback: (value) => tick(value) } }),
      },
      plugins: {
        tooltip: {
          filter: ({ dataset, dataIndex }) => !dataset.band && !(dataset.forecast && !known_at.has(times[dataIndex])),
          callbacks: {
            title: ([first]) => (first ? label(first.label) : ""),
            label: ({ dataset, parsed }) => `${dataset.label}: ${write(parsed.y)}`,
            afterBody: ([first]) => intervals(known_at.get(first?.label), write),
          },
        },
      },
    },
  };
}

const intervals = (point, write) =>
  Object.entries(point?.intervals ?? {}).map(
    ([level, [low, high]]) => `${share(level / 100)}: ${write(low)} – ${write(high)}`,
  );

// Whether a series of months is long enough to be marked by years.
const yearly = (times) => times.length > 36 && moment(times[1]) - moment(times[0]) > 20 * DAY;

// Marks at even steps: Januaries of a series of months, otherwise counted back from the end.
function ticks(times, width) {
  const most = Math.max(2, Math.floor(width / 90));
  const all = times.map((_, value) => ({ value }));
  const years = yearly(times);
  const marks = years ? all.filter(({ value }) => moment(times[value]).getUTCMonth() === 0) : all.reverse();
  const step = Math.ceil(marks.length / most);
  return marks.filter((_, at) => at % step === (years ? 0 : Math.floor(step / 2))).sort((a, b) => a.value - b.value);
}

// The keys of its legend.
export const fanKeys = (points, earlier = []) =>
  [
    ["line", "ink", t("actual")],
    points.length && ["line", "series", t("forecast")],
    ...Object.keys(points[0]?.intervals ?? {}).map((level) => [
      "bar",
      level === "95" ? "band-95" : "band-80",
      t("interval", { level: share(level / 100) }),
    ]),
    earlier.length && ["dots", "other", t("earlier_forecast")],
  ].filter(Boolean);

// Small signs: each state has a shape of its own.

import { svg } from "./dom.js";

const sign = (...parts) => svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, parts);
const stroke = (d, colour = "var(--card)") =>
  svg("path", {
    d,
    fill: "none",
    stroke: colour,
    "stroke-width": 2,
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
  });

const SHAPES = {
  good: () => sign(svg("circle", { cx: 8, cy: 8, r: 7 }), stroke("M4.8 8.3 7 10.5 11.2 5.8")),
  bad: () =>
    sign(
      svg("rect", { x: 1.5, y: 1.5, width: 13, height: 13, rx: 2.5 }),
      stroke("M5.3 5.3 10.7 10.7M10.7 5.3 5.3 10.7"),
    ),
  warn: () => sign(svg("path", { d: "M8 .8 15.6 14.6H.4Z" }), stroke("M8 5.6V9.2M8 11.8v.1")),
  busy: () =>
    sign(
      svg("circle", {
        cx: 8,
        cy: 8,
        r: 5.6,
        fill: "none",
        stroke: "currentColor",
        "stroke-width": 2.4,
        "stroke-dasharray": "22 13",
      }),
    ),
  none: () =>
    sign(
      svg("circle", {
        cx: 8,
        cy: 8,
        r: 5.8,
        fill: "none",
        stroke: "currentColor",
        "stroke-width": 1.8,
        "stroke-dasharray": "2.6 2.4",
      }),
    ),
  same: () => sign(svg("rect", { x: 1.5, y: 5.6, width: 13, height: 4.8, rx: 2.4 })),
};

export const shape = (name) => SHAPES[name]();

export const RUN_TONES = { success: "good", partly: "bad", failed: "bad", running: "busy" };
export const DRIFT_TONES = { ok: "good", warn: "warn", stop: "bad" };
export const OUTCOME_TONES = { promoted: "good", kept: "same", refused: "warn", rejected: "bad" };

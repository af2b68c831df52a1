// Numbers, dates and spans of time, as the reader's language writes them.

import { language, locale, t } from "./i18n.js";

const formats = new Map();

function format(Kind, options) {
  const key = `${Kind.name} ${language} ${JSON.stringify(options)}`;
  if (!formats.has(key)) formats.set(key, new Kind(locale(), options));
  return formats.get(key);
}

export const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);

// A number to so many significant figures; a dash where there is none.
export function number(value, figures = 3) {
  if (!known(value)) return "–";
  const whole = Math.abs(value) >= 10 ** figures;
  const options = whole ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: figures };
  return format(Intl.NumberFormat, options).format(value);
}

// A figure with a fixed number of decimals, so that a column of them lines up.
export const fixed = (value, decimals = 3) =>
  known(value)
    ? format(Intl.NumberFormat, { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).format(value)
    : "–";

export const signed = (value, decimals = 3) =>
  known(value)
    ? format(Intl.NumberFormat, {
        minimumFractionDigits: decimals,
        maximumFractionDigits: decimals,
        signDisplay: "exceptZero",
      }).format(value)
    : "–";

export const share = (value, decimals = 0) =>
  known(value) ? format(Intl.NumberFormat, { style: "percent", maximumFractionDigits: decimals }).format(value) : "–";

export const compact = (value) =>
  format(Intl.NumberFormat, { notation: "compact", maximumSignificantDigits: 3 }).format(value);

export const roubles = (value) =>
  known(value)
    ? format(Intl.NumberFormat, {
        style: "currency",
        currency: "RUB",
        currencyDisplay: "narrowSymbol",
        maximumFractionDigits: 0,
      }).format(value)
    : "–";

// The mart's times are UTC and carry no zone.
export const moment = (text) => new Date(/[zZ]|[+-]\d\d:?\d\d$/.test(text) || text.length <= 10 ? text : text + "Z");

// A period of a series belongs to no zone: it is shown as it is written.
export const period = (text, monthly = false) =>
  format(
    Intl.DateTimeFormat,
    monthly
      ? { month: "short", year: "numeric", timeZone: "UTC" }
      : { day: "numeric", month: "short", timeZone: "UTC" },
  ).format(moment(text));

export const day = (text) =>
  format(Intl.DateTimeFormat, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }).format(
    moment(text),
  );

export const time = (text) =>
  format(Intl.DateTimeFormat, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).format(
    moment(text),
  );

const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

// How long ago, in words.
export function ago(text) {
  if (!text) return "–";
  const seconds = (moment(text) - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? [];
  if (!unit) return t("just_now");
  return format(Intl.RelativeTimeFormat, { numeric: "auto", style: "short" }).format(Math.round(seconds / size), unit);
}

// How long something took.
export function span(seconds) {
  if (!known(seconds)) return "–";
  const unit = seconds < 90 ? "second" : seconds < 5400 ? "minute" : "hour";
  const value = seconds / { second: 1, minute: 60, hour: 3600 }[unit];
  return format(Intl.NumberFormat, {
    style: "unit",
    unit,
    unitDisplay: "short",
    maximumFractionDigits: value < 10 ? 1 : 0,
  }).format(value);
}

// A text of so many characters at most: cut where a sentence ends, between words where none does.
export function brief(text, most) {
  if (text.length <= most) return text;
  const head = text.slice(0, most);
  const sentences = /^.*[.!?](?=\s)/s.exec(head);
  return sentences ? sentences[0] : `${head.slice(0, Math.max(0, head.search(/\s\S*$/)))} …`.trim();
}

// The page's words. A text lives in both dictionaries under one key; `{name}` is put in.

import { keep, kept } from "./kept.js";
import { en } from "./words_en.js";
import { ru } from "./words_ru.js";

const KEY = "xflow-language";
const dictionaries = { en, ru };

function first() {
  const wanted = [kept(KEY), ...(navigator.languages ?? [navigator.language]).map((each) => each.slice(0, 2))];
  return wanted.find((each) => each in dictionaries) ?? "en";
}

export let language = first();

export const locale = () => (language === "ru" ? "ru-RU" : "en-GB");

export function otherLanguage() {
  language = language === "ru" ? "en" : "ru";
  keep(KEY, language);
}

// The text of a key, with values put in; a number picks the plural form after `|` where there are some.
export function t(key, values = {}) {
  let text = dictionaries[language][key];
  if (text === undefined) return key;
  if (Array.isArray(text)) text = text[plural(values.n)];
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

// A name that comes from the data: translated where the dictionaries know it, as it is otherwise.
export const named = (prefix, value) => {
  const key = `${prefix}_${String(value).replace(/[^\w]+/g, "_")}`;
  return key in dictionaries[language] ? t(key) : String(value);
};

// The name of a cohort, as "100k-150k", "below 10 days", "age 20 days and more".
export function cohortName(text) {
  const [, age, below, range, days, above] = /^(age )?(below )?([\d.,k-]+)( days)?( and more)?$/.exec(text) ?? [];
  if (range === undefined) return named("cohort", text);
  let made = range.replace("-", "–").replace(/([\d.,]+)k/g, (_, n) => t("thousand", { n }));
  if (days) made = t("cohort_days", { range: made });
  if (below) made = t("cohort_below", { end: made });
  if (above) made = t("cohort_above", { end: made });
  return age ? t("cohort_age", { range: made }) : made;
}

function plural(n) {
  const form = new Intl.PluralRules(locale()).select(Number(n));
  return language === "ru" ? ({ one: 0, few: 1 }[form] ?? 2) : form === "one" ? 0 : 1;
}

// What every section does: a heading, what it says while it loads or fails, and drawing only what has changed.

import { ask } from "./api.js";
import { fill, h } from "./dom.js";
import { t } from "./i18n.js";
import { words } from "./shell.js";

class Superseded extends Error {}

export class Section {
  // `choices` are those of the address that change what it shows.
  constructor(id, title, about, choices) {
    this.choices = choices;
    this.trouble = h("div", { "aria-live": "polite" });
    this.body = h(
      "div",
      { class: "stack", "aria-busy": "true" },
      h("div", { class: "loading", role: "status" }, h("span", { class: "unseen" }, t("loading"))),
    );
    this.root = h(
      "section",
      { id, "aria-labelledby": `${id}-title` },
      h("div", { class: "section-head" }, h("h2", { id: `${id}-title` }, t(title)), about && h("p", {}, t(about))),
      this.trouble,
      this.body,
    );
    this.figures = [];
    this.turn = 0;
    this.drawn = new Map();
  }

  // Load and draw; what stood there stays when that fails. Only a session that has ended is for the caller.
  async refresh(overview) {
    this.turn += 1;
    try {
      await this.load(overview);
      fill(this.trouble);
      this.body.removeAttribute("aria-busy");
    } catch (error) {
      if (error.status === 401) throw error;
      if (error instanceof Superseded) return;
      if (error.status === undefined) console.error(error);
      fill(this.trouble, h("p", { class: "error banner" }, words(error)));
      this.quiet();
    }
  }

  // Ask the API; an answer that comes after something else was chosen is not shown.
  async ask(path, parameters) {
    const turn = this.turn;
    const answer = await ask(path, parameters);
    if (turn !== this.turn) throw new Superseded();
    return answer;
  }

  // Nothing will be loaded now: do not look as if.
  quiet() {
    this.body.removeAttribute("aria-busy");
    this.body.querySelector(":scope > .loading")?.remove();
  }

  // Call `render` if what it shows is not what is there already.
  when(name, data, render) {
    const now = JSON.stringify(data);
    if (this.drawn.get(name) === now) return;
    this.drawn.set(name, now);
    render();
  }

  // It is about to be taken away: nothing that still comes is drawn, and the charts are let go.
  stop() {
    this.turn += 1;
    for (const each of this.figures) each.stop();
  }

  // Draw the charts again in the theme's new colours.
  again() {
    for (const each of this.figures) each.again();
  }
}

// A labelled choice; `options` are [value, words].
export class Choice {
  constructor(id, label, chosen) {
    this.select = h("select", { id, onchange: () => chosen(this.select.value) });
    this.root = h("label", { class: "field" }, h("span", {}, label), this.select);
  }

  offer(options, value) {
    const now = JSON.stringify(options);
    if (now !== this.offered) {
      this.offered = now;
      fill(
        this.select,
        options.map(([each, text]) => h("option", { value: each }, text)),
      );
    }
    this.select.value = options.some(([each]) => each === value) ? value : (options[0]?.[0] ?? "");
    this.root.hidden = options.length < 2;
  }
}

// A badge: a shape and a word, so that its colour is not all that tells.
export const badge = (tone, text, shape) => h("span", { class: `badge ${tone}` }, shape, text);

// In a frame of another page a link may neither open a window nor leave: there its words stand alone.
export const framed = window.self !== window.top;

// A link where there is an address, the words alone where there is none.
export const linked = (address, text, props = {}) =>
  address && !framed
    ? h("a", { href: address, target: "_blank", rel: "noopener", ...props }, text)
    : h("span", props, text);

// A few figures in a row: [what, value, hint].
export const stats = (entries) =>
  h(
    "dl",
    { class: "stats" },
    entries.map(([what, value, hint]) =>
      h("div", {}, h("dt", {}, what), h("dd", {}, value), hint && h("dd", { class: "hint" }, hint)),
    ),
  );

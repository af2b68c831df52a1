// The page around the sections: header, navigation, the form to sign in, and what they say in trouble.

import { signIn, signOut } from "./api.js";
import { byId, fill, h, svg } from "./dom.js";
import { language, otherLanguage, t } from "./i18n.js";
import { choose, state } from "./state.js";

const icon = (path, name) =>
  svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", class: name }, svg("path", { d: path }));
const HALF_MOON = "M20 14.5A8.5 8.5 0 1 1 9.5 4a6.8 6.8 0 0 0 10.5 10.5Z";
const SUN =
  "M12 7.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9ZM12 2v2.5M12 19.5V22M2 12h2.5M19.5 12H22M4.9 4.9l1.8 1.8M17.3 17.3l1.8 1.8M4.9 19.1l1.8-1.8M17.3 6.7l1.8-1.8";
const LEAVE = "M10 4H5v16h5M14 8l4 4-4 4M18 12H9";

const logo = () => h("img", { src: "board/static/logo.svg", alt: "", width: 28, height: 28 });

const themeButton = () =>
  h(
    "button",
    {
      id: "theme",
      type: "button",
      title: t("theme"),
      "aria-label": t("theme"),
      onclick: () => window.xflowTheme.toggle(),
    },
    icon(HALF_MOON, "moon"),
    icon(SUN, "sun"),
  );

function languageButton(again) {
  const other = language === "ru" ? "English" : "Русский";
  const press = () => {
    otherLanguage();
    again();
    byId("language")?.focus();
  };
  return h(
    "button",
    { id: "language", type: "button", lang: language === "ru" ? "en" : "ru", "aria-label": other, onclick: press },
    language === "ru" ? "EN" : "RU",
  );
}

// The form to sign in; calls `entered` after the right password.
export function showEntrance(app, entered, again, note = "") {
  const user = h("input", { id: "user", autocomplete: "username", value: "admin", required: true });
  const password = h("input", { id: "password", type: "password", autocomplete: "current-password", required: true });
  const error = h("p", { id: "entrance-error", class: "error", role: "alert", hidden: true });
  const button = h("button", { class: "button", type: "submit" }, t("sign_in"));
  const enter = async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await signIn(user.value, password.value);
      entered();
    } catch (trouble) {
      error.textContent = words(trouble, true);
      error.hidden = false;
      password.select();
    } finally {
      button.disabled = false;
    }
  };
  fill(
    app,
    h(
      "main",
      { class: "entrance" },
      h(
        "form",
        { class: "card", onsubmit: enter },
        logo(),
        h("h1", {}, "xFlow"),
        h("p", { class: "soft" }, note || t("entrance_about")),
        h("label", { for: "user" }, t("user")),
        user,
        h("label", { for: "password" }, t("password")),
        password,
        button,
        error,
        h(
          "p",
          { class: "soft small", style: { "margin-top": "18px" } },
          t("password_where"),
          " ",
          h("code", {}, "XFLOW_BOARD_PASSWORD"),
        ),
        h("div", { class: "entrance-tools tools" }, languageButton(again), themeButton()),
      ),
    ),
  );
  document.title = `xFlow · ${t("sign_in")}`;
  password.focus();
}

// Header, main and footer; returns the places that are filled later.
export function showFrame(app, sections, { again, left }) {
  const nav = h(
    "ul",
    {},
    sections.map(({ id, title }) =>
      h("li", {}, h("a", { href: `#at=${id}`, id: `to-${id}`, onclick: (event) => go(event, id) }, t(title))),
    ),
  );
  const leave = async () => {
    await signOut().catch(() => null);
    left();
  };
  const places = {
    links: h("span", { class: "links" }),
    environment: h("span", {}),
    trouble: h("div", { "aria-live": "polite" }),
    foot: h("footer", { class: "foot" }),
    main: h("main", { class: "page", id: "main", tabindex: -1 }),
  };
  fill(
    app,
    h(
      "a",
      { class: "skip", href: "#main", onclick: (event) => (event.preventDefault(), places.main.focus()) },
      t("skip"),
    ),
    h(
      "header",
      { class: "bar" },
      h(
        "div",
        { class: "bar-inside" },
        h("span", { class: "brand" }, logo(), "xFlow"),
        places.environment,
        h("nav", { "aria-label": t("sections") }, nav),
        h(
          "div",
          { class: "tools" },
          places.links,
          languageButton(again),
          themeButton(),
          h(
            "button",
            { id: "leave", type: "button", title: t("sign_out"), "aria-label": t("sign_out"), onclick: leave },
            icon(LEAVE),
          ),
        ),
      ),
    ),
    places.main,
    places.foot,
  );
  document.title = "xFlow";
  return places;
}

function go(event, id) {
  event.preventDefault();
  choose({ at: id });
  arrive();
}

// Bring the chosen section into view and mark it in the navigation.
export function arrive() {
  const id = state.at;
  for (const link of document.querySelectorAll(".bar nav a")) {
    if (link.id !== `to-${id}`) link.removeAttribute("aria-current");
    else {
      link.setAttribute("aria-current", "true");
      const nav = link.closest("nav");
      nav.scrollLeft = link.offsetLeft - nav.offsetLeft - (nav.clientWidth - link.offsetWidth) / 2;
    }
  }
  byId(id)?.scrollIntoView();
}

// What went wrong, in words of the reader's language.
export function words(trouble, entering = false) {
  if (entering && (trouble.status === 401 || trouble.status === 403)) return t("wrong_password");
  if (trouble.status === 429) return t("too_many_tries");
  if (trouble.status === 0) return t("no_answer");
  if (trouble.status === 503) return t("mart_down");
  return `${t("failed")} ${trouble.message}`;
}

// A frame with dashes for what is not there yet: what is missing, and what to do.
export const nothing = (what, todo = []) =>
  h("div", { class: "note" }, h("div", {}, h("p", { class: "strong" }, what), todo));

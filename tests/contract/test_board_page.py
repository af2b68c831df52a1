"""The board's page in a real browser, in front of a real service and mart."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from board_page_world import AREAS, PASSWORD, ROLES, Page, fill, served, settings_of, write_pipelines
from playwright.sync_api import expect, sync_playwright

from xflow.settings import Settings

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not CHROMIUM.exists() and not os.environ.get("XFLOW_CI"), reason=f"there is no {CHROMIUM}"),
]
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pipelines")


@pytest.fixture(scope="module")
def place(stores: Settings, pipelines: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    page = write_pipelines(pipelines)
    fill(stores, pipelines, page)
    with served(settings_of(stores, tmp_path_factory.mktemp("board")), pipelines) as url:
        yield replace(page, url=url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@dataclass
class Tab:
    """A tab of a browser that has never been here, and what went wrong in it."""

    page: Any
    errors: list[str]
    hosts: set[str]

    def failed(self, request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page was left
            self.errors.append(f"failed: {request.url}")

    def enter(self, url: str, password: str = PASSWORD) -> None:
        self.page.goto(url)
        self.page.fill("#password", password)
        self.page.press("#password", "Enter")

    def points(self, canvas: str) -> list[int]:
        """Return how many values each data set of a chart has."""
        found = "c => Chart.getChart(c)?.data.datasets.map(d => d.data.filter(v => v != null).length) ?? []"
        return self.page.locator(f"#{canvas}").evaluate(found)

    def painted(self, canvas: str) -> int:
        """Return how many colours a canvas has."""
        return self.page.locator(f"#{canvas}").evaluate(
            "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size"
        )


@pytest.fixture
def open_tab(browser: Any) -> Iterator[Callable[..., Any]]:
    @contextmanager
    def tab(**options: Any) -> Iterator[Tab]:
        context = browser.new_context(**({"locale": "en-GB", "viewport": {"width": 1280, "height": 900}} | options))
        made = Tab(context.new_page(), [], set())
        made.page.on(
            "console", lambda said: made.errors.append(said.text) if said.type in ("error", "warning") else None
        )
        made.page.on("pageerror", lambda error: made.errors.append(str(error)))
        made.page.on("requestfailed", made.failed)
        made.page.on("request", lambda request: made.hosts.add(urlsplit(request.url).netloc))
        yield made
        context.close()

    return tab


def test_whole_page_has_figures_and_no_errors(place: Page, open_tab: Callable[..., Any]) -> None:
    with open_tab() as tab:
        tab.enter(place.url)
        expect(tab.page.locator("#served .stats")).to_be_visible()
        expect(tab.page.locator("#market-open")).to_be_visible()
        for canvas in (
            "forecast-chart",
            "accuracy-error",
            "market-open",
            "market-salary",
            "cohorts-salary",
            "served-hours",
        ):
            points = tab.points(canvas)
            assert points, canvas
            assert all(points), (canvas, points)
            assert tab.painted(canvas) > 20, canvas
        text = tab.page.locator("main").inner_text()
        assert "20% better than the floor" in text
        assert f"{place.series}: the last run of “predict” failed. 2 of 4 columns have drifted" in text
        assert f"Train a first model: run {place.untrained}_train" in text
        assert "not better" not in text
        card = tab.page.get_by_role("article", name=place.vacancies, exact=True)
        expect(card).to_contain_text("Generated sample: figures say nothing of real vacancies.")
        expect(tab.page.locator("#market").get_by_text("Generated sample")).to_be_visible()
        found = tab.page.locator(f"a[href*='experimentSearchFilter={place.series}&']")
        expect(found).to_have_text("MLflow")
        expect(tab.page.locator(".forest")).to_have_count(1)
        expect(tab.page.locator("a[href^='http://mlflow.test/']").first).to_be_visible()
        assert tab.errors == []
        assert tab.hosts == {urlsplit(place.url).netloc}


def test_wrong_password_is_told_and_the_right_one_enters(place: Page, open_tab: Callable[..., Any]) -> None:
    with open_tab() as tab:
        tab.enter(place.url, "wrong")
        expect(tab.page.get_by_role("alert")).to_have_text("That user and password do not match.")
        assert tab.page.locator("#password").evaluate("e => e === document.activeElement")
        tab.page.fill("#password", PASSWORD)
        tab.page.get_by_role("button", name="Sign in").click()
        expect(tab.page.get_by_role("article", name=place.series, exact=True)).to_be_visible()
        tab.page.reload()
        expect(tab.page.get_by_role("article", name=place.series, exact=True)).to_be_visible()
        tab.page.get_by_role("button", name="Sign out").click()
        expect(tab.page.locator("#password")).to_be_visible()
        tab.page.reload()
        expect(tab.page.locator("#password")).to_be_visible()


def test_filters_change_what_is_shown_and_stand_in_the_link(place: Page, open_tab: Callable[..., Any]) -> None:
    with open_tab() as tab:
        tab.enter(f"{place.url}#pipeline={place.series}&series=S2")
        expect(tab.page.locator("#forecasts h3").first).to_have_text("S2")
        tab.page.fill("#series", "S1")
        expect(tab.page.locator("#forecasts h3").first).to_have_text("S1")
        tab.page.get_by_role("button", name="Random series").click()
        expect(tab.page.locator("#forecasts h3").first).not_to_have_text("S1")
        now = tab.page.locator("#market .stats dd").first
        expect(now).to_have_text("656")  # 50 + 100 + 150 + 200, and 39 days of one more each
        tab.page.select_option("#role", label="Аналитик (428)")
        expect(now).to_have_text("428")
        tab.page.locator("#area-2").click()
        expect(now).to_have_text("239")
        assert {"role=10", "area=2"} <= set(urlsplit(tab.page.url).fragment.split("&"))
        names = "c => Chart.getChart(c).data.labels"
        assert set(tab.page.locator("#cohorts-salary").evaluate(names)) == {"Selected", *ROLES.values()}
        tab.page.get_by_role("button", name="Area", exact=True).click()
        expect(tab.page.get_by_role("button", name="Area", exact=True)).to_have_attribute("aria-pressed", "true")
        assert set(tab.page.locator("#cohorts-salary").evaluate(names)) == {"Selected", *AREAS.values()}
        tab.page.go_back()
        tab.page.go_back()
        expect(now).to_have_text("428")
        assert tab.errors == []


def test_what_is_not_there_is_said_once_and_with_what_to_do(place: Page, open_tab: Callable[..., Any]) -> None:
    with open_tab() as tab:
        tab.enter(f"{place.url}#pipeline={place.series}&series=NONE")
        said = tab.page.locator("#forecasts .note")
        expect(said).to_have_text("There is no series “NONE”")
        tab.page.select_option("#forecast-pipeline", place.untrained)
        expect(said).to_have_text(f"Nothing was forecast yetTrain a first model: run {place.untrained}_train")
        expect(tab.page.locator("#series")).to_have_value("")
        expect(tab.page.locator("#market figcaption").first).to_have_text("No pipeline forecasts this market.")


def test_theme_keeps_the_place_and_shows_the_other_one(place: Page, open_tab: Callable[..., Any]) -> None:
    with open_tab(reduced_motion="reduce") as tab:
        tab.enter(f"{place.url}#at=decisions")
        expect(tab.page.locator("#served .stats")).to_be_visible()
        expect(tab.page.locator("#decisions h2")).to_be_in_viewport()
        expect(tab.page.locator("#theme .sun")).to_be_hidden()
        before = tab.page.evaluate("scrollY")
        tab.page.locator("#theme").click()
        expect(tab.page.locator("#theme .moon")).to_be_hidden()
        assert tab.page.evaluate("scrollY") == before > 0


LONG = "no champion: the stack's first one comes with a training. Look at http://127.0.0.1:5000/mlflow/registry/models"


def test_long_messages_end_where_a_sentence_ends(place: Page, open_tab: Callable[..., Any]) -> None:
    brief = "async ([text, most]) => (await import('./board/static/js/format.js')).brief(text, most)"
    with open_tab() as tab:
        tab.page.goto(place.url)
        shown = {most: tab.page.evaluate(brief, [LONG, most]) for most in (10, 80, 100, 200)}
    first = "no champion: the stack's first one comes with a training."
    assert shown == {10: "no …", 80: first, 100: first, 200: LONG}


def test_language_and_theme_are_kept(place: Page, open_tab: Callable[..., Any]) -> None:
    with open_tab(locale="ru-RU", color_scheme="dark") as tab:
        tab.enter(place.url)
        expect(tab.page.get_by_role("heading", name="Рынок вакансий")).to_be_visible()
        expect(tab.page.locator("html")).to_have_attribute("data-theme", "dark")
        expect(tab.page.locator("#forecast-chart")).to_be_visible()
        line = "c => Chart.getChart(c).data.datasets.at(-1).borderColor"
        dark = tab.page.locator("#forecast-chart").evaluate(line)
        tab.page.get_by_role("button", name="тема").click()
        assert tab.page.locator("#forecast-chart").evaluate(line) != dark
        tab.page.get_by_role("button", name="English").click()
        expect(tab.page.get_by_role("heading", name="The market of vacancies")).to_be_visible()
        tab.page.reload()
        expect(tab.page.get_by_role("heading", name="The market of vacancies")).to_be_visible()
        expect(tab.page.locator("html")).to_have_attribute("data-theme", "light")
        expect(tab.page.locator("html")).to_have_attribute("lang", "en")
        assert tab.errors == []


@pytest.mark.parametrize("locale", ["en-GB", "ru-RU"])
def test_phone_needs_no_sideways_scroll(place: Page, open_tab: Callable[..., Any], locale: str) -> None:
    with open_tab(locale=locale, viewport=PHONE, has_touch=True) as tab:
        tab.enter(place.url)
        expect(tab.page.locator("#served .stats")).to_be_visible()
        expect(tab.page.locator("#market-open")).to_be_visible()
        assert tab.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        sizes = "all => all.filter(e => e.offsetWidth).map(e => Math.min(e.offsetWidth, e.offsetHeight))"
        assert min(tab.page.locator(".run").evaluate_all(sizes)) >= 32


def test_mart_that_is_down_is_told(
    stores: Settings, place: Page, pipelines: Path, closed_port: int, tmp_path: Path, open_tab: Callable[..., Any]
) -> None:
    dsn = re.sub(r":\d+/", f":{closed_port}/", stores.greenplum_dsn)
    with served(settings_of(stores, tmp_path, dsn), pipelines) as url, open_tab() as tab:
        tab.enter(url)
        expect(tab.page.locator(".error.banner").first).to_contain_text("The mart does not answer.")
        assert all("503" in error for error in tab.errors), tab.errors


def test_in_a_frame_there_are_no_links_that_lead_nowhere(place: Page, open_tab: Callable[..., Any]) -> None:
    with open_tab() as tab:
        tab.enter(place.url)
        expect(tab.page.locator("#served .stats")).to_be_visible()
        tab.page.evaluate(
            "url => { const frame = document.createElement('iframe'); frame.src = url; frame.id = 'frame';"
            "frame.setAttribute('sandbox', 'allow-scripts allow-same-origin allow-forms');"
            "document.body.append(frame); }",
            place.url,
        )
        frame = tab.page.frame_locator("#frame")
        expect(frame.locator("#served .stats")).to_have_count(1)
        expect(frame.locator("a[href^='http']")).to_have_count(0)
        assert not [error for error in tab.errors if "sandboxing" not in error]


def test_dictionaries_have_the_same_words(place: Page, open_tab: Callable[..., Any]) -> None:
    with open_tab() as tab:
        tab.page.goto(place.url)
        load = "Promise.all(['en', 'ru'].map(async l => (await import(`./board/static/js/words_${l}.js`))[l]))"
        english, russian = tab.page.evaluate(load)
    assert english.keys() == russian.keys()
    for key, text in english.items():
        forms = [text, russian[key]]
        assert [len(each) for each in forms if isinstance(each, list)] in ([], [2, 3]), key
        assert len({frozenset(re.findall(r"\{\w+\}", str(each))) for each in forms}) == 1, key

"""What the board shows of a vacancies pipeline and its market, and of what was served; worked out by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
from board_world import sample, view_of
from mart_rows import select
from realised_world import World
from test_board_data import HOSTILE, series_pipeline

from xflow.adapters.served_predictions import GreenplumServedPredictions, prepare
from xflow.adapters.vacancy_history import GreenplumHistory
from xflow.domain.vacancies.market import MARKET_SCHEMA
from xflow.refs import RunKey
from xflow.schema import SERVED_SCHEMA
from xflow.serving.board.cohorts import added_up, cohorts
from xflow.serving.board.market import filters, market
from xflow.serving.board.names import names_of
from xflow.serving.board.overview import overview
from xflow.serving.board.served import served
from xflow.serving.board.view import View
from xflow.serving.board.words import words
from xflow.serving.problems import Problem
from xflow.settings import Settings
from xflow.vacancy_pipeline import VacancyPipeline

pytestmark = pytest.mark.services

LAST = datetime(2026, 10, 30)
DAY = timedelta(days=1)


@pytest.fixture
def world(stores: Settings, key: RunKey) -> World:
    document = {
        "pipeline": key.pipeline, "kind": "vacancies", "description": "", "input": {"train": "a/", "predict": "b/"},
        "collect": {
            "user_agent": "a/1 (a@b.c)", "queries": [{"area": ["1"]}], "schedule": None,
            "market": f"{key.pipeline}_market_days",
        },
        "model": {"candidates": [{"name": "majority", "kind": "majority"}], "floor": "majority"},
    }  # fmt: skip
    return World(stores, VacancyPipeline.model_validate(document))


@pytest.fixture
def forecasting(world: World) -> World:
    return World(world.stores, series_pipeline(f"{world.pipeline.name}_market_days"))


@pytest.fixture
def view(world: World) -> View:
    return view_of(world.stores, world.pipeline, series_pipeline(f"{world.pipeline.name}_market_days"))


def vacancy(number: str, role: str | None, area: str | None, **said: Any) -> dict[str, Any]:
    return {
        "vacancy_id": number, "snapshot_at": LAST, "professional_role_id": role, "area_id": area,
        "professional_role": f"role {role}" if role else None, "area_name": f"area {area}" if area else None, **said,
    }  # fmt: skip


def predicted(world: World, number: str, row: int, low: float, version: str = "1", target: str = "salary") -> Any:
    """Return a prediction of two cohorts; `low` is the probability of the lower one."""
    cohort, probability = ("below 100k", low) if low >= 0.5 else ("100k and more", 1 - low)
    return {
        "prediction_id": f"{number}{target}{version}", "vacancy_id": number, "target": target, "cohort": cohort,
        "probability": probability, "probabilities": f'{{"below 100k": {low}, "100k and more": {1 - low}}}',
        "model_name": world.pipeline.model_name(target), "model_version": version, "input_row_id": row,
    }  # fmt: skip


def load(world: World, *rows: tuple[datetime, str, str, int, int, float | None], scope: str = "now") -> None:
    """Load days of a market: day, role, area, open, stated and median salary."""
    history = GreenplumHistory(world.stores.greenplum_dsn, world.pipeline.name)
    history.prepare()
    names = ("day", "professional_role_id", "area_id", "open", "stated", "salary_net")
    made = [dict(zip(names, row, strict=True)) | {"scope": scope, "snapshot_id": f"s {row[0]}"} for row in rows]
    history.load_market(pa.Table.from_pylist(made, MARKET_SCHEMA))


def test_a_pipeline_without_anything_is_shown_empty(stores: Settings, key: RunKey) -> None:
    document = {
        "pipeline": key.pipeline, "kind": "vacancies", "description": "", "input": {"train": "a/", "predict": "b/"},
        "model": {"candidates": [{"name": "majority", "kind": "majority"}], "floor": "majority"},
    }  # fmt: skip
    view = view_of(stores, VacancyPipeline.model_validate(document), series_pipeline("t_series"))
    assert filters(view, key.pipeline) == {"roles": [], "areas": []}
    found = market(view, key.pipeline, None, None, 30)
    assert (found["day"], found["days"], found["open_now"], found["forecast"]) == (None, [], None, None)
    assert cohorts(added_up(view, key.pipeline), None, None)["targets"] == []
    assert words(view, key.pipeline, 5) == {"targets": []}
    with pytest.raises(Problem, match="no vacancies pipeline t_series"):
        market(view, "t_series", None, None, 30)


def test_the_market_of_all_of_one_and_of_none(world: World, view: View) -> None:
    load(world, (LAST, "96", "1", 999, 1, 1.0), scope="other queries before")
    load(
        world,
        (LAST - 7 * DAY, "96", "1", 8, 6, 100_000.0),
        (LAST - DAY, "96", "1", 10, 6, 100_000.0), (LAST - DAY, "96", "2", 4, 2, None),
        (LAST, "96", "1", 12, 6, 100_000.0), (LAST, "10", "1", 3, 2, None), (LAST, "10", "2", 20, 18, 60_000.0),
        (LAST, "", "1", 1, 0, None),
    )  # fmt: skip
    select(world.stores, f"UPDATE mart.{world.pipeline.name}_market SET snapshot_id = 'a' WHERE scope <> 'now'")
    name = world.pipeline.name
    found = market(view, name, None, None, 30)
    assert (found["day"], found["open_now"], found["stated_now"], found["open_change"]) == (
        "2026-10-30T00:00:00Z", 36, 26, 28,
    )  # fmt: skip
    # (6 * 100,000 + 18 * 60,000) / 24: groups without a median do not count.
    assert (found["salary_now"], found["salary_kind"]) == (70_000.0, "mean of medians")
    assert [(day["day"][8:10], day["open"], day["salary"]) for day in found["days"]] == [
        ("23", 8, 100_000.0), ("29", 14, 100_000.0), ("30", 36, 70_000.0),
    ]  # fmt: skip
    assert [(part["id"], part["open"], part["salary"]) for part in found["by_role"]] == [
        ("10", 23, 60_000.0), ("96", 12, 100_000.0), ("", 1, None),
    ]  # fmt: skip
    one = market(view, name, "96", "1", 30)
    assert (one["open_now"], one["salary_now"], one["salary_kind"], one["open_change"]) == (12, 100_000.0, "median", 4)
    # It was seen on the 29th, was not on the 30th, and before that nobody knows.
    assert [(day["day"][8:10], day["open"], day["salary"]) for day in market(view, name, "96", "2", 30)["days"]] == [
        ("29", 4, None), ("30", 0, None),
    ]  # fmt: skip
    assert [part["id"] for part in market(view, name, "96", "2", 30)["by_role"]] == ["10"]
    assert len(market(view, name, None, None, 2)["days"]) == 2
    strange = market(view, name, HOSTILE, None, 30)
    assert (strange["days"], strange["open_now"], strange["by_area"]) == ([], None, [])


def test_a_generated_sample_is_told_from_real_vacancies(world: World, view: View) -> None:
    def generated() -> list[bool]:
        return [each["generated"] for each in overview(view)["pipelines"]]

    assert generated() == [False, False]
    load(world, (LAST, "96", "1", 5, 0, None))
    assert generated() == [False, False]
    sample(world)
    assert generated() == [True, True]  # and the forecasts of its market
    select(world.stores, f"UPDATE mart.{world.pipeline.name}_snapshot SET source = 'hh.ru'")
    assert generated() == [False, False]


def test_roles_and_areas_have_the_names_of_the_newest_vacancies(world: World, view: View) -> None:
    load(world, (LAST, "96", "1", 5, 0, None), (LAST, "7", "", 9, 0, None))
    world.run("train", "old", [vacancy("1", "96", "1", professional_role="old name")])
    world.run("train", "t", [vacancy("1", "96", "1", professional_role=HOSTILE), vacancy("2", "5", None)])
    world.run("train", "bad", [vacancy("1", "96", "1", professional_role="zzz")], state="failed")
    found = filters(view, world.pipeline.name)
    assert found["roles"] == [
        {"id": "7", "name": "7", "open": 9}, {"id": "96", "name": HOSTILE, "open": 5},
        {"id": "5", "name": "role 5", "open": 0},
    ]  # fmt: skip
    assert found["areas"] == [{"id": "1", "name": "area 1", "open": 5}]
    with view.reader.reading("names") as reading:
        assert names_of(reading, series_pipeline("t_series")).roles == {}


def test_the_forecast_of_the_market(world: World, forecasting: World, view: View) -> None:
    load(world, (LAST, "96", "1", 12, 6, 100_000.0), (LAST, "10", "1", 20, 2, None))

    def point(series: str, day: int, amount: float) -> dict[str, Any]:
        return {
            "series_id": series, "timestamp": LAST + day * DAY, "step": day, "forecast": amount, "input_row_id": 0,
            "lower_80": amount - 1, "upper_80": amount + 1, "model_name": "m", "model_version": "4",
        }  # fmt: skip

    points = [point("open|96|1", 1, 13.0), point("open|96|1", 2, 14.0), point("salary|96|1", 1, 101_000.0)]
    forecasting.run("predict", "p", predictions=points, as_of="2026-10-30T00:00:00")
    name = world.pipeline.name
    found = market(view, name, "96", "1", 30)["forecast"]
    assert (found["pipeline"], found["run_id"], found["version"]) == (forecasting.pipeline.name, "p", "4")
    assert found["open"][0] == {"at": "2026-10-31T00:00:00Z", "forecast": 13.0, "intervals": {"80": [12.0, 14.0]}}
    assert [each["forecast"] for each in found["salary"]] == [101_000.0]
    # The series of the other role is not forecast: the sum would be of a part.
    assert market(view, name, None, "1", 30)["forecast"] is None
    more = [*points, point("open|10|1", 1, 21.0)]
    forecasting.run("predict", "q", predictions=more, as_of="2026-10-31T00:00:00")
    both = market(view, name, None, "1", 30)["forecast"]
    assert both["open"] == [{"at": "2026-10-31T00:00:00Z", "forecast": 34.0, "intervals": {}}]
    assert both["salary"] == []


def test_cohorts_are_added_up_over_the_newest_prediction_of_each_vacancy(world: World, view: View) -> None:
    name = world.pipeline.name
    salary = name + "_salary"
    rows = [vacancy("1", "96", "1"), vacancy("2", "96", "2"), vacancy("3", None, "1")]
    first = [predicted(world, "1", 0, 0.9), predicted(world, "2", 1, 0.75), predicted(world, "3", 2, 0.25)]
    said = {"model_name": salary, "model_version": "1"}
    world.run("predict", "first", rows, first, as_of="2026-10-29T06:00:00", rows_out=3, **said)
    again = [predicted(world, "1", 0, 0.25)]
    world.run("predict", "again", [vacancy("1", "10", "1")], again, as_of="2026-10-30T06:00:00", rows_out=1, **said)
    long_ago = {"as_of": "2026-09-01T06:00:00", "rows_out": 1, **said}
    world.run("predict", "backfill", [vacancy("9", "96", "1")], [predicted(world, "9", 0, 0.9)], **long_ago)
    broken = {"as_of": "2026-10-31T06:00:00", "state": "failed", "rows_out": 1, **said}
    world.run("predict", "failed", [vacancy("8", "96", "1")], [predicted(world, "8", 0, 0.9)], **broken)
    found = cohorts(added_up(view, name), None, None)
    assert (found["run_id"], found["since"]) == ("again", "2026-10-29T06:00:00Z")
    (target,) = found["targets"]
    assert (target["target"], target["model"], target["version"], target["vacancies"]) == ("salary", salary, "1", 3)
    # 1 is 0.25 by its newest prediction, 2 is 0.75, 3 is 0.25.
    assert target["cohorts"] == [
        {"cohort": "below 100k", "expected": 1.25, "share": pytest.approx(1.25 / 3), "likeliest": 1},
        {"cohort": "100k and more", "expected": 1.75, "share": pytest.approx(1.75 / 3), "likeliest": 2},
    ]
    assert target["by_role"] == [
        {"id": "10", "name": "role 10", "vacancies": 1, "shares": [0.25, 0.75]},
        {"id": "96", "name": "role 96", "vacancies": 1, "shares": [0.75, 0.25]},
    ]
    assert [(each["id"], each["vacancies"]) for each in target["by_area"]] == [("1", 2), ("2", 1)]
    (chosen,) = cohorts(added_up(view, name), "96", None)["targets"]
    assert (chosen["vacancies"], [each["id"] for each in chosen["by_area"]]) == (1, ["2"])
    (nobody,) = cohorts(added_up(view, name), "96", "1")["targets"]
    assert [each["share"] for each in nobody["cohorts"]] == [None, None]
    # Another version may have other cohorts: it begins anew.
    said["model_version"] = "2"
    newer = [predicted(world, "5", 0, 0.5, version="2")]
    world.run("predict", "new", [vacancy("5", "96", "1")], newer, as_of="2026-10-30T08:00:00", rows_out=1, **said)
    (target,) = cohorts(added_up(view, name), None, None)["targets"]
    assert (target["version"], target["vacancies"]) == ("2", 1)


def test_of_too_many_predictions_a_sample_is_added_up(
    world: World, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xflow.serving.board.cohorts.MOST_ROWS", 4)
    rows = [vacancy(str(number), "96", "1") for number in range(9)]
    made = [predicted(world, str(number), number, 0.75) for number in range(9)]
    said = {"model_name": f"{world.pipeline.name}_salary", "model_version": "1", "rows_out": 9}
    world.run("predict", "old", rows, made, as_of="2026-10-29T00:00:00", **said)
    world.run("predict", "many", rows, made, as_of="2026-10-30T00:00:00", **said)
    found = cohorts(added_up(view, world.pipeline.name), None, None)
    (target,) = found["targets"]
    assert (found["sample"], found["since"]) == (3, "2026-10-30T00:00:00Z")
    assert (target["vacancies"], target["cohorts"][0]["share"]) == (3, 0.75)  # rows 0, 3 and 6


@pytest.fixture
def log(stores: Settings) -> Iterator[GreenplumServedPredictions]:
    """The log, of rows of tomorrow's hour: nobody else's are there."""
    connection = psycopg2.connect(stores.greenplum_dsn)
    with connection, connection.cursor() as cursor:
        prepare(cursor)
    connection.close()
    yield GreenplumServedPredictions(stores.greenplum_dsn)
    select(stores, "DELETE FROM mart.served_prediction WHERE caller = 'test of the board'")


def test_what_was_served_is_counted_by_hour_and_by_version(
    stores: Settings, view: View, world: World, log: GreenplumServedPredictions
) -> None:
    before = served(view, 2)
    now = datetime.now(UTC).replace(tzinfo=None)
    name = world.pipeline.name

    def row(request: str, number: int, version: str, ago: float, seconds: float) -> dict[str, Any]:
        return {
            "served_at": now - timedelta(hours=ago), "request_id": f"{name} {request}", "request_row": number,
            "pipeline": name, "target": "", "model_name": name, "model_version": version, "endpoint": "e",
            "caller": "test of the board", "entity_id": "1", "input": "{}", "output": "{}", "seconds": seconds,
        }  # fmt: skip

    rows = [row("a", 0, "9", 0, 0.01), row("a", 1, "9", 0, 0.01), row("b", 0, "10", 0, 0.03), row("c", 0, "9", 5, 9.0)]
    log.write(name, pa.RecordBatch.from_pylist(rows, SERVED_SCHEMA), again=False)
    found = served(view, 2)
    assert found["total"] - before["total"] == 3
    assert found["requests"] - before["requests"] == 2
    assert sum(hour["rows"] for hour in found["by_hour"]) == found["total"]
    assert [each["hour"][-7:] for each in found["by_hour"]] == [":00:00Z", ":00:00Z"]
    assert [(each["version"], each["rows"]) for each in found["by_model"] if each["model"] == name] == [
        ("9", 2), ("10", 1),
    ]  # fmt: skip
    if not before["requests"]:
        assert (found["median_ms"], found["p99_ms"]) == (pytest.approx(20), pytest.approx(29.8))

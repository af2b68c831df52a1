"""What the board shows of a forecasting pipeline, from a mart whose answers were worked out by hand."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from board_world import decide, note, view_of
from pydantic_core import to_json
from realised_world import World

from xflow.adapters.drift_pages import DriftPages
from xflow.adapters.mlflow_registry import MlflowRegistry
from xflow.errors import ServiceUnavailable, XflowError
from xflow.pipeline import Pipeline
from xflow.refs import RunKey
from xflow.serving.board.overview import overview
from xflow.serving.board.promotions import promotions
from xflow.serving.board.realised import realised
from xflow.serving.board.runs import runs
from xflow.serving.board.series import forecast, listed
from xflow.serving.board.view import View
from xflow.serving.problems import Problem
from xflow.settings import Settings

pytestmark = pytest.mark.services

HOSTILE = "<img src=x onerror=alert(1)>'; DROP TABLE mart.run; -- %s {} ${pipeline} ряд"


def series_pipeline(name: str) -> Pipeline:
    model = {
        "seasonality": 1, "horizon": 2, "metric": "mase", "levels": [0.8],
        "candidates": [{"name": "seasonal_naive", "kind": "seasonal_naive"}],
    }  # fmt: skip
    return Pipeline.model_validate(
        {
            "pipeline": name,
            "description": "Series of a test.",
            "input": {"train": "a/", "predict": "b/"},
            "contract": {"frequency": "M"},
            "model": model,
            "monitor": {"min_count": 1},
        }
    )


@pytest.fixture
def world(stores: Settings, key: RunKey) -> World:
    return World(stores, series_pipeline(key.pipeline))


@pytest.fixture
def view(world: World) -> View:
    return view_of(world.stores, world.pipeline)


def month(number: int) -> datetime:
    return datetime(2024, number, 1)


def value(series: str, number: int, amount: float | None) -> dict[str, Any]:
    return {"series_id": series, "timestamp": month(number), "value": amount}


def point(series: str, number: int, step: int, amount: float, row: int) -> dict[str, Any]:
    return {
        "series_id": series, "timestamp": month(number), "step": step, "forecast": amount, "lower_80": amount - 1,
        "upper_80": amount + 1, "model_name": "m", "model_version": "1", "input_row_id": row,
    }  # fmt: skip


def shown(view: View) -> dict[str, Any]:
    (only,) = overview(view)["pipelines"]
    return only


def of(found: list[dict[str, Any]], name: str, wanted: object) -> dict[str, Any]:
    (only,) = [each for each in found if each[name] == wanted]
    return only


def test_a_pipeline_that_never_ran_is_shown_empty(stores: Settings, key: RunKey) -> None:
    view = view_of(stores, series_pipeline(key.pipeline))
    found = shown(view)
    assert (found["champions"], found["runs"]) == ([], [])
    assert found["drift"] == {"state": None, "at": None, "run_id": None, "message": "", "figures": [], "report": None}
    assert set(found["freshness"].values()) == {None}
    assert realised(view, key.pipeline)["targets"] == []
    assert promotions(view, key.pipeline, 10) == {"promotions": []}
    assert listed(view, key.pipeline, "", 10) == {"series": [], "total": 0, "run_id": None, "at": None}
    with pytest.raises(Problem, match="nothing is known of a series a") as refused:
        forecast(view, key.pipeline, "a", 12)
    assert refused.value.status == 404


def test_no_pipelines_are_no_fault(stores: Settings) -> None:
    assert overview(view_of(stores))["pipelines"] == []


def test_the_champion_has_the_figures_of_the_training_that_made_it(world: World, view: View) -> None:
    world.run("train", "one", model_name=world.pipeline.name, model_version="1", as_of="2024-03-01T00:00:00", metrics={
        "holdout_mase": 1.5, "holdout_mase_floor": 2.0, "holdout_mae": 30.0, "holdout_coverage_80": 0.75,
        "holdout_coverage_95": float("nan"), "backtest_mase": 9.0, "holdout_mase_challenger": 1.5,
    })  # fmt: skip
    world.run("train", "two", model_name=world.pipeline.name, model_version="2", metrics={"holdout_mase": 1.25})
    first = {"version": "1", "champion_after": "1", "outcome": "promoted"}
    decide(world, "one", datetime(2024, 3, 1, 10), **first)
    kept = {"version": "2", "champion_before": "1", "champion_after": "1", "outcome": "kept"}
    decide(world, "two", datetime(2024, 3, 2, 10), **kept)
    (champion,) = shown(view)["champions"]
    assert (champion["target"], champion["model"], champion["version"]) == ("", world.pipeline.name, "1")
    assert champion["since"] == "2024-03-01T10:00:00Z"
    assert champion["trained_at"] == "2030-01-01T01:00:00Z"
    assert champion["as_of"] == "2024-03-01T00:00:00Z"
    assert champion["figures"] == [
        {"metric": "mase", "value": 1.5, "floor": 2.0, "better": "lower", "main": True},
        {"metric": "mae", "value": 30.0, "floor": None, "better": "lower", "main": False},
    ]
    assert champion["coverage"] == [{"level": 80, "value": 0.75}]
    assert champion["service"] is None
    assert (
        champion["links"]["version"]
        == f"http://mlflow.test/#/models/{world.pipeline.name}/versions/1?workflowType=machine_learning"
    )


def test_after_a_rollback_the_version_before_serves_with_its_own_figures(world: World, view: View) -> None:
    name = world.pipeline.name
    for number, score in (("1", 1.5), ("2", 1.25)):
        world.run("train", number, model_name=name, model_version=number, metrics={"holdout_mase": score})
        decide(world, number, datetime(2024, 3, int(number)), version=number, champion_after=number, outcome="promoted")
    assert shown(view)["champions"][0]["figures"][0]["value"] == 1.25
    said = {
        "action": "rollback", "decided_by": HOSTILE, "version": "1", "champion_before": "2", "champion_after": "1",
        "outcome": "promoted", "run_key": f"{name}/rollback/x", "reason": HOSTILE,
    }  # fmt: skip
    decide(world, "x", datetime(2024, 3, 3), **said)
    decide(world, "x", datetime(2024, 3, 4), **said | {"environment": "dev", "version": "2", "champion_after": "2"})
    (champion,) = shown(view)["champions"]
    assert (champion["version"], champion["action"], champion["decided_by"]) == ("1", "rollback", HOSTILE)
    assert champion["figures"][0]["value"] == 1.5
    history = promotions(view, name, 10)["promotions"]
    assert [(each["version"], each["action"], each["champion_before"]) for each in history] == [
        ("1", "rollback", "2"), ("2", "judge", None), ("1", "judge", None),
    ]  # fmt: skip
    assert history[0]["reason"] == HOSTILE
    assert [each["run_id"] for each in history] == [None, "2", "1"]
    assert len(promotions(view, name, 2)["promotions"]) == 2


def test_figures_of_another_version_are_not_shown_for_the_champion(world: World, view: View) -> None:
    """A training that is repeated with other data replaces the ledger row that the champion came from."""
    decide(
        world, "one", datetime(2024, 3, 1), version="1", champion_after="1", outcome="promoted", challenger_score=1.5
    )
    world.run("train", "one", model_name=world.pipeline.name, model_version="2", metrics={"holdout_mase": 9.0})
    (champion,) = shown(view)["champions"]
    assert [each["value"] for each in champion["figures"]] == [1.5]
    note(world, "train", "one", metrics="no JSON at all")
    assert [each["value"] for each in shown(view)["champions"][0]["figures"]] == [1.5]


def test_the_last_run_of_each_kind_is_shown_as_it_ended(world: World, view: View) -> None:
    name = world.pipeline.name
    world.run("train", "old", message="fine")
    world.run(
        "train", "manual__2024-03-01T10:00:00+00:00", state="failed", rows_in=5, rows_accepted=3, rows_rejected=2,
        message=HOSTILE, bundle="dags-folder",
    )  # fmt: skip
    world.run("predict", "cli", state="running", drift="ok", as_of="no time")
    note(world, "train", "manual__2024-03-01T10:00:00+00:00", updated_at=datetime(2030, 1, 1, 2, 0, 30, 500_000))
    train, predict = shown(view)["runs"]
    assert (train["state"], train["seconds"], train["message"]) == ("failed", 30.5, HOSTILE)
    assert (train["rows_in"], train["rows_accepted"], train["rows_rejected"], train["rows_out"]) == (5, 3, 2, None)
    assert train["started_at"] == "2030-01-01T02:00:00Z"
    page = f"http://airflow.test/dags/{name}_train/runs/manual__2024-03-01T10%3A00%3A00%2B00%3A00"
    assert train["links"] == {"run": page, "dag": f"http://airflow.test/dags/{name}_train"}
    assert (predict["state"], predict["seconds"], predict["as_of"]) == ("running", None, None)
    assert predict["links"]["run"] is None
    assert [each["run_id"] for each in runs(view, name, "train", 10)["runs"]] == [train["run_id"], "old"]
    assert [each["kind"] for each in runs(view, name, None, 1)["runs"]] == ["predict"]


def test_drift_is_that_of_the_last_prediction_that_looked(world: World, view: View) -> None:
    figures = {"drift_level": 2.0, "drift_columns": 0.5, "drift_smallest_p": 0.0, "drift_largest_share": 0.75}
    world.run("predict", "calm", drift="ok", metrics={**figures, "drift_level": 0.0})
    world.run("predict", "moved", state="failed", drift="stop", metrics=figures, message="the input has drifted")
    world.run("predict", "gate_off", drift="")
    world.run("predict", "now", state="running", drift="warn")
    drift = shown(view)["drift"]
    assert (drift["state"], drift["run_id"], drift["message"]) == ("stop", "moved", "the input has drifted")
    assert drift["figures"] == [
        {"target": "", "level": 2.0, "columns": 0.5, "smallest_p": 0.0, "largest_share": 0.75}
    ]  # fmt: skip
    assert drift["report"] is None  # MLflow does not answer


def test_freshness_counts_what_succeeded(world: World, view: View) -> None:
    world.run("train", "a", as_of="2024-03-01T00:00:00")
    world.run("predict", "b", as_of="2024-02-01T00:00:00")
    world.run("predict", "c", as_of="2024-09-01T00:00:00", state="failed")
    for run_id, kind, hour in (("a", "train", 5), ("b", "predict", 6), ("c", "predict", 9)):
        note(world, kind, run_id, updated_at=datetime(2030, 1, 1, hour))
    assert shown(view)["freshness"] == {
        "trained_at": "2030-01-01T05:00:00Z",
        "predicted_at": "2030-01-01T06:00:00Z",
        "collected_at": None,
        "data_as_of": "2024-03-01T00:00:00Z",
    }


def test_a_series_is_found_by_any_part_of_its_name(world: World, view: View) -> None:
    names = ["B10", "b2", "a%", HOSTILE]
    points = [point(name, 3, step, 1.0, 0) for name in names for step in (1, 2)]
    world.run("predict", "old", predictions=[point("gone", 3, 1, 1.0, 0)], as_of="2024-01-01T00:00:00")
    world.run("predict", "new", predictions=points, as_of="2024-02-01T00:00:00")
    world.run("predict", "backfill", predictions=[point("gone", 3, 1, 1.0, 0)], as_of="2023-01-01T00:00:00")
    name = world.pipeline.name
    assert listed(view, name, "", 3) == {
        "series": ["a%", "b2", "B10"], "total": 4, "run_id": "new", "at": "2030-01-01T02:00:00Z",
    }  # fmt: skip
    assert listed(view, name, "b1", 9)["series"] == ["B10"]
    assert listed(view, name, "%", 9)["series"] == ["a%", HOSTILE]
    assert listed(view, name, "ряд", 9)["series"] == listed(view, name, "РЯД", 9)["series"] == [HOSTILE]
    assert listed(view, name, "gone", 9) == {"series": [], "total": 0, "run_id": "new", "at": "2030-01-01T02:00:00Z"}


def test_names_of_series_come_in_one_order_on_every_server(world: World, view: View) -> None:
    names = ["ba", "Bb", "bC", "b-", "ёж", "еж"]
    world.run("predict", "new", predictions=[point(name, 3, 1, 1.0, 0) for name in names], as_of="2024-02-01T00:00:00")
    assert listed(view, world.pipeline.name, "", 9)["series"] == ["Bb", "b-", "bC", "ba", "еж", "ёж"]


def test_a_forecast_stands_beside_what_is_known_and_what_was_forecast_before(world: World, view: View) -> None:
    known = [value(HOSTILE, 1, 10.0), value(HOSTILE, 2, 11.0), value("b", 1, 5.0)]
    world.run(
        "predict", "first", known, [point(HOSTILE, 3, 1, 12.0, 1), point(HOSTILE, 4, 2, 13.0, 1)],
        as_of="2024-02-01T00:00:00", bundle="dags-folder",
    )  # fmt: skip
    later = [value(HOSTILE, 1, 10.0), value(HOSTILE, 2, 11.5), value(HOSTILE, 3, 12.5), value(HOSTILE, 4, None)]
    again = [point(HOSTILE, 4, 1, 14.0, 2), point(HOSTILE, 5, 2, 15.0, 2)]
    world.run("predict", "second", later, again, as_of="2024-03-01T00:00:00", bundle="dags-folder")
    world.run("predict", "failed", later, again, as_of="2024-04-01T00:00:00", state="failed")
    world.run("train", "t", [value(HOSTILE, 3, 12.25)], as_of="2024-03-01T00:00:00")
    found = forecast(view, world.pipeline.name, HOSTILE, 12)
    assert found["history"] == [
        {"at": "2024-01-01T00:00:00Z", "value": 10.0},
        {"at": "2024-02-01T00:00:00Z", "value": 11.5},
        {"at": "2024-03-01T00:00:00Z", "value": 12.25},
    ]
    newest = found["forecast"]
    assert (newest["run_id"], newest["origin"], newest["version"]) == ("second", "2024-03-01T00:00:00Z", "1")
    assert newest["points"] == [
        {"at": "2024-04-01T00:00:00Z", "step": 1, "forecast": 14.0, "intervals": {"80": [13.0, 15.0]}},
        {"at": "2024-05-01T00:00:00Z", "step": 2, "forecast": 15.0, "intervals": {"80": [14.0, 16.0]}},
    ]
    (earlier,) = found["earlier"]
    assert (earlier["run_id"], earlier["origin"]) == ("first", "2024-02-01T00:00:00Z")
    assert [(each["forecast"], each["intervals"]) for each in earlier["points"]] == [(12.0, {}), (13.0, {})]
    assert found["links"]["run"] == f"http://airflow.test/dags/{world.pipeline.name}_predict/runs/second"


def test_a_series_that_was_only_delivered_has_no_forecast(world: World, view: View) -> None:
    world.run("train", "t", [value("b", 1, 5.0), value("b", 2, 6.0)], as_of="2024-02-01T00:00:00")
    found = forecast(view, world.pipeline.name, "b", 12)
    assert ([each["value"] for each in found["history"]], found["forecast"], found["earlier"]) == ([5.0, 6.0], None, [])
    assert found["links"] == {"run": None}


def test_realised_figures_are_those_of_the_newest_monitor_that_found_some(world: World, view: View) -> None:
    world.version(mase=1.5, coverage_80=0.75)
    known = [value("a", number, amount) for number, amount in ((1, 1.0), (2, 3.0), (3, 5.0))]
    world.run("predict", "p", known, [point("a", 4, 1, 6.0, 2), point("a", 5, 2, 7.0, 2)], model_name="m",
              model_version="1")  # fmt: skip
    assert realised(view, world.pipeline.name)["targets"] == []
    world.run("train", "t", [value("a", 4, 6.5), value("a", 5, 13.0)], as_of="2024-05-01T00:00:00")
    world.look("found")
    note(world, "monitor", "found", message=HOSTILE)
    world.run("monitor", "failed", state="failed", rows_out=7)
    world.run("monitor", "none", rows_out=0, message="nothing to monitor")
    found = realised(view, world.pipeline.name)
    assert (found["run_id"], found["message"], found["metric"]) == ("found", HOSTILE, "mase")
    (target,) = found["targets"]
    # Mean change 2: errors of 0.5 and 6 are 0.25 and 3 of it; the interval of plus and minus 1 holds the first.
    main = target["metrics"][0]
    assert (main["metric"], main["main"], main["better"], main["value"], main["n"]) == ("mase", True, "lower", 1.625, 2)
    assert main["holdout"] == 1.5
    assert [(each["start"], each["value"], each["n"], each["bad"]) for each in main["windows"]] == [
        ("2024-04-01T00:00:00Z", 0.25, 1, False), ("2024-05-01T00:00:00Z", 3.0, 1, True),
    ]  # fmt: skip
    coverage = of(target["metrics"], "metric", "coverage_80")
    assert (coverage["level"], coverage["better"], coverage["value"]) == (80, None, 0.5)
    assert [(each["step"], each["value"]) for each in target["steps"]] == [(1, 0.25), (2, 3.0)]
    assert target["worst"] == [{"item": "a", "value": 1.625, "n": 2}]
    assert [(each["version"], each["value"]) for each in target["versions"]] == [("1", 1.625)]


def test_a_drift_report_is_found_in_mlflow_and_remembered(stack: Settings, world: World) -> None:
    registry = MlflowRegistry(stack.mlflow_uri, stack.mlflow_username, stack.mlflow_password)
    key = world.run("predict", "moved", drift="warn")
    run = registry.open_run(key, {}, {})
    registry.open_run(world.key("predict", "moved_more"), {}, {})
    view = view_of(stack, world.pipeline)
    pages = DriftPages(stack.mlflow_uri, stack.mlflow_username, stack.mlflow_password)
    found = pages.run(world.pipeline.name, str(key))
    assert found is not None
    assert found[1] == run
    assert pages.run(world.pipeline.name, f"{key}_never") is None
    assert pages.run(f"{world.pipeline.name}_never", f"{key}_never") is None
    report = overview(replace(view, pages=pages))["pipelines"][0]["drift"]["report"]
    assert (
        report
        == f"http://mlflow.test/#/experiments/{found[0]}/runs/{run}/artifacts/drift.html?workflowType=machine_learning"
    )


def test_an_answer_holds_no_number_that_json_lacks(world: World, view: View) -> None:
    world.run("predict", "p", [value("a", 1, 1.0)], [point("a", 2, 1, float("inf"), 0) | {"lower_80": float("nan")}])
    text = to_json(forecast(view, world.pipeline.name, "a", 12), inf_nan_mode="null").decode()
    (made,) = json.loads(text, parse_constant=pytest.fail)["forecast"]["points"]
    assert (made["forecast"], made["intervals"]) == (None, {"80": [None, None]})


def test_the_board_changes_nothing(view: View) -> None:
    with pytest.raises(XflowError, match="read-only"), view.reader.reading("write") as reading:
        reading.rows("CREATE TABLE mart.written (a int)")


def test_a_statement_that_takes_long_is_given_up(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = "SET LOCAL statement_timeout TO '50ms'; SET TRANSACTION READ ONLY"
    monkeypatch.setattr("xflow.adapters.board_reader.LIMITS", limits)
    with pytest.raises(ServiceUnavailable, match="statement timeout"), view.reader.reading("sleep") as reading:
        reading.rows("SELECT pg_sleep(30)")

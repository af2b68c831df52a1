"""Forecasts beside the actual values that arrived later, on a real server; figures are computed by hand."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from realised_world import World

from xflow.pipeline import Pipeline
from xflow.refs import RunKey
from xflow.settings import Settings

pytestmark = pytest.mark.services


def month(number: int) -> datetime:
    return datetime(2020 + (number - 1) // 12, (number - 1) % 12 + 1, 1)


def history(values: Mapping[str, Mapping[int, float]]) -> list[dict[str, Any]]:
    """Return input rows: series, month (1 is January 2020) and value."""
    return [
        {"series_id": name, "timestamp": month(number), "value": value}
        for name, months in values.items()
        for number, value in months.items()
    ]


def forecast(series: str, number: int, step: int, value: float, row: int, version: str = "1", half: float = 1.0) -> Any:
    """Return a forecast with an interval of `value` plus and minus `half`; `row` is that of its origin."""
    return {
        "series_id": series, "timestamp": month(number), "step": step, "forecast": value, "lower_80": value - half,
        "upper_80": value + half, "model_name": "m", "model_version": version, "input_row_id": row,
    }  # fmt: skip


@pytest.fixture
def make(stores: Settings, key: RunKey) -> Any:
    def world(metric: str = "mae", **monitor: Any) -> World:
        model = {
            "seasonality": 1, "horizon": 2, "metric": metric, "levels": [0.8],
            "candidates": [{"name": "seasonal_naive", "kind": "seasonal_naive"}],
        }  # fmt: skip
        document = {
            "pipeline": key.pipeline, "description": "", "input": {"train": "a/", "predict": "b/"},
            "contract": {"frequency": "M"}, "model": model, "monitor": {"min_count": 1, **monitor},
        }  # fmt: skip
        return World(stores, Pipeline.model_validate(document))

    return world


PAST = history({"a": {1: 1.0, 2: 3.0, 3: 5.0}, "b": {1: 10.0, 2: 10.0, 3: 14.0}})
"""Mean change: 2 of a, 2 of b; the origins are the rows 2 and 5."""
FORECASTS = [
    forecast("a", 4, 1, 6.0, row=2), forecast("a", 5, 2, 7.0, row=2),
    forecast("b", 4, 1, 14.0, row=5), forecast("b", 5, 2, 14.0, row=5, half=3),
]  # fmt: skip


def test_figures_by_hand(make: Any) -> None:
    world = make("mase")
    version = world.version(mase=0.5, mase_floor=0.9, mae=1.5, coverage_80=0.8)
    world.run("predict", "p", PAST, FORECASTS)
    # a misses by 1 and 3, b by 4 and 2; scaled by 2: 0.5 and 1.5, 2 and 1. Inside: a's first, b's second.
    world.run("predict", "later", history({"a": {4: 7.0, 5: 10.0}, "b": {4: 10.0, 5: 12.0}}))
    found = world.look()
    assert found.figures["realised_mase"] == pytest.approx(1.25)
    assert found.figures["holdout_mase"] == 0.5
    assert world.figures("all", "mase") == {"": (1.25, 4)}
    assert world.figures("all", "mae") == {"": (2.5, 4)}
    assert world.figures("all", "coverage_80") == {"": (0.5, 4)}
    assert world.figures("step", "mase") == {"1": (1.25, 2), "2": (1.25, 2)}
    assert world.figures("step", "mae") == {"1": (2.5, 2), "2": (2.5, 2)}
    assert world.figures("window", "mae") == {"2020-04-01": (2.5, 2), "2020-05-01": (2.5, 2)}
    assert world.figures("series", "mase") == {"a": (1.0, 2), "b": (1.5, 2)}
    assert world.figures("all", "mase", version) == {"": (1.25, 4)}
    window = next(row for row in world.rows() if (row["slice"], row["metric"]) == ("window", "mase"))
    assert (window["holdout"], window["floor"], window["bad"]) == (0.5, 0.9, True)
    assert window["window_start"] == datetime.fromisoformat(window["item"])
    assert list(world.registry.runs[str(world.key("monitor", "m"))]["figures"]) == ["realised"]


@pytest.mark.parametrize(("metric", "error"), [("smape", (200 / 13 + 200 * 4 / 24) / 2), ("rmse", 2.5), ("mae", 2.5)])
def test_other_metrics_are_means_over_series(make: Any, metric: str, error: float) -> None:
    world = make(metric)
    world.version(**{metric: 1.0})
    world.run("predict", "p", PAST, FORECASTS)
    world.run("predict", "later", history({"a": {4: 7.0}, "b": {4: 10.0}}))
    world.look()
    assert world.figures("all", metric) == {"": (pytest.approx(error), 2)}


def test_late_values_fill_in_and_corrected_ones_replace(make: Any) -> None:
    world = make()
    world.version(mae=1.0)
    world.run("predict", "p", PAST, FORECASTS)
    assert world.look().rows == 0
    world.run("predict", "first", history({"a": {4: 7.0}}))
    world.look()
    assert world.figures("all", "mae") == {"": (1.0, 1)}
    late = world.run("train", "late", history({"b": {4: 10.0}}))
    world.look()
    assert world.figures("all", "mae") == {"": (2.5, 2)}
    world.run("predict", "corrected", history({"a": {4: 6.5}}))
    world.look()
    assert world.figures("all", "mae") == {"": (2.25, 2)}
    # What a run that failed left does not count.
    world.reject(world.run("predict", "bad", PAST, [forecast("a", 4, 1, 0.0, row=2)]))
    world.reject(late)
    world.reject(world.run("predict", "wrong", history({"a": {4: 100.0}})))
    world.look()
    assert world.figures("all", "mae") == {"": (0.5, 1)}


def test_values_after_the_origin_do_not_scale(make: Any) -> None:
    """The input of a run as of a past date reaches beyond it."""
    world = make("mase")
    world.version(mase=1.0)
    rows = history({"a": {1: 1.0, 2: 3.0, 3: 5.0, 4: 7.0, 5: 100.0}})
    world.run("predict", "p", rows, [forecast("a", 4, 1, 6.0, row=2)])
    world.look()
    assert world.figures("all", "mase") == {"": (0.5, 1)}


def test_a_null_is_no_value(make: Any) -> None:
    world = make()
    world.version(mae=1.0)
    world.run("predict", "p", PAST, FORECASTS)
    world.run("predict", "known", history({"a": {4: 7.0}}))
    world.run("predict", "unknown", [{"series_id": "a", "timestamp": month(4), "value": None}])
    world.look()
    assert world.figures("all", "mae") == {"": (1.0, 1)}


def test_an_origin_that_was_repeated_counts_once_and_every_run_by_itself(make: Any) -> None:
    world = make()
    one = world.version(mae=1.0)
    world.run("predict", "p", PAST, FORECASTS)
    world.run("predict", "again", PAST, [forecast("a", 4, 1, 6.5, row=2)])
    two = world.version(mae=2.0)
    world.run("predict", "other", PAST, [forecast("a", 4, 1, 4.0, row=2, version="2")])
    world.run("predict", "next", PAST, [forecast("a", 5, 1, 9.0, row=2, version="2")])
    world.run("predict", "later", history({"a": {4: 7.0, 5: 10.0}}))
    world.look()
    runs = {item.rpartition("/")[2]: found for item, found in world.figures("run", "mae").items()}
    assert runs == {"p": (2.0, 2), "again": (0.5, 1), "other": (3.0, 1), "next": (1.0, 1)}
    # Of month 4 the newest forecast counts, of month 5 those of both steps: errors 3, 1 and 3.
    assert world.figures("window", "mae") == {"2020-04-01": (3.0, 1), "2020-05-01": (2.0, 2)}
    assert world.figures("window", "mae", one) == {"2020-04-01": (0.5, 1), "2020-05-01": (3.0, 1)}
    assert world.figures("window", "mae", two) == {"2020-04-01": (3.0, 1), "2020-05-01": (1.0, 1)}
    holdouts = {row["model_version"]: row["holdout"] for row in world.rows() if row["metric"] == "mae"}
    assert holdouts == {"": 2.0, one: 1.0, two: 2.0}


def test_what_a_model_has_learned_is_no_outcome(make: Any) -> None:
    world = make()
    world.version(mae=1.0)
    name = world.pipeline.name
    world.run("train", "t", PAST, model_name=name, model_version="1", as_of=month(4).isoformat())
    world.run("predict", "p", PAST, FORECASTS)
    world.run("predict", "later", history({"a": {4: 7.0, 5: 10.0}}))
    world.look()
    assert world.figures("window", "mae") == {"2020-05-01": (3.0, 1)}


def test_what_a_training_that_failed_later_has_learned_is_no_outcome(make: Any) -> None:
    """The ledger names no version of it, the registry knows the run of the version."""
    world = make()
    world.version(mae=1.0, run="t")
    world.reject(world.run("train", "t", PAST, as_of=month(4).isoformat()))
    named = {"model_name": world.pipeline.name, "model_version": "1"}
    world.run("predict", "p", PAST, FORECASTS, **named)
    world.run("predict", "later", history({"a": {4: 7.0, 5: 10.0}}), **named)
    world.look()
    assert world.figures("window", "mae") == {"2020-05-01": (3.0, 1)}


def test_a_run_twice_leaves_what_once_leaves_and_as_of_cuts(make: Any) -> None:
    world = make()
    world.version(mae=1.0)
    world.run("predict", "p", PAST, FORECASTS)
    world.run("predict", "later", history({"a": {4: 7.0, 5: 10.0}}))
    first = world.look(as_of="2020-04-30")
    once = world.rows()
    assert len(once) == first.rows > 0
    assert world.figures("window", "mae") == {"2020-04-01": (1.0, 1)}
    world.look(as_of="2020-04-30")
    assert world.rows() == once
    assert (world.mart.run(first.key) or {})["rows_out"] == first.rows
    world.look("other")
    assert world.rows() == once
    assert set(world.figures("window", "mae", run_id="other")) == {"2020-04-01", "2020-05-01"}


def test_nothing_to_monitor_is_success_with_a_message(make: Any) -> None:
    world = make()
    assert world.look().message == "nothing to monitor: no model serves yet"
    world.version(mae=1.0)
    assert world.look().message == "nothing to monitor: no input is in the mart yet"
    world.run("predict", "p", PAST, FORECASTS)
    found = world.look()
    assert (found.rows, found.asks) == (0, False)
    assert found.message == (
        "nothing to monitor: no outcome is known yet of a prediction beyond what its model learned from"
    )
    run = world.mart.run(found.key) or {}
    assert (run["state"], run["message"], run["rows_out"]) == ("success", found.message, 0)


def test_bad_windows_ask_once_and_again_only_for_news_after_a_training(make: Any) -> None:
    world = make(windows=2, bad=2, worse_than=2.0)
    world.version(mae=1.0)
    name = world.pipeline.name
    world.run("train", "t0", PAST, model_name=name, model_version="1", as_of=month(3).isoformat())
    made = [forecast("a", 3 + step, step, 0.0, row=2) for step in range(1, 8)]
    world.run("predict", "p", PAST, made)
    world.run("predict", "later", history({"a": {4: 9.0}}))
    assert not world.look("m1").asks
    world.run("predict", "later2", history({"a": {5: 9.0}}))
    asked = world.look("m2")
    assert asked.asks
    assert asked.message == "asks for a retraining: 2 of the last 2 windows worse than 2 times the holdout"
    assert world.look("m2").asks  # the same run, tried again
    waiting = world.look("m3")
    assert not waiting.asks
    assert "has not ended yet" in waiting.message
    failed = world.run("train", "t1", PAST)
    world.reject(failed)
    assert world.look("m4").asks
    # A training that knew nothing newer, and left the champion: what was asked about is no news.
    world.run("train", "t2", PAST, model_name=name, model_version="7", as_of=month(3).isoformat())
    assert not world.look("m5").asks
    world.run("predict", "later3", history({"a": {6: 9.0, 7: 9.0}}))
    assert world.look("m6").asks


def test_drift_with_a_bad_newest_window_asks(make: Any) -> None:
    world = make(windows=6, bad=3, worse_than=2.0)
    world.version(mae=1.0)
    world.run("predict", "p", PAST, [forecast("a", 4, 1, 0.0, row=2)])
    world.run("predict", "later", history({"a": {4: 9.0}}), drift="ok")
    assert not world.look("m1").asks
    world.reject(world.run("predict", "stopped", drift="stop"))
    found = world.look("m2")
    assert found.asks
    assert "drift (stop)" in found.message

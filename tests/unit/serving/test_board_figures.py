"""Figures, times and links, as the board shows them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from xflow.serving.board.figures import coverages, drift_figures, figures_of, holdout_figures
from xflow.serving.board.headers import origins
from xflow.serving.board.links import Links
from xflow.serving.board.view import MOST_TEXT, models_of, shortened, utc


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, {}), ("", {}), ("no JSON", {}), ("[1, 2]", {}), ("3", {}),
        ('{"a": 1, "b": null, "c": "x", "d": true, "e": NaN, "f": Infinity, "g": [1]}', {"a": 1.0}),
    ],
)  # fmt: skip
def test_of_a_ledger_row_finite_numbers_count(text: str | None, found: dict[str, float]) -> None:
    assert figures_of(text) == found


def test_figures_of_one_target_beside_its_floor() -> None:
    metrics = {
        "salary_holdout_roc_auc": 0.75, "salary_holdout_log_loss": 1.25, "salary_holdout_log_loss_floor": 1.5,
        "salary_holdout_log_loss_challenger": 1.25, "salary_backtest_log_loss": 9.0, "demand_holdout_log_loss": 7.0,
        "salary_holdout_vacancies": 266.0,
    }  # fmt: skip
    assert holdout_figures(metrics, "salary", "log_loss") == [
        {"metric": "log_loss", "value": 1.25, "floor": 1.5, "better": "lower", "main": True},
        {"metric": "roc_auc", "value": 0.75, "floor": None, "better": "higher", "main": False},
    ]
    assert holdout_figures(metrics, "", "log_loss") == []


def test_coverages_by_level() -> None:
    metrics = {"holdout_coverage_95": 0.96, "holdout_coverage_80": 0.8, "backtest_coverage_80": 0.1, "coverage_50": 0.5}
    assert coverages(metrics, "") == [{"level": 80, "value": 0.8}, {"level": 95, "value": 0.96}]


def test_drift_of_the_targets_that_were_looked_at() -> None:
    found = drift_figures({"salary_drift_level": 1.0, "drift_level": 2.0}, ("salary", "demand"))
    expected = {"target": "salary", "level": 1.0, "columns": None, "smallest_p": None, "largest_share": None}
    assert found == [expected]


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (None, None), ("", None), ("soon", None), ("2026-11-21", "2026-11-21T00:00:00Z"),
        ("2026-11-21T23:00:00.5", "2026-11-21T23:00:00Z"), ("2026-11-21T23:00:00+03:00", "2026-11-21T20:00:00Z"),
        (datetime(2026, 11, 21, 23), "2026-11-21T23:00:00Z"),
        (datetime(2026, 11, 21, tzinfo=UTC), "2026-11-21T00:00:00Z"),
        (datetime(2026, 11, 21, 1, tzinfo=timezone(timedelta(hours=3))), "2026-11-20T22:00:00Z"),
    ],
)  # fmt: skip
def test_times_are_in_utc(at: datetime | str | None, text: str | None) -> None:
    assert utc(at) == text


def test_long_messages_are_cut() -> None:
    assert (shortened(None), shortened("short")) == ("", "short")
    assert len(shortened("x" * 3 * MOST_TEXT)) == MOST_TEXT + 1


def test_models_of_a_ledger_row() -> None:
    assert models_of({"model_name": "a, b", "model_version": "1, 2"}) == [("a", "1"), ("b", "2")]
    assert models_of({"model_name": None, "model_version": None}) == []


def test_links_lead_to_pages_and_never_out_of_them() -> None:
    links = Links("http://air.test/ui/", "http://ml.test")
    hostile = "../../x?y#z\"'<é>"
    assert links.run("p", "train", hostile, "dags") == (
        "http://air.test/ui/dags/p_train/runs/..%2F..%2Fx%3Fy%23z%22%27%3C%C3%A9%3E"
    )
    assert links.run("p", "train", "cli", None) is None
    assert links.dag("p", "reproduce") is None
    assert links.version("p_salary", "7") == "http://ml.test/#/models/p_salary/versions/7?workflowType=machine_learning"
    assert (
        links.artifacts("1", "ab", "")
        == "http://ml.test/#/experiments/1/runs/ab/artifacts?workflowType=machine_learning"
    )
    assert (
        links.artifacts("1", "ab", "drift.html")
        == "http://ml.test/#/experiments/1/runs/ab/artifacts/drift.html?workflowType=machine_learning"
    )
    assert Links("", "").home() == {"airflow": None, "mlflow": None, "api": "/openapi.json"}
    assert Links("", "").run("p", "train", "x", "dags") is None


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("http://127.0.0.1:8080/ui?x=1", ["http://127.0.0.1:8080"]), ("https://air.test", ["https://air.test"]),
        ("http://[::1]:8080", ["http://[::1]:8080"]), ("", []), ("air.test", []), ("javascript:alert(1)", []),
        ("http://a.test; script-src *", []), ("http://*", []),
    ],
)  # fmt: skip
def test_only_an_origin_may_frame_the_board(page: str, found: list[str]) -> None:
    assert origins(page) == found

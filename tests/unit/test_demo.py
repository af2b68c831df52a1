from datetime import UTC, datetime

import pytest
from rich.text import Text

from xflow import demo, demo_results, demo_serving
from xflow.pipeline import load
from xflow.serving.schemas import VacanciesAsked
from xflow.settings import pipelines_folder

METRICS = {
    "backtest_mase": 1.8,
    "backtest_mase_floor": 2.1,
    "holdout_mase": 1.7,
    "holdout_mase_floor": 1.9,
    "holdout_coverage_80": 0.8125,
    "holdout_coverage_95": 0.96,
    "holdout_mae": 3303.0,
}


def test_scores_stand_beside_the_floor_and_the_nominal_coverage() -> None:
    assert demo_results.scores(METRICS, load(pipelines_folder() / f"{demo.SERIES}.yaml")) == [
        ("backtest mase", "1.8000; seasonal_naive 2.1000"),
        ("holdout mase", "1.7000; seasonal_naive 1.9000"),
        ("holdout coverage", "81.2% in the 80% interval, 96.0% in the 95% interval"),
    ]


def test_a_log_line_ends_with_the_exception() -> None:
    event = {"timestamp": "T", "event": "Task failed", "error_detail": [{"exc_type": "InputMissing", "exc_value": "x"}]}
    assert demo.log_line(event) == "T Task failed InputMissing: x"


@pytest.mark.parametrize(("rendered", "shown"), [("ets", "train.tune[ets]"), (None, "train.tune[2]")])
def test_a_mapped_task_shows_what_it_is_for(rendered: str | None, shown: str) -> None:
    mapped = {"task_id": "train.tune", "map_index": 2, "rendered_map_index": rendered}
    single = {"task_id": "train.fit", "map_index": -1, "rendered_map_index": None}
    texts = [
        Text.from_markup(demo.line(task | {"state": "running", "duration": None})).plain for task in (mapped, single)
    ]
    assert shown in texts[0]
    assert texts[0].index("running") == texts[1].index("running")


def test_the_question_at_the_end_is_one_that_the_service_takes() -> None:
    assert VacanciesAsked.model_validate({"vacancies": [demo_serving.VACANCY]}).vacancies[0].id == "1"


def test_runs_of_a_deployment_are_those_since_the_training_began() -> None:
    asked = []

    class Rest:
        def call(self, method: str, path: str) -> dict[str, list[dict[str, str]]]:
            asked.append(f"{method} {path}")
            return {"dag_runs": [{"dag_run_id": "a"}, {"dag_run_id": "b"}]}

    since = datetime(2026, 11, 21, 7, 30, 5, 999, tzinfo=UTC)
    assert list(demo_serving.deployments(Rest(), "vacancies_deploy", since)) == ["a", "b"]
    assert "/dags/vacancies_deploy/dagRuns?run_after_gte=2026-11-21T07:30:05Z&order_by=run_after" in asked[0]

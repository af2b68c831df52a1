"""The forms and tasks by which a person decides what serves, and the dates that can be backfilled."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jsonschema
import pytest

from xflow.pipeline import load
from xflow.pipeline_base import PromotionPolicy
from xflow.refs import Approval, ModelVersionRef, Verdict
from xflow.settings import REPOSITORY

PIPELINES = REPOSITORY / "dags" / "pipelines"


@pytest.fixture(scope="module")
def parsed(parse: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Parse a pipeline that asks for approval and has no schedule of predictions, and two that are as they are."""
    folder: Path = tmp_path_factory.mktemp("pipelines")
    for name in ("tourism_monthly", "vacancies"):
        (folder / f"{name}.yaml").write_text((PIPELINES / f"{name}.yaml").read_text())
    asking = (PIPELINES / "tourism_monthly.yaml").read_text().replace("tourism_monthly", "asking")
    asking = "".join(line for line in asking.splitlines(keepends=True) if not line.startswith("predict_schedule"))
    (folder / "asking.yaml").write_text(asking + "promotion: {approval: true, approval_hours: 24}\n")
    made = parse(XFLOW_PIPELINES=str(folder))
    assert made["errors"] == {}
    return made["dags"]


def test_a_person_is_asked_between_judgement_and_promotion_by_one_line_of_the_file(parsed: Any) -> None:
    asked = {name: task["upstream"] for name, task in parsed["asking_train"]["tasks"].items()}
    plain = {name: task["upstream"] for name, task in parsed["tourism_monthly_train"]["tasks"].items()}
    assert asked.pop("promote.approve") == ["promote.judge"]
    assert asked.pop("promote.promote") == ["promote.approve", "promote.judge"]
    assert plain.pop("promote.promote") == ["promote.judge"]
    assert asked == plain
    assert "24 hours" in parsed["asking_train"]["tasks"]["promote.approve"]["doc"]


def test_a_question_that_was_not_needed_does_not_hold_the_decision_up(parsed: Any) -> None:
    tasks = {each["__var"]["task_id"]: each["__var"] for each in parsed["asking_train"]["serialized"]["dag"]["tasks"]}
    assert tasks["promote.promote"]["trigger_rule"] == "none_failed"


def test_a_schedule_of_predictions_makes_airflows_backfill_possible(parsed: Any) -> None:
    months = [f"2026-{month:02d}-01T06:00:00+00:00" for month in (8, 9, 10)]
    assert parsed["tourism_monthly_predict"]["backfilled"] == months
    assert parsed["asking_predict"]["backfilled"] is None
    clock = parsed["tourism_monthly_predict"]["serialized"]["dag"]["timetable"]["__var"]["timetable"]["__var"]
    assert clock["run_immediately"] == 300  # not the tenth of a month that Airflow takes by itself


def test_a_rollback_is_started_by_hand_alone_and_lets_predictions_follow(parsed: Any) -> None:
    dag = parsed["vacancies_rollback"]
    assert dag["schedule"] is None
    (task,) = dag["serialized"]["dag"]["tasks"]
    assert task["__var"]["task_id"] == "roll_back"
    assert "asset_alias" in str(task["__var"]["outlets"])


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("reason", ["sold nothing"], [None, "", "  ", 3]),
        ("version", [None, "7", "@staging"], ["", "v7", "latest", 7]),
        ("target", ["all", "salary", "demand"], [None, "", "age"]),
    ],
)
def test_the_form_of_a_rollback_asks_for_a_reason(parsed: Any, field: str, good: list[Any], bad: list[Any]) -> None:
    schema = parsed["vacancies_rollback"]["params"][field]
    assert schema["title"]
    for value in good:
        jsonschema.validate(value, schema)
    for value in bad:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(value, schema)
    assert sorted(parsed["tourism_monthly_rollback"]["params"]) == ["reason", "version"]


@pytest.fixture(scope="module")
def approval(plugin: Callable[[str], ModuleType]) -> Iterator[ModuleType]:
    """Import the module with the question, as a worker does."""
    sys.path.append(str(REPOSITORY / "dags"))
    yield plugin("xflow_approval")
    sys.path.remove(str(REPOSITORY / "dags"))


def verdict(outcome: str = "promoted", champion: str = "6") -> dict[str, Any]:
    found = Verdict(
        version=ModelVersionRef(name="demo", version="7", mlflow_run_id="abc", metrics={"holdout_mase_floor": 1.5}),
        champion=champion, outcome=outcome, reason="better: 1.2 against 1.3", metric="mase", unit="series",
        figures={"holdout_mase_champion": 1.3, "holdout_mase_challenger": 1.2, "holdout_mase_difference_upper": -0.05},
        holdout_hash="h", feature_set="set",
    )  # fmt: skip
    return found.model_dump(mode="json")


@pytest.fixture
def question(approval: ModuleType, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[dict[str, Any]]]:
    """Return the task that asks, and what it has asked."""
    asked: list[dict[str, Any]] = []
    hitl = sys.modules["airflow.providers.standard.operators.hitl"]
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **detail: asked.append(detail))
    monkeypatch.setattr(approval, "tell", lambda *told: asked.append({"told": told[1:]}))
    asking = load(PIPELINES / "tourism_monthly.yaml")
    asking, params = (
        asking.model_copy(update={"promotion": PromotionPolicy(approval_hours=24)}),
        {"note": approval.NOTE},
    )
    task = approval.ApprovePromotion(task_id="approve", params=params, verdict=verdict(), pipeline=asking)
    return task, asked


CONTEXT = {"task_instance": SimpleNamespace(id="ti", log_url="http://airflow.example/task")}


def test_the_question_shows_what_the_judgement_found_and_waits_so_long(
    question: tuple[Any, list[dict[str, Any]]],
) -> None:
    task, asked = question
    waiting = sys.modules["airflow.sdk.exceptions"].TaskAwaitingInput
    with pytest.raises(waiting) as parked:
        task.execute(CONTEXT)
    assert parked.value.timeout == timedelta(hours=24)
    told, detail = asked
    assert told["told"] == (
        "promotion",
        "Let demo version 7 serve in place of version 6? better: 1.2 against 1.3",
        {"answer": "http://airflow.example/task", "model": "models:/demo/7"},
    )
    assert detail["subject"] == "Let demo version 7 serve in place of version 6?"
    for said in ("better: 1.2 against 1.3", "| champion | 1.3 |", "| challenger | 1.2 |", "upper bound | -0.05 |"):
        assert said in detail["body"]
    assert sorted(detail["params"]) == ["note"]
    assert (detail["options"], detail["defaults"], detail["multiple"]) == (["Approve", "Reject"], ["Reject"], False)


@pytest.mark.parametrize("found", [verdict("kept"), verdict("refused"), verdict(champion="7")])
def test_nobody_is_asked_when_the_champion_stays(
    question: tuple[Any, list[dict[str, Any]]], found: dict[str, Any]
) -> None:
    task, asked = question
    task.verdict = found
    with pytest.raises(sys.modules["airflow.sdk.exceptions"].AirflowSkipException):
        task.execute(CONTEXT)
    assert asked == []


@pytest.mark.parametrize(
    ("chosen", "user", "note", "answer"),
    [
        ("Approve", "anna", "", Approval(approved=True, by="anna")),
        ("Reject", "bert", "not this week", Approval(approved=False, by="bert", note="not this week")),
        ("Reject", None, "", Approval(approved=False, note="nobody answered within 24 hours")),
    ],
)
def test_the_answer_says_who_and_why(
    question: tuple[Any, list[dict[str, Any]]], chosen: str, user: str | None, note: str, answer: Approval
) -> None:
    task, _ = question
    event = {
        "chosen_options": [chosen],
        "params_input": {"note": note},
        "responded_at": datetime(2026, 11, 21, tzinfo=UTC),
        "responded_by_user": {"id": "1", "name": user} if user else None,
        "timedout": user is None,
    }
    assert Approval.model_validate(task.execute_complete(CONTEXT, event)) == answer


@pytest.fixture(scope="module")
def backfill(plugin: Callable[[str], ModuleType], approval: ModuleType) -> ModuleType:  # which puts dags on the path
    return plugin("xflow_backfill")


@pytest.mark.parametrize(
    ("run_type", "date"),
    [("backfill", "2026-10-01T06:00:00"), ("scheduled", None), ("manual", None), ("asset_triggered", None)],
)
def test_only_a_run_of_a_backfill_is_for_a_past_date(
    backfill: ModuleType, monkeypatch: pytest.MonkeyPatch, run_type: str, date: str | None
) -> None:
    at = datetime(2026, 10, 1, 8, tzinfo=timezone(timedelta(hours=2)))
    run = SimpleNamespace(run_type=run_type, logical_date=at)
    monkeypatch.setattr(backfill, "get_current_context", lambda: {"dag_run": run})
    assert backfill.past_date() == date
    assert backfill.by_the_clock() == (run_type == "scheduled")


@pytest.fixture(scope="module")
def rollback(plugin: Callable[[str], ModuleType], approval: ModuleType) -> ModuleType:  # which puts dags on the path
    return plugin("rollback")


@pytest.mark.parametrize(
    ("form", "user", "asked"),
    [
        ({"reason": "bad", "version": None}, "anna", ("bad", "anna", None, None)),
        ({"reason": "bad", "version": "3", "target": "salary"}, "anna", ("bad", "anna", "3", "salary")),
        ({"reason": "bad", "version": None, "target": "all"}, None, ("bad", "airflow", None, None)),
    ],
)
@pytest.mark.parametrize("moved", [True, False])
def test_the_task_asks_for_what_the_form_says_and_lets_predictions_follow_what_moved(
    rollback: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    form: dict[str, Any],
    user: str | None,
    asked: tuple[Any, ...],
    moved: bool,
) -> None:
    swap = {"name": "demo", "before": "7", "after": "6" if moved else "7", "reason": "bad", "moved": moved}
    calls: list[Any] = []
    events: list[Any] = []

    def roll_back(reason: str, by: str, version: str | None, target: str | None) -> list[dict[str, Any]]:
        calls.append((reason, by, version, target))
        return [swap]

    pipeline = load(PIPELINES / "vacancies.yaml")
    alias = SimpleNamespace(add=lambda asset, extra: events.append((asset.name, extra)))
    context = {
        "dag_run": SimpleNamespace(triggering_user_name=user),
        "outlet_events": {rollback.promoted(pipeline): alias},
    }
    monkeypatch.setattr(rollback, "runner", lambda made: SimpleNamespace(pipeline=pipeline, roll_back=roll_back))
    monkeypatch.setattr(rollback, "get_current_context", lambda: context)
    monkeypatch.setattr(rollback, "param", form.get)
    monkeypatch.setattr("xflow_alerts.tell", lambda *told: events.append(told[1:3]))
    assert rollback.roll_back.function() == [swap]
    assert calls == [asked]
    told = f"{asked[1]} rolled back demo from version 7 to 6: bad"
    assert events == ([("vacancies_champion", {"demo": "6"}), ("rollback", told)] if moved else [])

"""What Airflow itself makes of every error: failed at once, or tried again after longer and longer pauses."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import structlog

from xflow import errors
from xflow.settings import REPOSITORY

ERRORS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.XflowError)]
FAIL = [each for each in ERRORS if issubclass(each, errors.Permanent)]
WAIT = [each for each in ERRORS if issubclass(each, errors.Retryable)]


@pytest.fixture(scope="module")
def retries(plugin: Callable[[str], ModuleType]) -> Iterator[ModuleType]:
    sys.path.append(str(REPOSITORY / "dags"))
    yield plugin("xflow_retries")
    sys.path.remove(str(REPOSITORY / "dags"))


def failed(retries: ModuleType, error: BaseException, try_number: int = 1) -> tuple[Any, Any]:
    """Return what the task's process tells Airflow, and the state, when `error` ends a task."""
    from airflow.sdk.execution_time.task_runner import _handle_current_task_failed

    served = SimpleNamespace(max_tries=retries.RETRIES["retries"], should_retry=True)
    running = SimpleNamespace(
        task=SimpleNamespace(**retries.RETRIES),
        try_number=try_number,
        stats_tags={},
        rendered_map_index=None,
        _ti_context_from_server=served,
        _failure_metrics_emitted=False,
    )
    return _handle_current_task_failed(running, error, structlog.get_logger())


def test_every_error_is_one_or_the_other() -> None:
    assert {*FAIL, *WAIT} == {*ERRORS} - {errors.XflowError}
    assert len(FAIL) > 10 > len(WAIT) > 3


@pytest.mark.parametrize("kind", FAIL, ids=lambda kind: kind.__name__)
def test_a_permanent_error_fails_at_once(retries: ModuleType, kind: type[Exception]) -> None:
    message, state = failed(retries, kind("said"))
    assert (state, message.type) == ("failed", "TaskState")
    assert retries.RETRY_POLICY.evaluate(kind(), 1, 3).reason == closest(retries.FAILS, kind)


@pytest.mark.parametrize("kind", WAIT, ids=lambda kind: kind.__name__)
def test_a_retryable_error_waits_longer_each_time(retries: ModuleType, kind: type[Exception]) -> None:
    pauses = []
    for number in (1, 2, 3):
        message, state = failed(retries, kind("said"), number)
        assert (state, message.retry_reason) == ("up_for_retry", closest(retries.WAITS, kind))
        pauses.append(pause(retries, message, number))
    assert 15 <= pauses[0] < 30 <= pauses[1] < 60 <= pauses[2] < 120


def test_an_unknown_error_is_tried_again_as_airflow_does(retries: ModuleType) -> None:
    for error in (ValueError("a bug"), TimeoutError(), KeyError("x")):
        message, state = failed(retries, error)
        assert (state, message.retry_reason) == ("up_for_retry", None)


def closest(reasons: dict[type, str], kind: type) -> str:
    """Return the reason of the class itself, or of the nearest one that it is a kind of."""
    return next(reasons[each] for each in kind.__mro__ if each in reasons)


def pause(retries: ModuleType, message: Any, number: int) -> float:
    """Return the seconds until the scheduler starts the task again."""
    from airflow.models.taskinstance import TaskInstance

    ended = datetime(2026, 11, 21, tzinfo=UTC)
    waiting = SimpleNamespace(
        **dict.fromkeys(("dag_id", "task_id", "logical_date"), "x"),
        task=SimpleNamespace(**retries.RETRIES),
        try_number=number,
        end_date=ended,
        retry_delay_override=message.retry_delay_seconds,
    )
    return (TaskInstance.next_retry_datetime(waiting) - ended).total_seconds()

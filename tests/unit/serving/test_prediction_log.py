"""The log of served predictions: nothing stands in a request's way, and nothing is lost or written twice."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from xflow.errors import ContractViolated, ServiceUnavailable
from xflow.serving import prediction_log
from xflow.serving.logged import MOST_TEXT, Batch, read_lines
from xflow.serving.prediction_log import LoggedPrediction, PredictionLog

SOON = 0.005
ONE = LoggedPrediction(
    served_at=datetime(2026, 11, 21, 10, tzinfo=UTC),
    request_id="r",
    row=0,
    pipeline="vacancies",
    target="salary",
    model_name="vacancies_salary",
    model_version="7",
    endpoint="/v1/vacancies/predict",
    caller="shop",
    entity_id="1",
    input='{"responsibility": "Печь хлеб"}',
    output='{"cohort": "low"}',
    seconds=0.004,
)


class Mart:
    """A sink that is a table, and fails as it is told."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.batches: list[str] = []
        self.tries: list[tuple[str, bool]] = []
        self.failure: Exception | None = None
        self.lost_answers = 0
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.changed = threading.Condition()

    def write(self, batch_id: str, rows: pa.RecordBatch, *, again: bool) -> None:
        self.goes_on.wait()
        with self.changed:
            self.tries.append((batch_id, again))
            self.changed.notify_all()
            if self.failure is not None:
                raise self.failure
            if not (again and batch_id in self.batches):
                self.batches.append(batch_id)
                self.rows += rows.to_pylist()
            if self.lost_answers:
                self.lost_answers -= 1
                raise ServiceUnavailable("the line was cut at the commit")

    def ids(self) -> list[str]:
        return [row["request_id"] for row in self.rows]

    def wait_for(self, true: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(true, 300)


@pytest.fixture
def mart() -> Mart:
    return Mart()


@pytest.fixture
def log_of(mart: Mart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., PredictionLog]]:
    """Make logs of the mart that wait in one folder; they have ended with the test."""
    monkeypatch.setattr(prediction_log, "LONGEST_PAUSE", 2 * SOON)
    made = []

    def make(**options: Any) -> PredictionLog:
        made.append(PredictionLog(mart, tmp_path / "log", **{"seconds": SOON} | options))
        return made[-1]

    yield make
    mart.goes_on.set()
    for each in made:
        each.stop()


def rows(first: int, last: int) -> list[LoggedPrediction]:
    return [replace(ONE, request_id=str(i), row=i) for i in range(first, last)]


def ids(first: int, last: int) -> list[str]:
    return [str(i) for i in range(first, last)]


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def files(folder: Path, ending: str = ".jsonl") -> list[Path]:
    return sorted((folder / "log").glob(f"*{ending}"))


def test_rows_arrive_in_order_as_they_are(mart: Mart, log_of: Callable[..., PredictionLog]) -> None:
    log = log_of()
    log.start()
    for i in range(50):
        log.put(rows(i, i + 1))
    mart.wait_for(lambda: len(mart.rows) == 50)
    log.stop()
    assert mart.ids() == ids(0, 50)
    assert mart.rows[7] == {
        "served_at": datetime(2026, 11, 21, 10),
        "request_id": "7",
        "request_row": 7,
        **{name: getattr(ONE, name) for name in ("pipeline", "target", "model_name", "model_version", "endpoint")},
        **{name: getattr(ONE, name) for name in ("caller", "entity_id", "input", "output", "seconds")},
    }
    assert (log.waiting, log.written, log.shed, log.aside) == (0, 50, 0, 0)


def test_requests_of_many_threads_lose_nothing(mart: Mart, log_of: Callable[..., PredictionLog]) -> None:
    log = log_of()
    log.start()

    def ask(thread: int) -> None:
        for i in range(100):
            log.put([replace(ONE, request_id=f"{thread}-{i}")])

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    log.stop()
    assert sorted(mart.ids()) == sorted(f"{n}-{i}" for n in range(8) for i in range(100))
    for n in range(8):
        assert [each for each in mart.ids() if each.startswith(f"{n}-")] == [f"{n}-{i}" for i in range(100)]


def test_a_batch_has_no_more_than_its_most(
    mart: Mart, log_of: Callable[..., PredictionLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "BATCH_ROWS", 10)
    log = log_of(seconds=3600)
    log.start()
    log.put(rows(0, 25))  # which wakes it before its time
    mart.wait_for(lambda: len(mart.rows) == 25)
    assert len(mart.batches) == 3


def test_a_hanging_mart_holds_nobody_up_and_what_is_too_much_is_dropped(
    mart: Mart, log_of: Callable[..., PredictionLog], caplog: pytest.LogCaptureFixture
) -> None:
    mart.goes_on.clear()
    log = log_of(most_rows=10)
    log.start()
    for i in range(15):
        log.put(rows(i, i + 1))
    assert (log.waiting, log.shed) == (10, 5)
    log.put(rows(15, 30))
    assert (log.waiting, log.shed) == (10, 20)
    assert "xflow_log_shed_total" in caplog.text
    mart.goes_on.set()
    mart.wait_for(lambda: len(mart.rows) == 10)
    log.put(rows(30, 31))
    mart.wait_for(lambda: len(mart.rows) == 11)
    assert mart.ids() == [*ids(0, 10), "30"]


def test_the_first_rows_of_a_request_that_is_too_large_are_kept(
    mart: Mart, log_of: Callable[..., PredictionLog]
) -> None:
    log = log_of(most_rows=10)
    log.put(rows(0, 12))
    assert (log.waiting, log.shed) == (10, 2)


def test_an_outage_ends_with_every_row_once_and_in_order(
    mart: Mart, log_of: Callable[..., PredictionLog], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mart.failure = ServiceUnavailable("no answer")
    log = log_of()
    log.start()
    for i in range(5):
        before = len(mart.tries)
        log.put(rows(i, i + 1))
        mart.wait_for(lambda before=before: len(mart.tries) > before + 2)
    assert files(tmp_path)
    assert log.waiting == 5
    mart.failure = None
    mart.wait_for(lambda: len(mart.rows) == 5)
    log.put(rows(5, 6))
    log.stop()
    assert mart.ids() == ids(0, 6)
    assert (log.waiting, log.written) == (0, 6)
    assert files(tmp_path) == []
    assert caplog.text.count("wait for the mart") == 1


def test_a_batch_whose_answer_was_lost_is_not_written_twice(mart: Mart, log_of: Callable[..., PredictionLog]) -> None:
    mart.lost_answers = 2
    log = log_of()
    log.start()
    log.put(rows(0, 3))
    mart.wait_for(lambda: len(mart.tries) == 3)
    log.stop()
    assert mart.ids() == ids(0, 3)
    assert len({batch for batch, _ in mart.tries}) == 1
    assert [again for _, again in mart.tries] == [False, True, True]


def test_what_the_mart_does_not_take_at_the_end_waits_for_the_next_start(
    mart: Mart, log_of: Callable[..., PredictionLog], tmp_path: Path
) -> None:
    mart.failure = ServiceUnavailable("no answer")
    log = log_of(seconds=3600)
    log.start()
    log.put(rows(0, 3))
    log.stop()
    log.put(rows(3, 4))
    assert log.shed == 1
    (waiting,) = files(tmp_path)
    assert waiting.stat().st_mode & 0o777 == 0o600
    mart.failure = None
    following = log_of()
    assert following.waiting == 3
    following.start()
    following.put(rows(4, 5))
    mart.wait_for(lambda: len(mart.rows) == 4)
    following.stop()
    assert mart.ids() == ["0", "1", "2", "4"]
    assert mart.rows[0]["input"] == ONE.input
    assert files(tmp_path) == []


def test_a_write_that_hangs_at_the_end_is_looked_for_at_the_next_start(
    mart: Mart, log_of: Callable[..., PredictionLog], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mart.goes_on.clear()
    log = log_of()
    log.start()
    log.put(rows(0, 3))
    until(lambda: bool(log._batches))
    log.put(rows(3, 5))
    log.stop(seconds=0.05)
    assert sum(len(each.read_bytes().splitlines()) for each in files(tmp_path)) == 5
    mart.goes_on.set()
    mart.wait_for(lambda: len(mart.tries) == 1)  # what hung went through after all
    log._thread.join()
    assert [record.levelname for record in caplog.records] == ["WARNING"]  # that rows wait for the next start
    following = log_of()
    following.start()
    mart.wait_for(lambda: len(mart.rows) == 5)
    following.stop()
    assert mart.ids() == ids(0, 5)
    assert files(tmp_path) == []


def test_a_killed_service_leaves_what_waited_in_files(
    mart: Mart, log_of: Callable[..., PredictionLog], tmp_path: Path
) -> None:
    program = f"""
import sys, threading
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_prediction_log import Mart, rows, until
from xflow.errors import ServiceUnavailable
from xflow.serving.prediction_log import PredictionLog
mart = Mart()
mart.failure = ServiceUnavailable("no answer")
log = PredictionLog(mart, Path({str(tmp_path / "log")!r}), seconds=0.01)
log.start()
log.put(rows(0, 4))
until(lambda: log._files.rows == 4)
print("kept", flush=True)
threading.Event().wait()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == "kept\n"
        os.kill(service.pid, signal.SIGKILL)
    log = log_of()
    log.start()
    mart.wait_for(lambda: len(mart.rows) == 4)
    assert mart.ids() == ids(0, 4)


def test_damaged_lines_are_kept_aside_and_the_others_arrive(
    mart: Mart, log_of: Callable[..., PredictionLog], tmp_path: Path
) -> None:
    log = log_of()
    log.put(rows(0, 3))
    log.stop()
    (waiting,) = files(tmp_path)
    lines = waiting.read_bytes().splitlines(keepends=True)
    waiting.write_bytes(lines[0] + lines[1][:20] + b"\n" + b"\xff\n" + lines[2])
    following = log_of()
    following.start()
    mart.wait_for(lambda: len(mart.rows) == 2)
    following.stop()
    assert mart.ids() == ["0", "2"]
    assert following.aside == 2
    (aside,) = files(tmp_path, ".aside")
    assert aside.read_bytes() == lines[1][:20] + b"\n\xff"
    assert files(tmp_path) == []


def test_what_the_mart_refuses_for_good_is_kept_aside_and_blocks_nothing(
    mart: Mart, log_of: Callable[..., PredictionLog], tmp_path: Path
) -> None:
    mart.failure = ContractViolated("a value is refused")
    log = log_of()
    log.start()
    log.put(rows(0, 2))
    mart.wait_for(lambda: len(mart.tries) == 1)
    until(lambda: log.aside == 2)
    mart.failure = None
    log.put(rows(2, 3))
    log.put([replace(ONE, request_id="odd", seconds="long")])  # type: ignore[arg-type]
    log.put(rows(3, 4))
    log.stop()
    assert {"2", "3"} >= set(mart.ids())  # one batch may hold all three
    assert len(mart.rows) + log.aside == 5
    kept = [json.loads(line) for path in files(tmp_path, ".aside") for line in path.read_bytes().splitlines()]
    assert len(kept) == log.aside
    assert log.waiting == 0


def test_a_full_disk_leaves_rows_in_memory(
    mart: Mart, log_of: Callable[..., PredictionLog], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "log").write_text("no folder")
    mart.failure = ServiceUnavailable("no answer")
    log = log_of()
    log.start()
    log.put(rows(0, 3))
    mart.wait_for(lambda: len(mart.tries) > 2)
    assert log.waiting == 3
    mart.failure = None
    mart.wait_for(lambda: len(mart.rows) == 3)
    assert mart.ids() == ids(0, 3)
    mart.lost_answers = 1
    log.put(rows(3, 4))
    until(lambda: log.waiting == 0)
    assert mart.ids() == ids(0, 4)
    mart.failure = ServiceUnavailable("no answer")
    log.put(rows(4, 5))
    log.stop()
    assert "1 served predictions are lost" in caplog.text


def test_nothing_raises_into_a_request(log_of: Callable[..., PredictionLog], caplog: pytest.LogCaptureFixture) -> None:
    log = log_of()
    log.put([replace(ONE, input=None), None])  # type: ignore[arg-type, list-item]
    assert log.shed == 2
    assert "cannot be logged" in caplog.text


def test_a_long_input_is_logged_by_its_hash() -> None:
    long = "я" * (MOST_TEXT + 1)
    bounded = replace(ONE, input=long, output="[]").bounded()
    assert json.loads(bounded.input)["bytes"] == 2 * len(long)
    assert len(json.loads(bounded.input)["sha256"]) == 64
    assert bounded.output == "[]"
    at_most = replace(ONE, input="я" * MOST_TEXT)
    assert at_most.bounded() is at_most


def test_texts_and_times_are_stored_as_the_mart_can_hold_them() -> None:
    moscow = datetime(2026, 11, 21, 13, tzinfo=timezone(timedelta(hours=3)))
    odd = replace(ONE, entity_id="a\x00b", output="\ud800", served_at=moscow)
    (row,) = Batch([odd]).table().to_pylist()
    assert (row["entity_id"], row["output"], row["served_at"]) == ("a\\x00b", "?", datetime(2026, 11, 21, 10))
    (read,), damaged = read_lines(Batch([odd]).lines())
    assert (Batch([read]).table(), damaged) == (Batch([odd]).table(), [])

"""Files that wait for the mart: none stops the others, and none is left behind by a write that failed."""

import os
from pathlib import Path

import pytest
from test_prediction_log import Mart, files, ids, rows

from xflow.errors import ServiceUnavailable
from xflow.serving.durable import write_whole
from xflow.serving.prediction_log import PredictionLog


@pytest.fixture
def mart() -> Mart:
    return Mart()


def waiting(mart: Mart, folder: Path, batches: int) -> PredictionLog:
    """Return a log that is not started, with a file of two rows a batch."""
    mart.failure = ServiceUnavailable("no answer")
    log = PredictionLog(mart, folder / "log")
    for i in range(batches):
        log.put(rows(2 * i, 2 * i + 2))
        log._pass()
    mart.failure, log._next_try = None, 0.0
    assert (log.waiting, len(files(folder))) == (2 * batches, batches)
    return log


def test_a_file_that_somebody_took_away_is_counted_and_stops_nothing(
    mart: Mart, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = waiting(mart, tmp_path, batches=3)
    files(tmp_path)[0].unlink()
    log.put(rows(6, 7))
    log._pass()
    assert mart.ids() == ids(2, 7)
    assert (log.waiting, log.written, log.shed) == (0, 5, 2)
    assert "its 2 served predictions are lost" in caplog.text


def test_a_file_that_cannot_be_read_waits_while_those_behind_it_arrive(
    mart: Mart, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = waiting(mart, tmp_path, batches=2)
    first = files(tmp_path)[0]
    away = first.rename(first.with_suffix(".away"))
    first.mkdir()
    log._pass()
    log._pass()
    assert (mart.ids(), log.waiting, log.shed) == (ids(2, 4), 2, 0)
    assert caplog.text.count("waits until somebody mends it") == 1
    following = PredictionLog(mart, tmp_path / "log")  # nor does it keep a service from starting
    assert following.waiting == 0
    first.rmdir()
    away.rename(first)
    log._pass()
    assert (mart.ids(), log.waiting, files(tmp_path)) == ([*ids(2, 4), *ids(0, 2)], 0, [])


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "one.json", b"{}")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_service_did_not_finish_is_removed_at_the_start(mart: Mart, tmp_path: Path) -> None:
    log = waiting(mart, tmp_path, batches=1)
    (tmp_path / "log" / ".0001-abc.jsonl.new").write_bytes(b"half")
    assert PredictionLog(mart, tmp_path / "log").waiting == log.waiting == 2
    assert files(tmp_path, ".new") == [] == list((tmp_path / "log").glob(".*"))

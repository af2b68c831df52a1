"""What was served, on its way to the mart: collected in memory, written in the background, never in a request's way.

Every second the rows of that second become a batch. A batch that the mart does not take becomes a file on the
service's volume, and waits there, also for the next start: a killed service loses what came in since its last batch.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from xflow.errors import ContractViolated, XflowError
from xflow.serving.logged import Batch, LoggedPrediction, batches
from xflow.serving.waiting_files import WaitingFiles

__all__ = ["LoggedPrediction", "PredictionLog", "Sink"]

log = logging.getLogger("xflow.serving.log")

BATCH_ROWS = 5_000
LONGEST_PAUSE = 30.0
STOP_SECONDS = 10.0


class Sink(Protocol):
    """Where batches end; see `xflow.adapters.served_predictions.GreenplumServedPredictions`."""

    def write(self, batch_id: str, rows: pa.RecordBatch, *, again: bool) -> None:
        """Add a batch as a whole; one that is tried `again` may be there already, and is not added twice."""


class PredictionLog:
    """Takes served predictions and brings them to the mart, in their order.

    Parameters
    ----------
    sink
        The mart.
    folder
        Where batches wait for it.
    most_rows
        Rows that wait, in memory and files together; what comes in beyond them is dropped and counted.
    seconds
        How often rows are written.

    Attributes
    ----------
    written, shed, aside
        Rows in the mart, rows dropped, and rows that no mart can take, which are kept in files ``*.aside``; since the
        start.
    """

    def __init__(self, sink: Sink, folder: Path, most_rows: int = 20_000, seconds: float = 1.0) -> None:
        self._sink, self._most_rows, self._seconds = sink, most_rows, seconds
        self._files = WaitingFiles(folder)
        self._queue: deque[LoggedPrediction] = deque()
        self._batches: deque[Batch] = deque()
        self._changed = threading.Condition()
        self._ending = self._taken_over = False
        self._next_try, self._pause = 0.0, 0.0
        self._stuck: set[Path] = set()
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)
        self.written = self.shed = self.aside = 0

    @property
    def waiting(self) -> int:
        """How many rows wait for the mart."""
        return len(self._queue) + sum(len(batch.rows) for batch in list(self._batches)) + self._files.rows

    def start(self) -> None:
        """Begin to write, with what an earlier service left."""
        self._thread.start()

    def put(self, rows: Sequence[LoggedPrediction]) -> None:
        """Take rows; returns at once and raises nothing, as an answer does not depend on its log."""
        try:
            bounded = [row.bounded() for row in rows]
            with self._changed:
                room = 0 if self._ending else max(0, self._most_rows - self.waiting)
                self._queue.extend(bounded[:room])
                if len(bounded) > room:
                    self._drop(len(bounded) - room)
                if len(self._queue) >= BATCH_ROWS:
                    self._changed.notify()
        except Exception:
            log.exception("%d served predictions cannot be logged", len(rows))
            self.shed += len(rows)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Write what waits, to the mart or to files, within `seconds` and what the disk takes."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(seconds)
        # It may hang in a write: the files then hold that batch, too, and the next start looks whether the mart has it.
        with self._changed:
            self._taken_over = self._thread.is_alive()
        self._take()
        while self._batches and self._kept(self._batches[0]):
            self._batches.popleft()
        lost = sum(len(batch.rows) for batch in self._batches)
        if lost:
            log.error("%d served predictions are lost: neither the mart nor the disk took them", lost)
        if self._files.rows:
            log.warning("%d served predictions wait in files for the next start", self._files.rows)

    def _run(self) -> None:
        ending = False
        while not ending:
            with self._changed:
                self._changed.wait_for(lambda: self._ending or len(self._queue) >= BATCH_ROWS, self._seconds)
                ending = self._ending
            if ending:
                self._next_try = 0.0
            try:
                self._pass()
            except Exception:  # the next pass goes on with what is left
                log.exception("the log of served predictions failed")

    def _pass(self) -> None:
        """Bring everything on its way: files first, since they are older."""
        self._take()
        answers = time.monotonic() >= self._next_try and all(map(self._file_delivered, self._files.paths()))
        while self._batches and not self._taken_over:
            batch = self._batches[0]
            answers = answers and self._delivered(batch)
            if not (answers or self._kept(batch)):
                return
            with self._changed:
                if not self._taken_over:
                    self._batches.popleft()

    def _take(self) -> None:
        """Make batches of the rows that came in."""
        with self._changed:
            self._batches.extend(batches(list(self._queue), BATCH_ROWS))
            self._queue.clear()

    def _file_delivered(self, path: Path) -> bool:
        """Return whether a waiting batch is in the mart, or out of its way: no file stops those behind it."""
        try:
            return self._file_read(path)
        except FileNotFoundError:
            gone = self._files.forget(path)
            log.error("%s was taken away: its %d served predictions are lost", path, gone)  # noqa: TRY400  # its traceback says no more
            self.shed += gone
        except OSError as error:  # it may be in order again at the next pass
            if path not in self._stuck:
                log.warning("%s waits until somebody mends it: %s", path, error.strerror)
            self._stuck.add(path)
        return True

    def _file_read(self, path: Path) -> bool:
        batch, damaged = self._files.read(path)
        if damaged:
            aside = self._files.put_aside(f"{path.stem}-damaged", b"\n".join(damaged))
            log.error("%s: %d lines cannot be read; they are kept in %s", path.name, len(damaged), aside)
            self.aside += len(damaged)
        if self._taken_over or (batch.rows and not self._delivered(batch)):
            return False
        self._files.remove(path)
        return True

    def _delivered(self, batch: Batch) -> bool:
        """Return whether a batch is in the mart, or in a file aside as no mart can take it."""
        again, batch.tried = batch.tried, True
        try:
            self._sink.write(batch.id, batch.table(), again=again)
        except Exception as error:
            if isinstance(error, XflowError) and not isinstance(error, ContractViolated):
                self._wait(error)
                return False
            aside = self._files.put_aside(batch.id, batch.lines())
            log.exception("the mart refuses %d served predictions; they are kept in %s", len(batch.rows), aside)
            self.aside += len(batch.rows)
            return True
        if self._pause:
            log.info("the mart takes served predictions again")
        self._pause = 0.0
        self.written += len(batch.rows)
        return True

    def _wait(self, error: XflowError) -> None:
        """Leave the mart alone for a while, longer each time."""
        if not self._pause:
            log.warning("served predictions wait for the mart: %s: %s", type(error).__name__, error)
        self._pause = min(max(self._seconds, 2 * self._pause), LONGEST_PAUSE)
        self._next_try = time.monotonic() + self._pause

    def _kept(self, batch: Batch) -> bool:
        """Return whether a batch waits in a file now."""
        try:
            self._files.keep(batch)
        except OSError as error:
            log.warning("served predictions cannot wait in a file, and stay in memory: %s", error)
            return False
        return True

    def _drop(self, rows: int) -> None:
        if not self.shed:
            log.error("served predictions are dropped, as %d wait for the mart; xflow_log_shed_total counts them", rows)
        self.shed += rows

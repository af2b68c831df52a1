"""Batches that wait for the mart on the service's volume: a file each, whole or not there."""

import time
from pathlib import Path

from xflow.serving.durable import write_whole
from xflow.serving.logged import Batch, read_lines


class WaitingFiles:
    """A folder of waiting batches; one process at a time uses it.

    Parameters
    ----------
    folder
        What a service that ended left there waits again.

    Attributes
    ----------
    rows
        How many wait.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for unfinished in folder.glob(".*.new"):  # of a service that was killed
            unfinished.unlink(missing_ok=True)
        self._rows = {path: _lines(path) for path in sorted(folder.glob("*.jsonl"))}
        self.rows = sum(self._rows.values())

    def paths(self) -> list[Path]:
        """Return the files, oldest first."""
        return list(self._rows)

    def keep(self, batch: Batch) -> None:
        """Let a batch wait; raises OSError where the disk refuses."""
        path = self._folder / f"{time.time_ns():020d}-{batch.id}.jsonl"
        write_whole(path, batch.lines())
        self._rows[path] = len(batch.rows)
        self.rows += len(batch.rows)

    def read(self, path: Path) -> tuple[Batch, list[bytes]]:
        """Return a waiting batch, and the lines of its file that cannot be read."""
        rows, damaged = read_lines(path.read_bytes())
        return Batch(rows, id=path.stem.partition("-")[2] or path.stem, tried=True), damaged

    def put_aside(self, name: str, lines: bytes) -> Path:
        """Keep what the mart cannot take, for a person to look at; return the file."""
        path = self._folder / f"{name}.aside"
        write_whole(path, lines)
        return path

    def remove(self, path: Path) -> None:
        """Take away a batch that the mart has."""
        path.unlink()
        self.forget(path)

    def forget(self, path: Path) -> int:
        """Wait no more for a file; return how many rows it had."""
        rows = self._rows.pop(path)
        self.rows -= rows
        return rows


def _lines(path: Path) -> int:
    """Return how many rows a file has; none where it cannot be read, which its turn tells."""
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0

"""How a series lies in feature tuples, and the checksum of a feature set."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xflow.ports import SeriesBlock

PART_BYTES = 256 * 1024
"""Largest packed run of values, or of exogenous values, in one tuple. Tarantool refuses tuples past 1 MiB."""

Part = tuple[int, str, int, int, int, int, bytes, bytes]


class Checksum:
    """Count, rows and sha256 of a feature set, the same in whatever order its series come.

    The digests of the facts and of every series are added modulo 2**256 (Bellare and Micciancio's
    AdHash), which takes the memory of one digest however many series there are.
    """

    def __init__(self, facts: Mapping[str, str]) -> None:
        self.series = 0
        self.rows = 0
        self._sum = 0
        self._add(json.dumps(dict(facts), sort_keys=True).encode())

    def add(self, block: SeriesBlock) -> None:
        """Count one series in."""
        name = block.series_id.encode()
        values, exogenous = pack(block.values), pack(block.exogenous)
        head = f"{len(name)} {block.start} {len(values)} {block.exogenous.shape[1]} {block.origin_row_id} "
        self.series += 1
        self.rows += len(block.values)
        self._add(head.encode(), name, values, exogenous)

    def hexdigest(self) -> str:
        """Return the checksum as 64 hexadecimal digits."""
        return f"{self._sum:064x}"

    def _add(self, *parts: bytes) -> None:
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        self._sum = (self._sum + int.from_bytes(digest.digest(), "big")) % 2**256


def pack(values: npt.NDArray[np.float64]) -> bytes:
    """Return values as little-endian float64, row by row."""
    return np.ascontiguousarray(values, dtype="<f8").tobytes()


def split(generation: int, block: SeriesBlock) -> Iterator[Part]:
    """Yield the tuples of one series: one, or several when it is long."""
    values, exogenous = pack(block.values), pack(block.exogenous)
    longest = max(len(values), len(exogenous), 1)
    for part, at in enumerate(range(0, longest, PART_BYTES), start=1):
        cut = slice(at, at + PART_BYTES)
        yield (
            generation,
            block.series_id,
            part,
            int(block.start),
            int(block.exogenous.shape[1]),
            int(block.origin_row_id),
            values[cut],
            exogenous[cut],
        )


def join(parts: Iterable[Sequence[Any]]) -> Iterator[SeriesBlock]:
    """Put series together again from tuples sorted by series id and part; texts may be bytes."""
    pending: list[Sequence[Any]] = []
    for part in parts:
        if pending and part[1] != pending[0][1]:
            yield _unpack(pending)
            pending = []
        pending.append(part)
    if pending:
        yield _unpack(pending)


def _unpack(parts: Sequence[Sequence[Any]]) -> SeriesBlock:
    _, name, _, start, columns, origin, *_ = parts[0]
    values = np.frombuffer(b"".join(part[6] for part in parts), dtype="<f8")
    exogenous = np.frombuffer(b"".join(part[7] for part in parts), dtype="<f8")
    rows = len(exogenous) // columns if columns else 0
    return SeriesBlock(
        series_id=name.decode() if isinstance(name, bytes) else name,
        start=start,
        values=values,
        exogenous=exogenous.reshape(rows, columns),
        origin_row_id=origin,
    )

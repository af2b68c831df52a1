"""How a series lies in feature tuples, and the checksum of a feature set."""

import hashlib
import itertools
import json
import operator
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from xflow.ports import SeriesBlock

PART_BYTES = 256 * 1024
"""Largest packed run of values, or of exogenous values, in one tuple. Tarantool refuses tuples past 1 MiB."""

FLOAT = np.dtype("<f8")
HEAD = struct.Struct("<5q")

Part = tuple[int, bytes, int, int, int, int, bytes, bytes]
"""generation, series id, number from 1 on, start, exogenous columns, origin row id, values, exogenous"""


class Packed(NamedTuple):
    """A series in bytes; `columns` is the number of exogenous columns."""

    name: bytes
    start: int
    columns: int
    origin: int
    values: bytes
    exogenous: bytes


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

    def add(self, series: Packed) -> None:
        """Count one series in."""
        name, start, columns, origin, values, exogenous = series
        self.series += 1
        self.rows += len(values) // 8
        self._add(HEAD.pack(len(name), start, len(values), columns, origin) + name + values + exogenous)

    def hexdigest(self) -> str:
        """Return the checksum as 64 hexadecimal digits."""
        return f"{self._sum % 2**256:064x}"

    def _add(self, content: bytes) -> None:
        self._sum += int.from_bytes(hashlib.sha256(content).digest(), "big")


def pack(block: SeriesBlock) -> Packed:
    """Return a series with its numbers as little-endian float64, row by row."""
    exogenous = block.exogenous
    return Packed(
        block.series_id.encode(),
        int(block.start),
        exogenous.shape[1],
        int(block.origin_row_id),
        block.values.astype(FLOAT, copy=False).tobytes(),
        exogenous.astype(FLOAT, copy=False).tobytes() if exogenous.size else b"",
    )


def unpack(series: Packed) -> SeriesBlock:
    """Return the series that `pack` was given; its arrays are read-only."""
    exogenous = np.frombuffer(series.exogenous, dtype=FLOAT)
    rows = len(exogenous) // series.columns if series.columns else 0
    return SeriesBlock(
        series_id=series.name.decode(),
        start=series.start,
        values=np.frombuffer(series.values, dtype=FLOAT),
        exogenous=exogenous.reshape(rows, series.columns),
        origin_row_id=series.origin,
    )


def split(generation: int, series: Packed) -> list[Part]:
    """Return the tuples of one series: one, or several when it is long."""
    name, start, columns, origin, values, exogenous = series
    longest = max(len(values), len(exogenous))
    if longest <= PART_BYTES:
        return [(generation, name, 1, start, columns, origin, values, exogenous)]
    cuts = [slice(at, at + PART_BYTES) for at in range(0, longest, PART_BYTES)]
    return [
        (generation, name, part, start, columns, origin, values[cut], exogenous[cut])
        for part, cut in enumerate(cuts, start=1)
    ]


def join(parts: Iterable[Part]) -> Iterator[Packed]:
    """Put series together again from tuples sorted by series id and part."""
    for _, group in itertools.groupby(parts, key=operator.itemgetter(1)):
        first, *rest = group
        _, name, _, start, columns, origin, values, exogenous = first
        if rest:
            values = b"".join([values, *(part[6] for part in rest)])
            exogenous = b"".join([exogenous, *(part[7] for part in rest)])
        yield Packed(name, start, columns, origin, values, exogenous)

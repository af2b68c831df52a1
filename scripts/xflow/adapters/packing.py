"""How a series or a record lies in feature tuples, and the checksum of a feature set."""

import hashlib
import itertools
import json
import operator
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from xflow.domain.vacancies.records import LAYOUT, RECORDS, RecordBlock
from xflow.errors import ConfigInvalid
from xflow.ports import Block, SeriesBlock

PART_BYTES = 256 * 1024
"""Largest packed run of values, or of exogenous values, in one tuple. Tarantool refuses tuples past 1 MiB."""

SERIES = "series"
FLOAT = np.dtype("<f8")
HEAD = struct.Struct("<5q")
GAP = struct.Struct("<q")

Part = tuple[int, bytes, int, int, int, int, bytes, bytes] | tuple[int, bytes, int, int, int, int, bytes, bytes, int]
"""generation, series id, number from 1 on, start, exogenous columns, origin row id, values, exogenous; and the steps of
the gap before the start, where there is one"""


class Packed(NamedTuple):
    """A series in bytes; `columns` is the number of exogenous columns.

    A record lies in the same fields: its numbers are the values, and its texts, as a JSON list, the
    exogenous ones.
    """

    name: bytes
    start: int
    columns: int
    origin: int
    values: bytes
    exogenous: bytes
    gap: int = 0


class Checksum:
    """Count, rows and sha256 of a feature set, the same in whatever order its series come.

    The digests of the facts and of every series are added modulo 2**256 (Bellare and Micciancio's
    AdHash), which takes the memory of one digest however many series there are. Facts whose names begin
    with ``_`` say where a set comes from and are left out.
    """

    def __init__(self, facts: Mapping[str, str]) -> None:
        self.entities = 0
        self.rows = 0
        self._records = facts.get(LAYOUT) == RECORDS
        self._sum = 0
        content = {name: fact for name, fact in facts.items() if not name.startswith("_")}
        self._add(json.dumps(content, sort_keys=True).encode())

    def add(self, series: Packed) -> None:
        """Count one series or record in; a record is one row."""
        name, start, columns, origin, values, exogenous, gap = series
        self.entities += 1
        self.rows += 1 if self._records else len(values) // 8
        self._add(HEAD.pack(len(name), start, len(values), columns, origin) + name + values + exogenous + _gap(gap))

    def hexdigest(self) -> str:
        """Return the checksum as 64 hexadecimal digits."""
        return f"{self._sum % 2**256:064x}"

    def _add(self, content: bytes) -> None:
        self._sum += int.from_bytes(hashlib.sha256(content).digest(), "big")


def pack(facts: Mapping[str, str], block: Block) -> Packed:
    """Return a block with its numbers as little-endian float64, row by row.

    Raises
    ------
    ConfigInvalid
        The block is not of the layout that the facts name.
    """
    layout = RECORDS if isinstance(block, RecordBlock) else SERIES
    if layout != _layout(facts):
        raise ConfigInvalid(f"a block of {layout} in a feature set of {_layout(facts)}: write one layout a set")
    return _pack_record(block) if isinstance(block, RecordBlock) else _pack_series(block)


def unpack(facts: Mapping[str, str], packed: Packed) -> Any:
    """Return the block that `pack` was given; its arrays are read-only."""
    return _unpack_record(packed) if _layout(facts) == RECORDS else _unpack_series(packed)


def _layout(facts: Mapping[str, str]) -> str:
    layout = facts.get(LAYOUT, SERIES)
    if layout not in {SERIES, RECORDS}:
        raise ConfigInvalid(f"feature sets of layout {layout!r} are unknown: it is {SERIES} or {RECORDS}")
    return layout


def _pack_record(block: RecordBlock) -> Packed:
    texts = json.dumps(block.texts, ensure_ascii=False).encode()
    numbers = block.numbers.astype(FLOAT, copy=False).tobytes()
    return Packed(block.entity_id.encode(), 0, 0, int(block.row_id), numbers, texts)


def _unpack_record(packed: Packed) -> RecordBlock:
    return RecordBlock(
        entity_id=packed.name.decode(),
        row_id=packed.origin,
        numbers=np.frombuffer(packed.values, dtype=FLOAT),
        texts=tuple(json.loads(packed.exogenous)),
    )


def _pack_series(block: SeriesBlock) -> Packed:
    exogenous = block.exogenous
    return Packed(
        block.series_id.encode(),
        int(block.start),
        exogenous.shape[1],
        int(block.origin_row_id),
        block.values.astype(FLOAT, copy=False).tobytes(),
        exogenous.astype(FLOAT, copy=False).tobytes() if exogenous.size else b"",
        int(block.gap),
    )


def _unpack_series(series: Packed) -> SeriesBlock:
    exogenous = np.frombuffer(series.exogenous, dtype=FLOAT)
    rows = len(exogenous) // series.columns if series.columns else 0
    return SeriesBlock(
        series_id=series.name.decode(),
        start=series.start,
        values=np.frombuffer(series.values, dtype=FLOAT),
        exogenous=exogenous.reshape(rows, series.columns),
        origin_row_id=series.origin,
        gap=series.gap,
    )


def _gap(gap: int) -> bytes:
    """Return what the checksum takes of a gap: nothing where there is none, as in the sets of earlier versions."""
    return GAP.pack(gap) if gap else b""


def split(generation: int, series: Packed) -> list[Part]:
    """Return the tuples of one series: one, or several when it is long."""
    name, start, columns, origin, values, exogenous, gap = series
    after = (gap,) if gap else ()
    longest = max(len(values), len(exogenous))
    if longest <= PART_BYTES:
        return [(generation, name, 1, start, columns, origin, values, exogenous, *after)]
    cuts = [slice(at, at + PART_BYTES) for at in range(0, longest, PART_BYTES)]
    return [
        (generation, name, part, start, columns, origin, values[cut], exogenous[cut], *after)
        for part, cut in enumerate(cuts, start=1)
    ]


def join(parts: Iterable[Part]) -> Iterator[Packed]:
    """Put series together again from tuples sorted by series id and part."""
    for _, group in itertools.groupby(parts, key=operator.itemgetter(1)):
        first, *rest = group
        _, name, _, start, columns, origin, values, exogenous, *after = first
        if rest:
            values = b"".join([values, *(part[6] for part in rest)])
            exogenous = b"".join([exogenous, *(part[7] for part in rest)])
        yield Packed(name, start, columns, origin, values, exogenous, *after)

"""The contract of an input: which rows are accepted, and which rule each other row breaks.

The rules are vectorised over Arrow batches rather than stated in pandera: they judge rows by other rows
of the same series (duplicates, gaps, length), of which a data frame schema would need all in memory.

Rows are judged one by one first; what is left of a series is judged as a whole, by its values up to
`as_of` alone, so that later rows cannot change what is learnt from earlier ones.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from xflow.columns import SERIES_ID, TIMESTAMP, VALUE
from xflow.domain.panel import step_of


class Rule(IntEnum):
    """What can be wrong with a row; of several, the first is reported. The codes are stored: never reuse one."""

    ACCEPTED = 0
    SERIES_ID_MISSING = 1
    SERIES_ID_NUL = 2
    TIMESTAMP_MISSING = 3
    TIMESTAMP_OUT_OF_RANGE = 4
    OFF_GRID = 5
    VALUE_NOT_FINITE = 6
    EXOGENOUS_NOT_FINITE = 7
    DUPLICATE = 8
    CONFLICT = 9
    VALUE_MISSING = 10
    GAP_TOO_LONG = 11
    SERIES_TOO_SHORT = 12

    @property
    def label(self) -> str:
        """The rule's name in tables and messages."""
        return self.name.lower()


COLUMN = {
    Rule.SERIES_ID_MISSING: SERIES_ID,
    Rule.SERIES_ID_NUL: SERIES_ID,
    Rule.VALUE_NOT_FINITE: VALUE,
    Rule.VALUE_MISSING: VALUE,
}
"""The column that a rule is about, where that is neither the timestamp nor an exogenous column."""

ADVICE = {
    Rule.SERIES_ID_MISSING: "give every row a series id",
    Rule.SERIES_ID_NUL: "remove NUL characters from the series id",
    Rule.TIMESTAMP_MISSING: "give every row a timestamp",
    Rule.TIMESTAMP_OUT_OF_RANGE: "timestamps lie from 1678 to 2261; look for a wrong unit",
    Rule.OFF_GRID: "timestamps are the first moment of a period of contract.frequency, as 2024-01-01 00:00 for M, "
    "in UTC when they carry a zone",
    Rule.VALUE_NOT_FINITE: "leave out rows whose value is NaN or infinite",
    Rule.EXOGENOUS_NOT_FINITE: "fill null, NaN and infinite exogenous values",
    Rule.DUPLICATE: "write each row once; the first copy was accepted",
    Rule.CONFLICT: "one series has different values at one timestamp: keep the right one",
    Rule.VALUE_MISSING: "only rows after a series' last value may have a null value, and only with exogenous columns",
    Rule.GAP_TOO_LONG: "bring the missing rows, or raise contract.max_gap",
    Rule.SERIES_TOO_SHORT: "bring more history up to as_of, or lower contract.min_length",
}

_FUTURE = 255  # while judging: the value is null, which is right after the series' last value
_NEVER = np.iinfo(np.int64).min
_EARLIEST, _LATEST = (np.datetime64(day, "s").astype(np.int64) for day in ("1678-01-01", "2262-01-01"))

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of every row.

    Attributes
    ----------
    codes
        A `Rule` a row, uint8, in the order in which the rows were added.
    series
        Number of series with an accepted row.
    oldest, newest
        Period ordinals of the oldest and newest row with a value among those that were right by
        themselves; None when there is none.
    """

    codes: npt.NDArray[np.uint8]
    series: int
    oldest: int | None
    newest: int | None

    @property
    def accepted(self) -> int:
        """Number of accepted rows."""
        return int(np.count_nonzero(self.codes == Rule.ACCEPTED))

    @property
    def rejected(self) -> dict[str, int]:
        """Number of rejected rows by rule, for the rules that were broken."""
        counts = np.bincount(self.codes, minlength=len(Rule))
        return {rule.label: int(counts[rule]) for rule in Rule if rule and counts[rule]}


class ContractChecker:
    """Judges rows that come in batches; keeps 21 bytes a row until `finish`.

    Parameters
    ----------
    frequency
        Pandas period alias. For a multiple as ``15min`` a series' grid is the one on which most of
        its rows lie.
    exogenous
        Names of the exogenous columns. Without any a null value is always wrong.
    max_gap
        Longest run of missing steps within a series.
    min_length
        Shortest series in steps, filled gaps included; 0 takes any.
    as_of
        Period ordinal up to which series are judged (inclusive); None for the newest value.
    """

    def __init__(
        self,
        frequency: str,
        *,
        exogenous: tuple[str, ...] = (),
        max_gap: int = 0,
        min_length: int = 0,
        as_of: int | None = None,
    ) -> None:
        self._frequency, self._step, self._exogenous = frequency, step_of(frequency), exogenous
        self._max_gap, self._min_length, self._as_of = max_gap, min_length, as_of
        self._ids: dict[str | None, int] = {}
        self._parts: list[list[npt.NDArray[np.generic]]] = [[], [], [], []]

    def add(self, batch: pa.RecordBatch) -> None:
        """Judge the rows of a canonical batch one by one; see `InputColumns.canonical`."""
        codes = np.zeros(batch.num_rows, dtype=np.uint8)
        series = self._series(batch.column(SERIES_ID), codes)
        ordinals = self._ordinals(batch.column(TIMESTAMP), codes)
        values = batch.column(VALUE)
        null = values.is_null().to_numpy(zero_copy_only=False)
        floats = values.to_numpy(zero_copy_only=False)
        _mark(codes, ~np.isfinite(floats) & ~null, Rule.VALUE_NOT_FINITE)
        content = (floats + 0.0).view(np.uint64)
        for name in self._exogenous:
            column = batch.column(name).to_numpy(zero_copy_only=False)
            _mark(codes, ~np.isfinite(column), Rule.EXOGENOUS_NOT_FINITE)
            content = _mixed(content, (column + 0.0).view(np.uint64))
        codes[null & (codes == Rule.ACCEPTED)] = _FUTURE if self._exogenous else Rule.VALUE_MISSING
        for parts, column in zip(self._parts, (series, ordinals, content, codes)):
            parts.append(column)

    def finish(self) -> Verdict:
        """Judge the series and return the verdict of every row."""
        series, ordinals, content, codes = (_joined(parts) for parts in self._parts)
        if self._step > 1:
            self._reject_off_phase(series, ordinals, codes)
        order = np.flatnonzero(_alive(codes))
        order = order[np.lexsort((ordinals[order], series[order]))]
        if _reject_duplicates(order, series, ordinals, content, codes):
            order = order[_alive(codes[order])]
        valued = order[codes[order] == Rule.ACCEPTED]
        times = ordinals[valued]
        oldest, newest = (int(times.min()), int(times.max())) if len(times) else (None, None)
        as_of = self._as_of if self._as_of is not None else newest
        if as_of is not None:
            past = valued[times <= as_of]
            self._judge_future(order[codes[order] == _FUTURE], valued, past, series, ordinals, codes)
            self._judge_series(past, series, ordinals, codes)
        codes[codes == _FUTURE] = Rule.VALUE_MISSING  # no value at all
        used = int(np.count_nonzero(np.bincount(series[codes == Rule.ACCEPTED])))
        return Verdict(codes, used, oldest, newest)

    def _series(self, column: pa.Array, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
        """Return the number of each row's series, -1 where there is none."""
        encoded = column.dictionary_encode()
        ids = encoded.dictionary
        numbers = [self._ids.setdefault(name, len(self._ids)) for name in ids.to_pylist()]
        absent = pc.equal(pc.binary_length(ids), 0).to_numpy(zero_copy_only=False)
        nul = pc.match_substring(ids, "\0").to_numpy(zero_copy_only=False)
        places = encoded.indices.fill_null(len(numbers)).to_numpy()
        _mark(codes, np.append(absent, True)[places], Rule.SERIES_ID_MISSING)
        _mark(codes, np.append(nul, False)[places], Rule.SERIES_ID_NUL)
        return np.array([*numbers, -1], dtype=np.int32)[places]

    def _ordinals(self, column: pa.Array, codes: npt.NDArray[np.uint8]) -> Ints:
        """Return the period ordinal of each row's timestamp, 0 where it is unusable.

        A timestamp is on the grid when the moment before it lies in another period.
        """
        encoded = column.dictionary_encode()
        times = encoded.dictionary.to_numpy(zero_copy_only=False)
        unit = np.datetime_data(times.dtype)[0]
        second = int(np.timedelta64(1, "s") / np.timedelta64(1, unit))
        stamps = times.view(np.int64)
        out = (stamps < _EARLIEST * second) | (stamps >= _LATEST * second)
        times = np.where(out, np.datetime64(0, unit), times)
        found = to_ordinals(times, self._frequency)
        off = found == to_ordinals(times - np.timedelta64(1, unit), self._frequency)
        places = encoded.indices.fill_null(len(times)).to_numpy()
        _mark(codes, places == len(times), Rule.TIMESTAMP_MISSING)
        _mark(codes, np.append(out, False)[places], Rule.TIMESTAMP_OUT_OF_RANGE)
        _mark(codes, np.append(off, False)[places], Rule.OFF_GRID)
        return np.append(found, 0)[places]

    def _reject_off_phase(self, series: Ints, ordinals: Ints, codes: npt.NDArray[np.uint8]) -> None:
        """Reject the rows off the grid of most of their series' rows; those up to `as_of` decide first."""
        alive = np.flatnonzero(_alive(codes))
        phases = ordinals[alive] % self._step
        past = True if self._as_of is None else ordinals[alive] <= self._as_of
        cells = series[alive].astype(np.int64) * self._step + phases
        votes = np.bincount(cells, np.where(past, 1.0, 1e-9), minlength=len(self._ids) * self._step)
        chosen = votes.reshape(-1, self._step).argmax(axis=1)
        codes[alive[phases != chosen[series[alive]]]] = Rule.OFF_GRID

    def _judge_future(
        self, null: Ints, valued: Ints, past: Ints, series: Ints, ordinals: Ints, codes: npt.NDArray[np.uint8]
    ) -> None:
        """Accept the rows without a value that lie after their series' last value."""
        last = np.full(len(self._ids), np.iinfo(np.int64).max)
        for rows in (valued, past):  # in the order of time: the last assignment stays
            last[series[rows]] = ordinals[rows]
        codes[null] = np.where(ordinals[null] > last[series[null]], Rule.ACCEPTED, Rule.VALUE_MISSING)

    def _judge_series(self, past: Ints, series: Ints, ordinals: Ints, codes: npt.NDArray[np.uint8]) -> None:
        """Reject series with too long a gap, or too short, by their values up to `as_of`."""
        names, times = series[past], ordinals[past]
        broken = (np.diff(times) > (self._max_gap + 1) * self._step) & (np.diff(names) == 0)
        first, last = (np.full(len(self._ids), _NEVER) for _ in range(2))
        last[names], first[names[::-1]] = times, times[::-1]
        steps = np.where(last == _NEVER, 0, (last - first) // self._step + 1)
        verdict = np.where(steps < self._min_length, Rule.SERIES_TOO_SHORT, Rule.ACCEPTED).astype(np.uint8)
        verdict[names[1:][broken]] = Rule.GAP_TOO_LONG
        if verdict.any():
            left = np.flatnonzero(codes == Rule.ACCEPTED)
            codes[left] = verdict[series[left]]


def to_ordinals(times: npt.NDArray[np.datetime64], frequency: str) -> Ints:
    """Return the ordinals of the periods that hold the times; no NaT."""
    return np.asarray(pd.DatetimeIndex(times).to_period(frequency).asi8)


def _mark(codes: npt.NDArray[np.uint8], broken: npt.NDArray[np.bool_], rule: Rule) -> None:
    codes[broken & (codes == Rule.ACCEPTED)] = rule


def _alive(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return (codes == Rule.ACCEPTED) | (codes == _FUTURE)


def _joined(parts: list[npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
    """Concatenate and forget the parts, so that one column at most is held twice."""
    joined = np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint8)
    parts.clear()
    return joined


def _mixed(content: npt.NDArray[np.uint64], more: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Fold one more column into the number by which duplicates are compared (multiply, xor, shift)."""
    mixed = (content ^ (content >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    return mixed ^ (more + (mixed >> np.uint64(32)))


def _reject_duplicates(order: Ints, series: Ints, ordinals: Ints, content: Ints, codes: npt.NDArray[np.uint8]) -> bool:
    """Reject copies after the first, and every row of a series and timestamp with different contents."""
    names, times = series[order], ordinals[order]
    copies = np.flatnonzero((np.diff(names) == 0) & (np.diff(times) == 0)) + 1
    if not len(copies):
        return False
    starts = np.ones(len(order), dtype=bool)
    starts[copies] = False
    group = np.cumsum(starts)
    differs = content[order[copies]] != content[order[copies - 1]]
    codes[order[copies]] = Rule.DUPLICATE
    codes[order[np.isin(group, group[copies[differs]])]] = Rule.CONFLICT
    return True

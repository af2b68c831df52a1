"""The contract of an input: which rows are accepted, and which rule each other row breaks.

The rules are vectorised over Arrow batches rather than stated in pandera: they judge rows by other rows
of the same series (duplicates, gaps, length), of which a data frame schema would need all in memory.
"""

from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from xflow.columns import SERIES_ID, TIMESTAMP, VALUE
from xflow.domain.beyond import last_of_the_rest, told
from xflow.domain.object_columns import UNREADABLE
from xflow.domain.panel import period_starts, step_of
from xflow.domain.rules import Rule
from xflow.domain.series_rules import FUTURE, Codes, Flags, Numbers, Ordinals, Places, Rows, kept
from xflow.domain.verdict import Verdict

_EARLIEST, _LATEST = (int(np.datetime64(day, "s").astype(np.int64)) for day in ("1678-01-01", "2262-01-01"))

FEW = 0.1
"""Largest share of the accepted rows that can lie far beyond the rest."""

HOLE = 3
"""Steps without any value, besides those of the longest gap, after which a few rows lie far beyond the rest."""

EXAMPLES = 5

LARGEST = 1e100
"""Largest absolute value: sums of squares of as many as there can be stay finite."""


class ContractChecker:
    """Judges rows that come in batches; keeps 21 bytes a row until `finish`.

    Rows are judged one by one as they come; what is left of a series is judged as a whole at the
    end, by its values up to `as_of` alone, so that later rows cannot change what is learnt from
    earlier ones.

    Parameters
    ----------
    frequency
        Pandas period alias. For a multiple as ``15min`` a series' grid is the one on which most of
        its rows lie.
    exogenous
        Names of the exogenous columns. Without any a null value is always wrong; with some, rows
        after a series' last value may have none.
    max_gap
        Longest run of missing steps within a series.
    reject_gaps
        Whether a longer one rejects the series; else its history is cut there when it is read.
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
        reject_gaps: bool = True,
        min_length: int = 0,
        as_of: int | None = None,
    ) -> None:
        self._frequency, self._step, self._exogenous = frequency, step_of(frequency), exogenous
        self._max_gap, self._min_length, self._as_of = max_gap, min_length, as_of
        self._reject_gaps = reject_gaps
        self._ids: dict[str, int] = {}
        self._parts: list[Rows] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Judge the rows of a canonical batch one by one; see `InputColumns.canonical`."""
        codes = np.zeros(batch.num_rows, dtype=np.uint8)
        series = self._series(batch.column(SERIES_ID), codes)
        if UNREADABLE in batch.schema.names:
            _mark(codes, batch.column(UNREADABLE).is_valid().to_numpy(zero_copy_only=False), Rule.TIMESTAMP_UNREADABLE)
        ordinals = self._ordinals(batch.column(TIMESTAMP), codes)
        null: Flags = batch.column(VALUE).is_null().to_numpy(zero_copy_only=False)
        values = _floats(batch, VALUE)
        _mark(codes, ~np.isfinite(values) & ~null, Rule.VALUE_NOT_FINITE)
        _mark(codes, np.abs(values) > LARGEST, Rule.VALUE_TOO_LARGE)
        content = values.view(np.uint64)
        for name in self._exogenous:
            column = _floats(batch, name)
            _mark(codes, ~np.isfinite(column), Rule.EXOGENOUS_NOT_FINITE)
            content = _mixed(content, column.view(np.uint64))
        codes[null & (codes == Rule.ACCEPTED)] = FUTURE if self._exogenous else Rule.VALUE_MISSING
        self._parts.append(Rows(series, ordinals, content, codes))

    def finish(self) -> Verdict:
        """Judge the series and return the verdict of every row."""
        rows = Rows.joined(self._parts)
        n_series = len(self._ids)
        if self._step > 1:
            rows.reject_off_phase(self._step, n_series, self._as_of)
        order = rows.reject_duplicates(rows.in_order())
        valued = kept(order, rows.codes[order] == Rule.ACCEPTED)
        past = valued if self._as_of is None else kept(valued, rows.ordinals[valued] <= self._as_of)
        rows.judge_future(order[rows.codes[order] == FUTURE], valued, past, n_series)
        longest = self._max_gap if self._reject_gaps else None
        rows.judge_series(past, n_series, self._step, longest, self._min_length)
        used = np.bincount(rows.series[rows.codes == Rule.ACCEPTED])
        oldest, newest, notes = self._bounds(rows, kept(valued, rows.codes[valued] == Rule.ACCEPTED))
        return Verdict(rows.codes, Rule, int(np.count_nonzero(used)), oldest, newest, notes=notes)

    def _bounds(self, rows: Rows, accepted: Places) -> tuple[datetime | None, datetime | None, tuple[str, ...]]:
        """Return the first and last time of accepted values, and what to tell of those far beyond the rest."""
        times = rows.ordinals[accepted]
        if not len(times):
            return None, None, ()
        rest = last_of_the_rest(times, rows.series[accepted], (max(self._max_gap, HOLE) + 1) * self._step, FEW)
        oldest, newest = self._start(times.min()), self._start(times.max() if rest is None else np.int64(rest))
        if rest is None:
            return oldest, newest, ()
        far = accepted[times > rest]
        names, first = list(self._ids), far[:EXAMPLES]
        examples = [f"{names[rows.series[i]]!r} at {self._start(rows.ordinals[i]):%Y-%m-%d %H:%M}" for i in first]
        return oldest, newest, (told("series", len(far), len(times), examples, f"{newest:%Y-%m-%d %H:%M}"),)

    def _start(self, ordinal: np.int64) -> datetime:
        return pd.Timestamp(period_starts(np.array([ordinal]), self._frequency)[0]).to_pydatetime()

    def _series(self, column: pa.Array, codes: Codes) -> Numbers:
        """Return the number of each row's series, -1 where there is none."""
        encoded = column.dictionary_encode()
        ids = encoded.dictionary
        numbers = [self._ids.setdefault(name, len(self._ids)) for name in ids.to_pylist()]
        empty = pc.equal(pc.binary_length(ids), 0).to_numpy(zero_copy_only=False)
        nul = pc.match_substring(ids, "\0").to_numpy(zero_copy_only=False)
        places = encoded.indices.fill_null(len(numbers)).to_numpy()
        _mark(codes, np.append(empty, True)[places], Rule.SERIES_ID_MISSING)
        _mark(codes, np.append(nul, False)[places], Rule.SERIES_ID_NUL)
        return np.asarray(np.array([*numbers, -1], dtype=np.int32)[places])

    def _ordinals(self, column: pa.Array, codes: Codes) -> Ordinals:
        """Return the period ordinal of each row's timestamp, 0 where it is unusable.

        A timestamp is on the grid when the moment before it lies in another period.
        """
        encoded = column.dictionary_encode()
        times: npt.NDArray[np.datetime64] = encoded.dictionary.to_numpy(zero_copy_only=False)
        unit = np.datetime_data(times.dtype)[0]
        second = int(np.timedelta64(1, "s") / np.timedelta64(1, unit))
        stamps = times.view(np.int64)
        out = (stamps < _EARLIEST * second) | (stamps >= _LATEST * second)
        stamps = np.where(out, 0, stamps)
        found, before = (to_ordinals(moment.view(times.dtype), self._frequency) for moment in (stamps, stamps - 1))
        places = encoded.indices.fill_null(len(times)).to_numpy()
        _mark(codes, places == len(times), Rule.TIMESTAMP_MISSING)
        _mark(codes, np.append(out, False)[places], Rule.TIMESTAMP_OUT_OF_RANGE)
        _mark(codes, np.append(found == before, False)[places], Rule.OFF_GRID)
        return np.asarray(np.append(found, 0)[places])


def to_ordinals(times: npt.NDArray[np.datetime64], frequency: str) -> Ordinals:
    """Return the ordinals of the periods that hold the times, int64, in their shape; no NaT."""
    return np.asarray(pd.DatetimeIndex(times).to_period(frequency).asi8)


def _mark(codes: Codes, broken: Flags, rule: Rule) -> None:
    codes[broken & (codes == Rule.ACCEPTED)] = rule


def _floats(batch: pa.RecordBatch, name: str) -> npt.NDArray[np.float64]:
    """Return a column with NaN for null, and without negative zeros, which differ in their bits."""
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False) + 0.0)


def _mixed(content: npt.NDArray[np.uint64], more: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Fold one more column into the number by which duplicates are compared (multiply, xor, shift)."""
    mixed = (content ^ (content >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    return np.asarray(mixed ^ (more + (mixed >> np.uint64(32))))

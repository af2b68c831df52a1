"""The contract of flat vacancies: which rows are accepted, and which rule each other row breaks.

Values that the API may add any day (areas, roles, kinds of employment), a missing employer, Latin text
and emoji are all accepted.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from xflow.columns import RESPONSIBILITY, SNAPSHOT_AT, VACANCY_ID
from xflow.domain.beyond import last_of_the_rest, told
from xflow.domain.object_columns import UNREADABLE
from xflow.domain.vacancies.rules import COLUMN, LABELS, NOTED, VacancyRule
from xflow.domain.vacancies.salary import ROUBLE, currency_code, monthly, out_of_range, stated
from xflow.domain.vacancies.text import clean
from xflow.domain.verdict import Verdict
from xflow.schema import VACANCY_SCHEMA

LONGEST_TEXT = 1_000_000
AHEAD = np.timedelta64(1, "D").astype("m8[us]").astype(np.int64)
"""How far a clock may be ahead of the snapshot's, in microseconds."""

FEW = 0.05
"""Largest share of the accepted rows whose snapshots can lie far beyond the rest."""

HOLE = int(np.timedelta64(300, "D").astype("m8[us]").astype(np.int64))
"""Time without any snapshot after which a few lie far beyond the rest, in microseconds: a year mistyped, by 1 even."""

EXAMPLES = 5

Codes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Ticks = npt.NDArray[np.int64]

_TEXTS = [field.name for field in VACANCY_SCHEMA if pa.types.is_string(field.type)]
_SAID = [name for name in _TEXTS if not name.startswith("salary_")]
"""What a vacancy is predicted from; the other columns are what a model learns as its label."""
_NEVER = np.iinfo(np.int64).min


class Fault(NamedTuple):
    """Rows that break a rule by a column."""

    rule: VacancyRule
    column: str
    broken: Flags


class VacancyChecker:
    """Judges rows that come in batches; keeps 21 bytes a row, and the ids, until `finish`.

    Rows are judged one by one as they come. What is left is judged by the other rows of its vacancy at
    the end: of several snapshots the newest is accepted. Snapshots after `as_of` are judged apart, so
    that they cannot change which of the earlier ones counts.

    Parameters
    ----------
    rates
        Units of a currency for one rouble by its code, where a row brings no rate of its own; the code
        ``""`` stands for rows that name no currency.
    as_of
        Last moment, in UTC without a zone, that a used snapshot may have; None for any.
    train
        Whether labels are judged, too. A prediction needs the id, the snapshot and the texts alone: a row whose salary
        or times cannot be is accepted, and noted, and of rows that differ in those the first is.
    """

    def __init__(self, rates: Mapping[str, float], as_of: datetime | None = None, *, train: bool = True) -> None:
        self._rates, self._train = rates, train
        self._as_of = np.iinfo(np.int64).max if as_of is None else int(np.datetime64(as_of, "us").astype(np.int64))
        self._ids: dict[str, int] = {}
        self._parts: list[tuple[npt.NDArray[np.int32], Ticks, npt.NDArray[np.uint64], Codes]] = []
        self._noted: list[Codes] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Judge the rows of a canonical batch one by one; see `VacancyColumns.canonical`."""
        codes, noted = np.zeros((2, batch.num_rows), dtype=np.uint8)
        for fault in faults(batch, self._rates):
            found = noted if self._accepts(fault) else codes
            found[fault.broken & (found == VacancyRule.ACCEPTED)] = fault.rule
        self._noted.append(noted)
        content = _content(batch, VACANCY_SCHEMA.names if self._train else _SAID)
        self._parts.append((self._numbers(batch.column(VACANCY_ID)), ticks(batch, SNAPSHOT_AT), content, codes))

    def finish(self) -> Verdict:
        """Judge the rows by the others of their vacancy and return the verdict of every row."""
        if not self._parts:
            return Verdict(np.zeros(0, dtype=np.uint8), VacancyRule, 0, None, None)
        ids, snapshots, content, codes = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        self._parts.clear()
        right = np.flatnonzero(codes == VacancyRule.ACCEPTED)
        _judge_copies(right[np.lexsort((snapshots[right], ids[right]))], ids, snapshots, content, codes)
        late = snapshots > self._as_of
        for part in (late, ~late):
            left = np.flatnonzero(part & (codes == VacancyRule.ACCEPTED))
            left = left[np.lexsort((snapshots[left], ids[left]))]
            codes[left[:-1][ids[left[1:]] == ids[left[:-1]]]] = VacancyRule.SUPERSEDED
        accepted = np.flatnonzero(codes == VacancyRule.ACCEPTED)
        entities, noted = len(np.unique(ids[accepted])), np.concatenate(self._noted)[accepted]
        oldest, newest, notes = self._bounds(ids, snapshots, accepted)
        return Verdict(codes, VacancyRule, entities, oldest, newest, noted, notes)

    def _accepts(self, fault: Fault) -> bool:
        """Return whether a row with the fault is accepted; a snapshot's time is always wanted."""
        unread = fault.rule is VacancyRule.TIME_UNREADABLE and fault.column != SNAPSHOT_AT
        return fault.rule in NOTED or (not self._train and (unread or fault.rule in LABELS))

    def _bounds(
        self, ids: npt.NDArray[np.int32], snapshots: Ticks, accepted: npt.NDArray[np.int64]
    ) -> tuple[datetime | None, datetime | None, tuple[str, ...]]:
        """Return the first and last snapshot of accepted rows, and what to tell of those far beyond the rest."""
        times = snapshots[accepted]
        if not len(times):
            return None, None, ()
        rest = last_of_the_rest(times, ids[accepted], HOLE, FEW)
        oldest, newest = _time(times.min()), _time(times.max() if rest is None else np.int64(rest))
        if rest is None:
            return oldest, newest, ()
        far = accepted[times > rest]
        names = list(self._ids)
        examples = [f"{names[ids[i]]!r} at {_time(snapshots[i]):%Y-%m-%d %H:%M}" for i in far[:EXAMPLES]]
        return oldest, newest, (told("vacancy", len(far), len(times), examples, f"{newest:%Y-%m-%d %H:%M}"),)

    def _numbers(self, column: pa.Array) -> npt.NDArray[np.int32]:
        """Return the number of each row's vacancy, -1 where there is none."""
        encoded = column.dictionary_encode()
        numbers = [self._ids.setdefault(name, len(self._ids)) for name in encoded.dictionary.to_pylist()]
        places = encoded.indices.fill_null(len(numbers)).to_numpy()
        return np.asarray(np.array([*numbers, -1], dtype=np.int32)[places])


def faults(rows: pa.RecordBatch, rates: Mapping[str, float]) -> Iterator[Fault]:
    """Yield what is wrong with canonical rows by themselves, in the order in which it is reported."""
    yield Fault(VacancyRule.VACANCY_ID_MISSING, VACANCY_ID, _empty(rows.column(VACANCY_ID)))
    unreadable = rows.column(UNREADABLE)
    if unreadable.null_count < len(unreadable):
        columns = unreadable.field("column")
        for name in columns.unique().drop_null().to_pylist():
            yield Fault(VacancyRule.TIME_UNREADABLE, name, _flags(pc.equal(columns, name)))
    snapshot = rows.column(SNAPSHOT_AT)
    yield Fault(VacancyRule.SNAPSHOT_MISSING, SNAPSHOT_AT, _flags(snapshot.is_null()))
    for name in _TEXTS:
        yield Fault(VacancyRule.TEXT_NUL, name, _flags(pc.match_substring(rows.column(name), "\0")))
    for name in _TEXTS:
        too_long = pc.greater(pc.utf8_length(rows.column(name)), LONGEST_TEXT)
        yield Fault(VacancyRule.TEXT_TOO_LONG, name, _flags(too_long))
    yield Fault(VacancyRule.RESPONSIBILITY_MISSING, RESPONSIBILITY, _nothing_left(rows.column(RESPONSIBILITY)))
    yield from _salary_faults(rows, rates)
    yield from time_faults(rows)


def offending(rows: pa.RecordBatch, rule: VacancyRule) -> tuple[pa.Array, pa.Array]:
    """Return the canonical name and the text of what broke a rule, for rows that broke it; of several the first."""
    names = np.full(rows.num_rows, COLUMN.get(rule, VACANCY_ID), dtype=object)
    if rule not in COLUMN:
        for fault in reversed([fault for fault in faults(rows, {}) if fault.rule is rule]):
            names[fault.broken] = fault.column
    values = np.full(rows.num_rows, None, dtype=object)
    for name in set(names):
        mine = names == name
        column = rows.column(UNREADABLE).field("text") if rule is VacancyRule.TIME_UNREADABLE else rows.column(name)
        values[mine] = column.filter(pa.array(mine)).cast(pa.string()).to_pylist()
    return pa.array(names, pa.string()), pa.array(values, pa.string())


def rate_of(rows: pa.RecordBatch, rates: Mapping[str, float]) -> npt.NDArray[np.float64]:
    """Return the units of each row's salary currency for one rouble; NaN when neither row nor `rates` know it."""
    currency = rows.column("salary_currency").fill_null("").dictionary_encode()
    codes = [currency_code(code) for code in currency.dictionary.to_pylist()]
    by_code = {currency_code(code): rate for code, rate in rates.items()} | {ROUBLE: 1.0}
    known = np.array([by_code.get(code, np.nan) for code in codes], dtype=np.float64)
    listed = known[currency.indices.to_numpy()]
    roubles = np.array([code == ROUBLE for code in codes], dtype=bool)[currency.indices.to_numpy()]
    given = _floats(rows, "salary_rate")
    return np.asarray(np.where(roubles | np.isnan(given), listed, given))


def other_modes(rows: pa.RecordBatch) -> list[str]:
    """Return what is paid for in the rows that state a salary which is not by the month."""
    mode = rows.column("salary_mode").to_numpy(zero_copy_only=False)
    return [str(each) for each in mode[stated(*_ends(rows)) & ~monthly(mode)]]


def ticks(rows: pa.RecordBatch, name: str) -> Ticks:
    """Return a time column in microseconds since 1970, with the least int64 for null."""
    return np.asarray(rows.column(name).cast(pa.int64()).fill_null(int(_NEVER)).to_numpy())


def _salary_faults(rows: pa.RecordBatch, rates: Mapping[str, float]) -> Iterator[Fault]:
    low, high = _ends(rows)
    for name, amount in (("salary_from", low), ("salary_to", high)):
        yield Fault(VacancyRule.SALARY_OUT_OF_RANGE, name, out_of_range(amount))
    yield Fault(VacancyRule.SALARY_REVERSED, "salary_from", low > high)
    given = _floats(rows, "salary_rate")
    yield Fault(VacancyRule.RATE_OUT_OF_RANGE, "salary_rate", out_of_range(given))
    mentioned, by_month = stated(low, high), monthly(rows.column("salary_mode").to_numpy(zero_copy_only=False))
    unknown = mentioned & by_month & np.isnan(rate_of(rows, rates))
    yield Fault(VacancyRule.CURRENCY_UNKNOWN, "salary_currency", unknown)
    yield Fault(VacancyRule.SALARY_NOT_MONTHLY, "salary_mode", mentioned & ~by_month)


def time_faults(rows: pa.RecordBatch) -> Iterator[Fault]:
    """Yield which times of canonical rows cannot be."""
    latest = ticks(rows, SNAPSHOT_AT) + AHEAD
    for name in ("published_at", "initial_created_at"):
        yield Fault(VacancyRule.PUBLISHED_AHEAD, name, ticks(rows, name) > latest)
    for name in ("first_seen", "last_seen", "closed_at"):
        yield Fault(VacancyRule.SEEN_AHEAD, name, ticks(rows, name) > latest)
    closed = ticks(rows, "closed_at")
    opened = pc.coalesce(rows.column("first_seen"), rows.column("published_at"))
    first = opened.cast(pa.int64()).fill_null(int(_NEVER)).to_numpy()
    yield Fault(VacancyRule.CLOSED_EARLY, "closed_at", (closed != _NEVER) & (closed < first))


def _judge_copies(
    order: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int32],
    snapshots: Ticks,
    content: npt.NDArray[np.uint64],
    codes: Codes,
) -> None:
    """Reject copies after the first, and all rows of a vacancy and snapshot that say different things.

    Parameters
    ----------
    order
        Rows that are right by themselves, by vacancy and snapshot, then as they came.
    """
    repeats = (ids[order[1:]] == ids[order[:-1]]) & (snapshots[order[1:]] == snapshots[order[:-1]])
    copies = np.flatnonzero(repeats) + 1
    group = np.cumsum(~np.append(False, repeats)[: len(order)])
    differs = content[order[copies]] != content[order[copies - 1]]
    codes[order[copies]] = VacancyRule.DUPLICATE
    codes[order[np.isin(group, group[copies[differs]])]] = VacancyRule.CONFLICT


def _content(rows: pa.RecordBatch, names: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return a number that is equal for rows that say the same in columns, other than by chance in 2**64."""
    mixed = np.zeros(rows.num_rows, dtype=np.uint64)
    for name in names:
        encoded = rows.column(name).dictionary_encode()
        values = encoded.dictionary.cast(pa.string()).to_numpy(zero_copy_only=False)
        hashes = np.append(pd.util.hash_array(values, categorize=False), np.uint64(1))
        more = hashes[encoded.indices.fill_null(len(values)).to_numpy()]
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15) + more
    return mixed


def _nothing_left(texts: pa.Array) -> Flags:
    """Return which texts are null, or have nothing left when they are cleaned."""
    encoded = texts.dictionary_encode()
    bare = [not clean(text) for text in encoded.dictionary.to_pylist()]
    return np.asarray(np.array([*bare, True])[encoded.indices.fill_null(len(bare)).to_numpy()])


def _empty(column: pa.Array) -> Flags:
    return _flags(pc.fill_null(pc.equal(pc.binary_length(column), 0), fill_value=True))


def _flags(flags: pa.Array) -> Flags:
    return np.asarray(pc.fill_null(flags, fill_value=False).to_numpy(zero_copy_only=False))


def _floats(rows: pa.RecordBatch, name: str) -> npt.NDArray[np.float64]:
    """Return a column with NaN for null."""
    return np.asarray(rows.column(name).to_numpy(zero_copy_only=False), dtype=np.float64)


def _ends(rows: pa.RecordBatch) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    return _floats(rows, "salary_from"), _floats(rows, "salary_to")


def _time(moment: np.int64) -> datetime:
    return pd.Timestamp(int(moment), unit="us").to_pydatetime()

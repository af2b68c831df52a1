"""Many time series in one packed value: the form in which every model takes its data."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd

from xflow.columns import SERIES_ID, TIMESTAMP, VALUE


@dataclass(frozen=True)
class Panel:
    """Series of one frequency, each without gaps, that may start and end on different dates.

    Attributes
    ----------
    freq
        Pandas period alias, as ``M``, ``h``, ``W-SUN`` or ``15min``.
    ids
        Names of the series, object, shape (n,).
    starts
        Period ordinal of each first value, int64, shape (n,). Value t of series i lies at ordinal
        ``starts[i] + t * step``.
    offsets
        Series i is ``values[offsets[i]:offsets[i + 1]]``, int64, shape (n + 1,).
    values
        All series, one after the other, float64, shape (total,), finite.
    exog_names, exog_offsets, exog
        Exogenous columns, packed alike from each series' first value on, rows of float64 shape
        (rows, k). A series may have more rows than values: those are known ahead.
    gaps
        Steps of the gap before each first value that earlier values were left out for, int64, shape (n,);
        0 where none were.

    Raises
    ------
    ValueError
        Lengths do not match, a series is empty, or a value is not finite.
    """

    freq: str
    ids: np.ndarray
    starts: np.ndarray
    offsets: np.ndarray
    values: np.ndarray
    exog_names: tuple[str, ...] = ()
    exog_offsets: np.ndarray = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    exog: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    gaps: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __post_init__(self) -> None:
        n = len(self.ids)
        if not len(self.gaps):
            object.__setattr__(self, "gaps", np.zeros(n, dtype=np.int64))
        if len(self.starts) != n or len(self.offsets) != n + 1:
            raise ValueError(f"panel: {n} ids need {n} starts and {n + 1} offsets")
        _check_packing(self.offsets, len(self.values), "values", shortest=np.ones(n, dtype=np.int64))
        if not np.isfinite(self.values).all():
            raise ValueError("panel: values must be finite; the contract rejects or fills what is not")
        if self.exog_names:
            if len(self.exog_offsets) != n + 1 or self.exog.shape != (len(self.exog), len(self.exog_names)):
                raise ValueError(f"panel: exogenous rows need {n + 1} offsets and {len(self.exog_names)} columns")
            _check_packing(self.exog_offsets, len(self.exog), "exogenous rows", shortest=self.lengths)

    @classmethod
    def from_series(cls, freq: str, ids: Iterable[str], ends: Sequence[int], series: Sequence[np.ndarray]) -> Self:
        """Pack arrays that end at the given period ordinals."""
        lengths = np.array([len(s) for s in series], dtype=np.int64)
        starts = np.asarray(ends, dtype=np.int64) - (lengths - 1) * step_of(freq)
        values = np.concatenate([np.asarray(s, dtype=np.float64) for s in series]) if len(series) else np.zeros(0)
        return cls(freq, np.array(list(ids), dtype=object), starts, _offsets(lengths), values)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, freq: str, exogenous: Sequence[str] = ()) -> Self:
        """Pack a long frame with the columns series_id, timestamp, value and the exogenous ones.

        Series come out sorted by id. Rows after a series' last value may have a null value: they
        carry exogenous values known ahead.

        Raises
        ------
        ValueError
            Timestamps are off the grid of `freq`, repeated or with gaps, or a null lies before the last value.
        """
        ordered = frame.sort_values([SERIES_ID, TIMESTAMP], kind="stable")
        codes, ids = pd.factorize(ordered[SERIES_ID], sort=True)
        times = pd.DatetimeIndex(ordered[TIMESTAMP])
        periods = times.to_period(freq)
        if not (periods.to_timestamp(how="start") == times).all():
            raise ValueError(f"panel: timestamps must be starts of periods of {freq}")
        ordinals = periods.asi8
        first = np.flatnonzero(np.diff(codes, prepend=-1))
        rows = np.diff(np.append(first, len(codes)))
        place = np.arange(len(codes)) - first.repeat(rows)
        if not (ordinals == ordinals[first].repeat(rows) + place * step_of(freq)).all():
            raise ValueError(f"panel: timestamps repeat or leave gaps on the grid of {freq}")
        value = ordered[VALUE].to_numpy(dtype=np.float64)
        known = ~np.isnan(value)
        lengths = np.bincount(codes[known], minlength=len(ids)).astype(np.int64)
        if not (place[known] < lengths[codes[known]]).all():
            raise ValueError("panel: a null value lies before a series' last value")
        exog = ordered[list(exogenous)].to_numpy(dtype=np.float64) if exogenous else np.zeros((0, 0))
        exog_offsets = _offsets(rows) if exogenous else np.zeros(1, dtype=np.int64)
        packed = np.asarray(ids, dtype=object), ordinals[first], _offsets(lengths), value[known]
        return cls(freq, *packed, tuple(exogenous), exog_offsets, exog)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Number of values of each series, int64, shape (n,)."""
        return np.diff(self.offsets)

    @property
    def n_series(self) -> int:
        """Number of series."""
        return len(self.ids)

    @property
    def total(self) -> int:
        """Number of values of all series."""
        return len(self.values)

    @property
    def step(self) -> int:
        """Distance of neighbouring values in period ordinals."""
        return step_of(self.freq)

    @property
    def ends(self) -> np.ndarray:
        """Period ordinal of each last value, int64, shape (n,)."""
        return np.asarray(self.starts + (self.lengths - 1) * self.step)

    def series(self, i: int) -> np.ndarray:
        """Return the values of series i."""
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def select(self, indices: np.ndarray) -> Self:
        """Return the panel of the given series, in the given order."""
        chosen = np.asarray(indices, dtype=np.int64)
        lengths = self.lengths[chosen]
        values = self.values[_rows(self.offsets[chosen], lengths)]
        exog_offsets, exog = self.exog_offsets, self.exog
        if self.exog_names:
            rows = np.diff(self.exog_offsets)[chosen]
            exog_offsets, exog = _offsets(rows), self.exog[_rows(self.exog_offsets[chosen], rows)]
        packed = self.ids[chosen], self.starts[chosen], _offsets(lengths), values
        return type(self)(self.freq, *packed, self.exog_names, exog_offsets, exog, self.gaps[chosen])

    def head(self, drop_last: int | np.ndarray) -> Self:
        """Return the panel without the last values of each series (one count, or one each).

        Exogenous rows stay: they are known ahead.
        """
        lengths = self.lengths - drop_last
        values = self.values[_rows(self.offsets[:-1], np.maximum(lengths, 0))]
        exogenous = self.exog_names, self.exog_offsets, self.exog, self.gaps
        return type(self)(self.freq, self.ids, self.starts, _offsets(lengths), values, *exogenous)

    def tail(self, keep_last: int) -> Self:
        """Return the panel of each series' last `keep_last` values, or of all when it has fewer."""
        lengths = np.minimum(self.lengths, keep_last)
        skipped = self.lengths - lengths
        values = self.values[_rows(self.offsets[:-1] + skipped, lengths)]
        exog_offsets, exog = self.exog_offsets, self.exog
        if self.exog_names:
            rows = np.diff(self.exog_offsets) - skipped
            exog_offsets, exog = _offsets(rows), self.exog[_rows(self.exog_offsets[:-1] + skipped, rows)]
        packed = self.ids, self.starts + skipped * self.step, _offsets(lengths), values
        return type(self)(self.freq, *packed, self.exog_names, exog_offsets, exog)

    def cut_at(self, ordinal: int) -> Self:
        """Return the values up to a period ordinal (inclusive); series that start later are left out."""
        kept = self.select(np.flatnonzero(self.starts <= ordinal))
        return kept.head(np.maximum((kept.ends - ordinal + self.step - 1) // self.step, 0))

    def split_last(self, horizon: int) -> tuple[Self, np.ndarray]:
        """Split off each series' last `horizon` values.

        Returns
        -------
        history, actual
            The panel before them, and the values, shape (n, horizon). A series of `horizon` values
            or fewer cannot be scored: it keeps all its values, and its row of `actual` is NaN.
        """
        scored = self.lengths > horizon
        actual = np.full((self.n_series, horizon), np.nan)
        last = self.offsets[1:][scored, None] + np.arange(-horizon, 0)
        actual[scored] = self.values[last]
        return self.head(np.where(scored, horizon, 0)), actual

    def timestamps(self, i: int) -> np.ndarray:
        """Return the period starts of series i, datetime64[ns]."""
        return period_starts(self.starts[i] + np.arange(self.lengths[i]) * self.step, self.freq)

    def future_ordinals(self, horizon: int) -> np.ndarray:
        """Return the period ordinals of the next `horizon` steps of each series, shape (n, horizon)."""
        return np.asarray(self.ends[:, None] + np.arange(1, horizon + 1) * self.step)

    def future_timestamps(self, horizon: int) -> np.ndarray:
        """Return the period starts of the next `horizon` steps, datetime64[ns], shape (n, horizon)."""
        return period_starts(self.future_ordinals(horizon).ravel(), self.freq).reshape(self.n_series, horizon)

    def steps_until(self, as_of: str) -> np.ndarray:
        """Return the number of steps from each series' end to the period that holds a time, shape (n,), >= 0."""
        ordinal = pd.Timestamp(as_of).tz_localize(None).to_period(self.freq).ordinal
        return np.asarray(np.maximum((ordinal - self.ends) // self.step, 0))

    def to_frame(self) -> pd.DataFrame:
        """Return the long frame that `from_frame` takes: a null value where only exogenous values are known."""
        rows = np.diff(self.exog_offsets) if self.exog_names else self.lengths
        place = np.arange(rows.sum()) - _offsets(rows)[:-1].repeat(rows)
        values = np.full(len(place), np.nan)
        values[place < self.lengths.repeat(rows)] = self.values
        times = period_starts(self.starts.repeat(rows) + place * self.step, self.freq)
        frame = pd.DataFrame({SERIES_ID: self.ids.repeat(rows), TIMESTAMP: times, VALUE: values})
        return frame.assign(**{name: self.exog[:, k] for k, name in enumerate(self.exog_names)})


def step_of(freq: str) -> int:
    """Return the distance of neighbouring periods in ordinals: 1, or 15 for ``15min``."""
    return int(pd.tseries.frequencies.to_offset(pd.Period(ordinal=0, freq=freq).freq).n)


def period_starts(ordinals: np.ndarray, freq: str) -> np.ndarray:
    """Return the starts of periods, datetime64[ns], in the shape of `ordinals`."""
    periods = pd.PeriodIndex.from_ordinals(ordinals, freq=freq)  # type: ignore[attr-defined]  # the stubs lack it
    starts: np.ndarray = periods.to_timestamp(how="start").to_numpy()
    return starts


def _offsets(lengths: np.ndarray) -> np.ndarray:
    return np.append(0, np.cumsum(lengths)).astype(np.int64)


def _rows(firsts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the positions ``firsts[i] + 0 .. lengths[i] - 1`` of all i, one after the other."""
    packed = _offsets(lengths)
    return np.asarray(np.arange(packed[-1]) + (firsts - packed[:-1]).repeat(lengths))


def _check_packing(offsets: np.ndarray, total: int, what: str, shortest: np.ndarray) -> None:
    lengths = np.diff(offsets)
    if offsets[0] != 0 or offsets[-1] != total or (lengths < shortest).any():
        raise ValueError(
            f"panel: offsets of {what} must run from 0 to {total} and leave every series at least as many as it needs"
        )

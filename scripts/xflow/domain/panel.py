"""Many series of one frequency, packed into flat arrays."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pandas import DataFrame, Period, PeriodIndex, Timestamp

if TYPE_CHECKING:
    from numpy.typing import NDArray

type Floats = "NDArray[np.float64]"
type Ints = "NDArray[np.int64]"


def _no_exogenous() -> Any:
    return np.empty((0, 0))


@dataclass(frozen=True)
class Panel:
    """Many series of one frequency, each with its own start and end.

    Attributes
    ----------
    freq
        pandas period alias such as ``M``, ``h``, ``W-SUN`` or ``15min``.
    ids
        Names, object array, shape (n,).
    starts
        Period ordinal of each first value, shape (n,).
    offsets
        ``values[offsets[i]:offsets[i + 1]]`` are the values of series i; shape (n + 1,).
    values
        float64, shape (total,): finite and without gaps.
    exog_names
        Names of the k exogenous columns.
    exog_offsets, exog
        Like `offsets` and `values`, with shape (rows, k): each series' observed steps, followed by
        the future steps that are known.
    """

    freq: str
    ids: "NDArray[np.object_]"
    starts: Ints
    offsets: Ints
    values: Floats
    exog_names: tuple[str, ...] = ()
    exog_offsets: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    exog: Floats = field(default_factory=_no_exogenous)

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit one another."""
        n = len(self.ids)
        if len(self.starts) != n or len(self.offsets) != n + 1:
            raise ValueError(f"panel: {n} ids, {len(self.starts)} starts, {len(self.offsets)} offsets")
        if n and (self.offsets[0] != 0 or self.offsets[-1] != len(self.values) or (np.diff(self.offsets) < 0).any()):
            raise ValueError("panel: offsets do not cover the values")
        if not np.isfinite(self.values).all():
            raise ValueError("panel: values must be finite")
        if self.exog_names and (
            len(self.exog_offsets) != n + 1
            or self.exog.shape != (self.exog_offsets[-1], len(self.exog_names))
            or (np.diff(self.exog_offsets) < self.lengths).any()
        ):
            raise ValueError("panel: exogenous rows do not cover the values")

    @classmethod
    def from_lists(
        cls,
        freq: str,
        ids: Iterable[str],
        starts: Iterable[int],
        values: list[Floats],
        exog_names: tuple[str, ...] = (),
        exog: list[Floats] | None = None,
    ) -> Self:
        """Pack one array a series."""
        blocks = exog if exog_names and exog is not None else []
        return cls(
            freq=freq,
            ids=np.array(list(ids), dtype=object),
            starts=np.array(list(starts), dtype=np.int64),
            offsets=_offsets([len(v) for v in values]),
            values=np.concatenate(values) if values else np.empty(0),
            exog_names=exog_names,
            exog_offsets=_offsets([len(b) for b in blocks]) if exog_names else np.zeros(0, dtype=np.int64),
            exog=np.concatenate(blocks) if blocks else np.empty((0, len(exog_names))),
        )

    @classmethod
    def from_frame(cls, frame: DataFrame, freq: str, exogenous: tuple[str, ...] = ()) -> Self:
        """Pack a long frame with the columns `series_id`, `timestamp`, `value` and the exogenous ones.

        Rows may come in any order; every series must be complete on the grid of `freq`. Rows with a
        null value at the end of a series hold known future values of the exogenous columns.

        Raises
        ------
        ValueError
            A series has gaps or duplicates, or a null value before its last one.
        """
        ordered = frame.sort_values(["series_id", "timestamp"], kind="stable")
        ordinals = period_ordinals(ordered["timestamp"].to_numpy(), freq)
        step = step_of(freq)
        ids, first = np.unique(ordered["series_id"].to_numpy(dtype=object).astype(str), return_index=True)
        bounds = np.append(first, len(ordered))
        values, exog = [], []
        for name, low, high in zip(ids, bounds[:-1], bounds[1:], strict=True):
            if (np.diff(ordinals[low:high]) != step).any():
                raise ValueError(f"series {name}: gaps or duplicate timestamps on the grid {freq}")
            series = ordered["value"].to_numpy(dtype=np.float64)[low:high]
            known = np.flatnonzero(np.isfinite(series))
            series = series[: known[-1] + 1] if len(known) else series[:0]
            if not np.isfinite(series).all() or not len(series):
                raise ValueError(f"series {name}: null values before the last one, or no value at all")
            values.append(series)
            exog.append(ordered[list(exogenous)].to_numpy(dtype=np.float64)[low:high])
        return cls.from_lists(freq, ids, ordinals[first], values, tuple(exogenous), exog)

    def to_frame(self) -> DataFrame:
        """Return the observed rows in long form, with the known future rows when there are any."""
        lengths = np.diff(self.exog_offsets) if self.exog_names else self.lengths
        position = np.concatenate([np.arange(n) for n in lengths]) if self.n_series else np.empty(0, dtype=np.int64)
        owner = np.repeat(np.arange(self.n_series), lengths)
        observed = position < self.lengths[owner]
        value = np.full(len(position), np.nan)
        value[observed] = self.values
        frame = DataFrame(
            {
                "series_id": self.ids[owner],
                "timestamp": ordinals_to_timestamps(self.starts[owner] + position * self.step, self.freq),
                "value": value,
            }
        )
        for k, name in enumerate(self.exog_names):
            frame[name] = self.exog[:, k]
        return frame

    @property
    def n_series(self) -> int:
        """Number of series."""
        return len(self.ids)

    @property
    def total(self) -> int:
        """Number of values of all series."""
        return len(self.values)

    @cached_property
    def lengths(self) -> Ints:
        """Number of values of each series, shape (n,)."""
        return np.diff(self.offsets)

    @cached_property
    def step(self) -> int:
        """Ordinals between two neighbouring values: 1, or 15 for ``15min``."""
        return step_of(self.freq)

    @cached_property
    def ends(self) -> Ints:
        """Period ordinal of each last value, shape (n,)."""
        return self.starts + (self.lengths - 1) * self.step

    def series(self, i: int) -> Floats:
        """Return the values of series i (a view)."""
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def exog_series(self, i: int) -> Floats:
        """Return the exogenous rows of series i, observed and future (a view), shape (rows, k)."""
        return self.exog[self.exog_offsets[i] : self.exog_offsets[i + 1]]

    def timestamps(self, i: int) -> "NDArray[np.datetime64]":
        """Return the period starts of series i as datetime64[ns]."""
        return ordinals_to_timestamps(self.starts[i] + np.arange(self.lengths[i]) * self.step, self.freq)

    def future_ordinals(self, horizon: int) -> Ints:
        """Return the ordinals of the `horizon` steps after each series' end, shape (n, horizon)."""
        return self.ends[:, None] + np.arange(1, horizon + 1) * self.step

    def future_timestamps(self, horizon: int) -> "NDArray[np.datetime64]":
        """Return the period starts of the steps after each end, datetime64[ns], shape (n, horizon)."""
        ordinals = self.future_ordinals(horizon)
        return ordinals_to_timestamps(ordinals.ravel(), self.freq).reshape(ordinals.shape)

    def steps_until(self, timestamp: str) -> Ints:
        """Return how many steps lie between each series' end and a timestamp, 0 when it is earlier."""
        until = period_ordinals(np.array([Timestamp(timestamp).to_datetime64()]), self.freq)[0]
        return np.maximum((until - self.ends) // self.step, 0)

    def select(self, indices: Ints) -> "Panel":
        """Return the panel of some series, in the order of `indices`."""
        chosen = [int(i) for i in indices]
        return Panel.from_lists(
            self.freq,
            self.ids[chosen],
            self.starts[chosen],
            [self.series(i) for i in chosen],
            self.exog_names,
            [self.exog_series(i) for i in chosen] if self.exog_names else None,
        )

    def drop_last(self, steps: "int | Ints") -> "Panel":
        """Return the panel without the last `steps` values of each series.

        The exogenous rows of the dropped steps stay, as known future.

        Raises
        ------
        ValueError
            A series would lose all its values.
        """
        kept = self.lengths - steps
        if (kept < 1).any():
            short = ", ".join(self.ids[kept < 1][:5])
            raise ValueError(f"series too short to drop {steps} steps: {short}")
        position = np.arange(self.total) - np.repeat(self.offsets[:-1], self.lengths)
        mask = position < np.repeat(kept, self.lengths)
        return Panel(
            self.freq,
            self.ids,
            self.starts,
            _offsets(kept),
            self.values[mask],
            self.exog_names,
            self.exog_offsets,
            self.exog,
        )

    def split_last(self, horizon: int) -> "tuple[Panel, Floats]":
        """Return the panel without the last `horizon` values, and those values, shape (n, horizon)."""
        history = self.drop_last(horizon)
        return history, self.values[self.offsets[1:, None] - horizon + np.arange(horizon)]


def step_of(freq: str) -> int:
    """Return how many ordinals one step of a period alias spans."""
    return int(Period(ordinal=0, freq=freq).freq.n)


def period_ordinals(timestamps: "NDArray[np.datetime64]", freq: str) -> Ints:
    """Return the ordinal of the period that holds each timestamp."""
    return np.asarray(PeriodIndex(np.asarray(timestamps, dtype="datetime64[ns]"), freq=freq).asi8)


def ordinals_to_timestamps(ordinals: Ints, freq: str) -> "NDArray[np.datetime64]":
    """Return the start of each period as datetime64[ns]."""
    index = PeriodIndex.from_ordinals(np.asarray(ordinals), freq=freq)
    return index.to_timestamp(how="start").to_numpy(dtype="datetime64[ns]")


def _offsets(lengths: "Iterable[int] | Ints") -> Ints:
    return np.concatenate([[0], np.cumsum(np.asarray(list(lengths), dtype=np.int64))]).astype(np.int64)

"""Features of a global model, gathered from a packed panel for many origins and steps at once.

Every feature of an origin is a function of the values up to it, of the calendar and of exogenous
values known ahead: changing the future changes none of them, to the last bit. Values are relative to
the origin's level, the mean absolute value of its last season, so that one model serves series of any
size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from xflow.domain.panel import Panel, period_starts

CALENDAR = {
    "Y": (),
    "A": (),
    "Q": ("quarter",),
    "M": ("month",),
    "W": ("month",),
    "D": ("month", "day", "dayofweek"),
    "h": ("dayofweek", "hour"),
}
FINE_CALENDAR = ("dayofweek", "hour", "minute")


@dataclass(frozen=True, slots=True)
class Rows:
    """Which forecasts to describe: series, 0-based position of the origin in it, and step ahead (>= 1)."""

    series: np.ndarray
    origin: np.ndarray
    step: np.ndarray


@dataclass(frozen=True)
class LagFeatures:
    """Features over one panel.

    Attributes
    ----------
    panel
        The series.
    seasons
        Season lengths in steps, the main one first.
    lags
        Number of last values, the origin's included.
    season_lags
        Number of earlier values at the target's phase, for each season.
    calendar
        Whether calendar fields of the target are features.
    """

    panel: Panel
    seasons: Sequence[int]
    lags: int
    season_lags: int
    calendar: bool

    @property
    def main(self) -> int:
        """The main season in steps."""
        return self.seasons[0]

    def names(self) -> list[str]:
        """Return the names of the columns of `matrix`."""
        return [
            "step",
            "length",
            *[f"lag_{j}" for j in range(self.lags)],
            *[f"season_{s}_lag_{k}" for s in self.seasons for k in range(1, self.season_lags + 1)],
            *[f"mean_{w}" for w in self._windows],
            *[f"growth_{s}" for s in self.seasons],
            *[f"spread_{s}" for s in self.seasons],
            "scale",
            *(self._calendar_fields if self.calendar else ()),
            *[f"{name}_{when}" for name in self.panel.exog_names for when in ("target", "origin")],
        ]

    def matrix(self, rows: Rows) -> np.ndarray:
        """Return the features of the rows, float32, shape (r, f); NaN where a series does not reach back."""
        level = self.level(rows)
        unit = np.where(level > 0, level, 1.0)
        made = np.empty((len(rows.series), len(self.names())), dtype=np.float32)
        columns = iter(range(made.shape[1]))
        made[:, next(columns)] = rows.step
        made[:, next(columns)] = rows.origin + 1
        for j in range(self.lags):
            made[:, next(columns)] = self._value(rows, rows.origin - j) / unit
        for s in self.seasons:
            same_phase = rows.origin + rows.step - s * -(-rows.step // s)
            for k in range(self.season_lags):
                made[:, next(columns)] = self._value(rows, same_phase - s * k) / unit
        for w in self._windows:
            made[:, next(columns)] = self._window(self._sums, rows, rows.origin, w) / unit
        for s in self.seasons:
            late, early = (self._window(self._sums, rows, rows.origin - back, s) for back in (0, s))
            made[:, next(columns)] = (late - early) / unit
        for s in self.seasons:
            mean, square = (self._window(sums, rows, rows.origin, s) for sums in (self._sums, self._squares))
            made[:, next(columns)] = np.sqrt(np.maximum(square - mean**2, 0)) / unit
        made[:, next(columns)] = self.scale(rows) / unit
        self._known_ahead(rows, made, columns)
        return made

    def level(self, rows: Rows) -> np.ndarray:
        """Return the mean absolute value of the last season up to the origin (or of what there is), shape (r,)."""
        reach = np.minimum(rows.origin + 1, max(self.main, 8))
        return self._window(self._sizes, rows, rows.origin, reach)

    def scale(self, rows: Rows) -> np.ndarray:
        """Return the seasonal naive error up to the origin, shape (r,); NaN within the first season."""
        return self._window(self._naive_errors, rows, rows.origin, rows.origin + 1 - self.main)

    def base(self, rows: Rows) -> np.ndarray:
        """Return the seasonal naive forecast (the last value within a first season), shape (r,)."""
        place = rows.origin + rows.step - self.main * -(-rows.step // self.main)
        place = np.where(place >= 0, place, rows.origin)
        return np.asarray(self.panel.values[self.panel.offsets[rows.series] + place])

    def target(self, rows: Rows) -> np.ndarray:
        """Return the values to forecast, shape (r,)."""
        return np.asarray(self.panel.values[self.panel.offsets[rows.series] + rows.origin + rows.step])

    @cached_property
    def _windows(self) -> tuple[int, ...]:
        return tuple(sorted({max(self.main // 4, 2), *self.seasons, 2 * self.main, 4 * self.main}))

    @cached_property
    def _calendar_fields(self) -> tuple[str, ...]:
        unit = self.panel.freq.split("-")[0].lstrip("0123456789")
        return CALENDAR.get(unit, FINE_CALENDAR)

    @cached_property
    def _sums(self) -> np.ndarray:
        return self._running(self.panel.values)

    @cached_property
    def _squares(self) -> np.ndarray:
        return self._running(self.panel.values**2)

    @cached_property
    def _sizes(self) -> np.ndarray:
        return self._running(np.abs(self.panel.values))

    @cached_property
    def _naive_errors(self) -> np.ndarray:
        error = np.zeros(self.panel.total)
        error[self.main :] = np.abs(self.panel.values[self.main :] - self.panel.values[: -self.main])
        return self._running(error)

    def _running(self, values: np.ndarray) -> np.ndarray:
        """Return running sums that start at 0 in every series: n + total values, series i from offsets[i] + i on.

        One sum over everything would let a series' values change the rounding of the next one's sums.
        """
        sums = np.zeros(self.panel.total + self.panel.n_series)
        for i, (first, last) in enumerate(zip(self.panel.offsets[:-1], self.panel.offsets[1:])):
            np.cumsum(values[first:last], out=sums[first + i + 1 : last + i + 1])
        return sums

    def _window(self, sums: np.ndarray, rows: Rows, last: np.ndarray, width: int | np.ndarray) -> np.ndarray:
        """Return means of `width` values up to position `last`; NaN where the series does not reach back."""
        first = self.panel.offsets[rows.series] + rows.series
        valid = (last + 1 - width >= 0) & (width > 0)
        low, high = np.where(valid, last + 1 - width, 0), np.where(valid, last + 1, 0)
        return np.asarray(np.where(valid, (sums[first + high] - sums[first + low]) / np.maximum(width, 1), np.nan))

    def _value(self, rows: Rows, place: np.ndarray) -> np.ndarray:
        """Return values at positions; NaN before a series' start."""
        packed = self.panel.offsets[rows.series] + np.maximum(place, 0)
        return np.asarray(np.where(place >= 0, self.panel.values[packed], np.nan))

    def _known_ahead(self, rows: Rows, made: np.ndarray, columns: Iterator[int]) -> None:
        if self.calendar and self._calendar_fields:
            ordinals = self.panel.starts[rows.series] + (rows.origin + rows.step) * self.panel.step
            distinct, back = np.unique(ordinals, return_inverse=True)
            times = pd.DatetimeIndex(period_starts(distinct, self.panel.freq))
            for name in self._calendar_fields:
                made[:, next(columns)] = np.asarray(getattr(times, name))[back]
        for k in range(len(self.panel.exog_names)):
            first = self.panel.exog_offsets[rows.series] + rows.origin
            made[:, next(columns)] = self.panel.exog[first + rows.step, k]
            made[:, next(columns)] = self.panel.exog[first, k]

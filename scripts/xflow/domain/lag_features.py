"""Features of a global model for many series, origins and steps at once.

Every feature of an origin is a function of the values up to it, of the calendar and of exogenous
values known ahead: changing the future changes none of them. Values are relative to the origin's
level, so that one model serves series of any size.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xflow.domain.panel import Panel, period_starts
from xflow.domain.windows import Windows

CALENDAR = {
    "Y": (),
    "Q": ("quarter",),
    "M": ("month",),
    "W": ("month",),
    "D": ("month", "day", "dayofweek"),
    "h": ("dayofweek", "hour"),
    "min": ("dayofweek", "hour", "minute"),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Forecasts to describe: series, 0-based place of the origin in it, and step ahead (>= 1), shape (r,) each."""

    series: np.ndarray
    origin: np.ndarray
    step: np.ndarray

    def where(self, chosen: np.ndarray) -> "Rows":
        """Return the chosen rows."""
        return Rows(self.series[chosen], self.origin[chosen], self.step[chosen])


@dataclass(frozen=True, slots=True)
class Described:
    """What a model needs to know of r forecasts.

    Attributes
    ----------
    features
        float32, shape (r, f); NaN where a series does not reach back.
    base
        The forecast to correct: the last season's mean, and the average shape of the last seasons
        around it; the origin's own value within a series' first season.
    level
        Mean absolute value of the last season up to the origin, or of what there is of it.
    """

    features: np.ndarray
    base: np.ndarray
    level: np.ndarray


@dataclass(frozen=True, slots=True)
class LagFeatures:
    """A feature set.

    Attributes
    ----------
    seasons
        Season lengths in steps, the main one first.
    lags
        Number of last values, and of their changes since a season before.
    cycles
        Number of past cycles of each season whose shape is a feature.
    calendar
        Whether calendar fields of the target are features.
    """

    seasons: tuple[int, ...]
    lags: int
    cycles: int
    calendar: bool

    def names(self, panel: Panel) -> list[str]:
        """Return the names of the features."""
        return [
            "step",
            "length",
            *[f"{name}_{j}" for j in range(self.lags) for name in ("lag", "change")],
            *[f"mean_{width}" for width in self._widths],
            *[f"{name}_{s}" for s in self.seasons for name in ("growth", "spread", "naive_error")],
            *[f"shape_{s}_{k}" for s in self.seasons for k in range(1, self.cycles + 1)],
            *[f"forecast_{s}" for s in self.seasons],
            *self._calendar_fields(panel.freq),
            *[f"{name}_{when}" for name in panel.exog_names for when in ("target", "origin")],
        ]

    def describe(self, panel: Panel, windows: Windows, rows: Rows) -> Described:
        """Describe forecasts of a panel; `windows` is the panel's own."""
        last = windows.value(rows.series, rows.origin)
        level = windows.mean(rows.series, rows.origin, np.minimum(rows.origin + 1, max(self.seasons[0], 8)), np.abs)
        # Of a season of zeros the values before it say what is much.
        size = windows.mean(rows.series, rows.origin, rows.origin + 1, np.abs)
        unit = np.where(level > 0, level, np.where(size > 0, size, 1.0))
        names = self.names(panel)
        features = np.empty((len(last), len(names)), dtype=np.float32)
        column = iter(range(len(names)))
        features[:, next(column)] = rows.step
        features[:, next(column)] = rows.origin + 1
        self._recent(windows, rows, unit, features, column)
        forecasts = []
        for s in self.seasons:
            mean, size = (windows.mean(rows.series, rows.origin, s, of) for of in (np.positive, np.abs))
            shapes = [self._shape(windows, rows, s, k) for k in range(self.cycles)]
            for shape in shapes:
                features[:, next(column)] = shape
            forecasts.append(mean + size * _mean_of_known(shapes))
        base = np.where(np.isnan(forecasts[0]), last, forecasts[0])
        features[:, next(column)] = (base - last) / unit
        for forecast in forecasts[1:]:
            features[:, next(column)] = (forecast - base) / unit
        self._known_ahead(panel, rows, features, column)
        return Described(features, base, level)

    def _recent(
        self, windows: Windows, rows: Rows, unit: np.ndarray, features: np.ndarray, column: Iterator[int]
    ) -> None:
        """Fill in what the values up to the origin say, whatever the step."""
        for j in range(self.lags):
            value = windows.value(rows.series, rows.origin - j)
            features[:, next(column)] = value / unit
            features[:, next(column)] = (value - windows.value(rows.series, rows.origin - j - self.seasons[0])) / unit
        for width in self._widths:
            features[:, next(column)] = windows.mean(rows.series, rows.origin, width) / unit
        for s in self.seasons:
            mean, before = (windows.mean(rows.series, rows.origin - back, s) for back in (0, s))
            features[:, next(column)] = (mean - before) / unit
            square = windows.mean(rows.series, rows.origin, s, np.square)
            features[:, next(column)] = np.sqrt(np.maximum(square - mean**2, 0)) / unit
            known = np.minimum(rows.origin + 1 - s, 2 * max(self.seasons))
            features[:, next(column)] = windows.mean_change(rows.series, rows.origin, known, s) / unit

    def _shape(self, windows: Windows, rows: Rows, season: int, back: int) -> np.ndarray:
        """Return the value at the target's phase, `back` cycles earlier, relative to that cycle's mean and size."""
        end = rows.origin - season * back
        mean, size = (windows.mean(rows.series, end, season, of) for of in (np.positive, np.abs))
        value = windows.value(rows.series, end + rows.step - season * -(-rows.step // season))
        return np.asarray((value - mean) / np.where(size == 0, 1.0, size))

    @property
    def _widths(self) -> list[int]:
        main = self.seasons[0]
        return sorted({max(main // 4, 2), main, 2 * main, 4 * main, *self.seasons})

    def _calendar_fields(self, freq: str) -> tuple[str, ...]:
        return CALENDAR[freq.partition("-")[0].lstrip("0123456789")] if self.calendar else ()

    def _known_ahead(self, panel: Panel, rows: Rows, features: np.ndarray, column: Iterator[int]) -> None:
        """Fill in the target's calendar fields and exogenous values."""
        fields = self._calendar_fields(panel.freq)
        if fields:
            ordinals = panel.starts[rows.series] + (rows.origin + rows.step) * panel.step
            distinct, back = np.unique(ordinals, return_inverse=True)
            times = pd.DatetimeIndex(period_starts(distinct, panel.freq))
            for name in fields:
                features[:, next(column)] = np.asarray(getattr(times, name))[back]
        for k in range(len(panel.exog_names)):
            origin = panel.exog_offsets[rows.series] + rows.origin
            features[:, next(column)] = panel.exog[origin + rows.step, k]
            features[:, next(column)] = panel.exog[origin, k]


def _mean_of_known(columns: list[np.ndarray]) -> np.ndarray:
    """Return the mean of several arrays, element by element, without their NaNs; NaN where all are."""
    known = sum(~np.isnan(column) for column in columns)
    total = sum(np.nan_to_num(column) for column in columns)
    return np.asarray(np.where(known > 0, total / np.maximum(known, 1), np.nan))

"""Values and window means of a packed panel, gathered for many places of many series at once."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from xflow.domain.panel import Panel

Quantity = Callable[[np.ndarray], np.ndarray]


class Windows:
    """Reads a panel at (series, place) pairs; a place is 0-based within its series.

    Nothing before a series' start is ever read: such results are NaN. A result at a place depends on
    the series' values up to that place alone, to the last bit.
    """

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._sums = lru_cache(maxsize=None)(self._running_sums)

    def value(self, series: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Return the values at places, shape (r,)."""
        packed = self._panel.offsets[series] + np.maximum(place, 0)
        return np.asarray(np.where(place >= 0, self._panel.values[packed], np.nan))

    def mean(
        self, series: np.ndarray, place: np.ndarray, width: int | np.ndarray, of: Quantity = np.positive
    ) -> np.ndarray:
        """Return the means of a quantity over the last `width` values up to a place, shape (r,)."""
        return self._mean(self._sums(of, 0), series, place, width)

    def mean_change(self, series: np.ndarray, place: np.ndarray, width: np.ndarray, lag: int) -> np.ndarray:
        """Return the means of ``|y[t] - y[t - lag]|`` over the last `width` places up to a place, shape (r,).

        `width` must not reach into the series' first `lag` values.
        """
        return self._mean(self._sums(np.abs, lag), series, place, width)

    def _mean(self, sums: np.ndarray, series: np.ndarray, place: np.ndarray, width: int | np.ndarray) -> np.ndarray:
        first = self._panel.offsets[series] + series
        known = (place + 1 >= width) & (np.asarray(width) > 0)
        late, early = np.where(known, place + 1, 0), np.where(known, place + 1 - width, 0)
        return np.asarray(np.where(known, (sums[first + late] - sums[first + early]) / np.maximum(width, 1), np.nan))

    def _running_sums(self, of: Quantity, lag: int) -> np.ndarray:
        """Return running sums that start at 0 in every series: series i from ``offsets[i] + i`` on.

        One sum over everything would let a series' values change the rounding of the next one's, and so would
        a series' first `lag` differences, which reach into the series before it: they count as 0.
        """
        panel, values = self._panel, self._panel.values
        if lag:
            values = np.concatenate([np.zeros(min(lag, panel.total)), values[lag:] - values[:-lag]])
        quantity = of(values)
        sums = np.zeros(panel.total + panel.n_series)
        for i, (first, last) in enumerate(zip(panel.offsets[:-1], panel.offsets[1:])):
            own = min(first + lag, last)
            np.cumsum(quantity[own:last], out=sums[own + i + 1 : last + i + 1])
        return sums

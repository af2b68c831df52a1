"""The model that is registered: weighted members with intervals, complete in one picklable object."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from xflow.domain.backtest import Folds, split
from xflow.domain.candidate import Candidate
from xflow.domain.intervals import Conformal, series_scale
from xflow.domain.panel import Panel
from xflow.errors import ModelIncompatible


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecasts of n series, h steps ahead.

    `mean` has shape (n, h); `bounds` holds lower and upper bound of each level in turn, alike.
    """

    mean: np.ndarray
    bounds: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Forecaster:
    """An ensemble with prediction intervals.

    Attributes
    ----------
    freq, seasonality, horizon, exogenous
        What it was trained for.
    members
        Weight and fitted candidate by name; the weights sum to 1.
    intervals
        Widths learned from out-of-fold residuals.
    non_negative
        No trained value was below 0: forecasts and bounds are cut there.
    learned
        Period ordinal of the last value that it was fitted on, by series.
    """

    freq: str
    seasonality: int
    horizon: int
    exogenous: tuple[str, ...]
    members: Mapping[str, tuple[float, Candidate]]
    intervals: Conformal
    non_negative: bool
    learned: Mapping[str, int]

    @classmethod
    def fit(
        cls,
        panel: Panel,
        members: Mapping[str, tuple[float, Candidate]],
        intervals: Conformal,
        seasonality: int,
        horizon: int,
    ) -> Self:
        """Fit every member on the whole panel."""
        fitted = {name: (weight, candidate.fit(panel)) for name, (weight, candidate) in members.items()}
        non_negative = bool((panel.values >= 0).all())
        learned = dict(zip(panel.ids.tolist(), panel.ends.tolist(), strict=True))
        return cls(panel.freq, seasonality, horizon, panel.exog_names, fitted, intervals, non_negative, learned)

    @property
    def levels(self) -> tuple[float, ...]:
        """Nominal coverages of the intervals."""
        return self.intervals.levels

    def forecast(self, panel: Panel, horizon: int) -> Forecast:
        """Forecast each series from its own end.

        Series may be new, short or constant, and `horizon` longer than trained.

        Raises
        ------
        ModelIncompatible
            The panel has another frequency or other exogenous columns, or lacks their future values.
        """
        if (panel.freq, panel.exog_names) != (self.freq, self.exogenous):
            raise ModelIncompatible(
                f"trained for frequency {self.freq} and columns {self.exogenous}, "
                f"the panel has {panel.freq} and {panel.exog_names}"
            )
        mean = np.zeros((panel.n_series, horizon))
        for weight, candidate in self.members.values():
            mean += weight * candidate.forecast(panel, horizon)
        lowest = 0.0 if self.non_negative else -np.inf
        scale = series_scale(panel, self.seasonality)
        bounds = self.intervals.bounds(mean, scale)
        # Of a constant series nothing says how far it may go; its interval holds its own value at least.
        last = np.where(scale > 0, np.nan, panel.values[panel.offsets[1:] - 1])[:, None]
        bounds = tuple((np.fmin, np.fmax)[k % 2](bound, last) for k, bound in enumerate(bounds))
        return Forecast(np.maximum(mean, lowest), tuple(np.maximum(bound, lowest) for bound in bounds))


def fit_intervals(
    panel: Panel, folds: Folds, oof: np.ndarray, levels: tuple[float, ...], seasonality: int
) -> Conformal:
    """Learn interval widths from the ensemble's out-of-fold forecasts, shape (folds, n_series, horizon)."""
    residuals = []
    for k, fold in enumerate(folds.folds):
        history, actual = split(panel, fold, folds.horizon)
        scale = series_scale(history, seasonality)
        usable = scale > 0
        residuals.append((actual - oof[k, fold.members])[usable] / scale[usable, None])
    return Conformal.fit(np.concatenate(residuals), levels)

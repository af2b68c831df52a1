"""The model that is registered: weighted members with intervals, complete in one picklable object."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from xflow.domain.backtest import Folds, split
from xflow.domain.intervals import Conformal, series_scale
from xflow.domain.panel import Panel, period_starts
from xflow.domain.series_guard import Guarded, guarded, lowest, simple, simple_name
from xflow.errors import ModelIncompatible


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecasts of n series, h steps ahead.

    Attributes
    ----------
    mean
        Shape (n, h).
    bounds
        Lower and upper bound of each level in turn, each of that shape, with the mean between them.
    notes
        What must be known of a forecast, by place of its series; see `Forecaster.forecast`.
    fell_back
        Places of the series that are, wholly or in part, forecast by their last season or value.
    replaced
        Those among them that no member has a part in.
    """

    mean: np.ndarray
    bounds: tuple[np.ndarray, ...]
    notes: Mapping[int, str] = field(default_factory=dict)
    fell_back: frozenset[int] = frozenset()
    replaced: frozenset[int] = frozenset()


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
    learned
        Period ordinal of the last value that it was fitted on, by series.
    """

    freq: str
    seasonality: int
    horizon: int
    exogenous: tuple[str, ...]
    members: Mapping[str, tuple[float, Guarded]]
    intervals: Conformal
    learned: Mapping[str, int]

    @classmethod
    def fit(
        cls,
        panel: Panel,
        members: Mapping[str, tuple[float, Guarded]],
        intervals: Conformal,
        seasonality: int,
        horizon: int,
    ) -> Self:
        """Fit every member on the whole panel."""
        fitted = {name: (weight, candidate.fit(panel)) for name, (weight, candidate) in members.items()}
        learned = dict(zip(panel.ids.tolist(), panel.ends.tolist(), strict=True))
        return cls(panel.freq, seasonality, horizon, panel.exog_names, fitted, intervals, learned)

    @property
    def levels(self) -> tuple[float, ...]:
        """Nominal coverages of the intervals."""
        return self.intervals.levels

    @property
    def needs_exogenous(self) -> bool:
        """Whether a member wants the future values of the exogenous columns."""
        return any(
            getattr(guarded(candidate, name, self.seasonality).model, "exog_names", ())
            for name, (_, candidate) in self.members.items()
        )

    def forecast(self, panel: Panel, horizon: int) -> Forecast:
        """Forecast each series from its own end.

        Series may be new, short or constant, and `horizon` longer than trained. A series that never was below 0 has
        no forecast and no bound below it. A note says that a member failed on a series and by what it was replaced,
        that history before a gap was left out, or that the series was in no training. After a gap a series of fewer
        than `enough` values is forecast by its last season, or its last value.

        Raises
        ------
        ModelIncompatible
            The panel has another frequency or other exogenous columns.
        """
        if (panel.freq, panel.exog_names) != (self.freq, self.exogenous):
            raise ModelIncompatible(
                f"trained for frequency {self.freq} and columns {self.exogenous}, "
                f"the panel has {panel.freq} and {panel.exog_names}"
            )
        mean, notes = np.zeros((panel.n_series, horizon)), _Notes(panel, self.seasonality)
        for name, (weight, candidate) in self.members.items():
            made = guarded(candidate, name, self.seasonality).attempt(panel, horizon)
            mean += weight * made.values
            notes.failed(name, weight, made.failures)
        cut_short = np.flatnonzero((panel.gaps > 0) & (panel.lengths < enough(self.seasonality)))
        mean[cut_short] = simple(panel.select(cut_short), horizon, self.seasonality)
        notes.gaps(cut_short)
        # A model of an earlier version does not say what it learned from.
        notes.unseen(getattr(self, "learned", None))
        return Forecast(
            mean, self._bounds(panel, mean), notes.texts(), frozenset(notes.fell_back), frozenset(cut_short.tolist())
        )

    def _bounds(self, panel: Panel, mean: np.ndarray) -> tuple[np.ndarray, ...]:
        scale = series_scale(panel, self.seasonality)
        bounds = self.intervals.bounds(mean, scale)
        # Of a constant series nothing says how far it may go; its interval holds its own value at least.
        last = np.where(scale > 0, np.nan, panel.values[panel.offsets[1:] - 1])[:, None]
        bounds = tuple((np.fmin, np.fmax)[k % 2](bound, last) for k, bound in enumerate(bounds))
        return tuple(np.maximum(bound, lowest(panel)[:, None]) for bound in bounds)


def enough(seasonality: int) -> int:
    """Return how many values after a gap are history enough: two seasons and one, as a fold needs."""
    return 2 * seasonality + 1


class _Notes:
    """What must be known of the forecasts of a panel, gathered series by series."""

    def __init__(self, panel: Panel, seasonality: int) -> None:
        self._panel, self._seasonality = panel, seasonality
        self._told: dict[int, list[str]] = {}
        self.fell_back: set[int] = set()

    def failed(self, name: str, weight: float, failures: Mapping[int, str]) -> None:
        """Note the series that a member failed on."""
        share = "" if weight == 1 else f"{weight:.0%} of it "
        for i, why in failures.items():
            self._tell(i, f"fallback to {self._simple(i)}: {share}{name} {why}")
            self.fell_back.add(i)

    def gaps(self, cut_short: np.ndarray) -> None:
        """Note the series whose history before a gap was left out, and those of which too little remains."""
        panel = self._panel
        ordinals = panel.starts - panel.gaps * panel.step
        for i in np.flatnonzero(panel.gaps).tolist():
            at = np.datetime_as_string(period_starts(ordinals[[i]], panel.freq)[0], unit="m").removesuffix("T00:00")
            self._tell(i, f"history before a gap at {at} left out")
        for i in cut_short.tolist():
            left, needed = panel.lengths[i], enough(self._seasonality)
            self._told[i] = [
                f"fallback to {self._simple(i)}: {self._told[i][-1]}, and {left} of {needed} values remain"
            ]
            self.fell_back.add(i)

    def unseen(self, learned: Mapping[str, int] | None) -> None:
        """Note the series that were in no training."""
        for i, name in enumerate(self._panel.ids.tolist() if learned is not None else ()):
            if name not in (learned or ()):
                self._tell(i, "unseen: the model was not trained on this series")

    def texts(self) -> dict[int, str]:
        """Return the notes of each series that has any."""
        return {i: "; ".join(told) for i, told in self._told.items()}

    def _simple(self, i: int) -> str:
        return simple_name(int(self._panel.lengths[i]), self._seasonality)

    def _tell(self, i: int, text: str) -> None:
        self._told.setdefault(i, []).append(text)


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

"""Rolling-origin backtest: what a candidate would have forecast at earlier origins."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xflow.domain.metrics import mean_error, per_series
from xflow.domain.panel import Panel
from xflow.domain.series_guard import Guarded, named
from xflow.errors import ModelFailed

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Fold:
    """One origin: `members` (indices of series) forget their last `drop` values; the next ones are forecast."""

    drop: int
    members: np.ndarray


@dataclass(frozen=True, slots=True)
class Folds:
    """The origins of a backtest, the oldest first, relative to each series' own end."""

    horizon: int
    folds: tuple[Fold, ...]

    @property
    def scored(self) -> int:
        """Number of series in the newest fold."""
        return len(self.folds[-1].members)


def plan_folds(lengths: np.ndarray, horizon: int, n_folds: int, min_train: int) -> Folds:
    """Lay out origins one horizon apart, the last one horizon before each series' end.

    A series takes part in a fold only when at least `min_train` values (and 1) lie before the origin.
    Folds without any series are left out.

    Raises
    ------
    ValueError
        No series is long enough for one fold.
    """
    folds = []
    for k in range(n_folds, 0, -1):
        members = np.flatnonzero(lengths - k * horizon >= max(min_train, 1))
        if len(members):
            folds.append(Fold(k * horizon, members))
    if not folds:
        raise ValueError(
            f"backtest: the longest series has {int(lengths.max(initial=0))} values, "
            f"one fold needs {max(min_train, 1) + horizon}: lower horizon or min_train, or bring more history"
        )
    return Folds(horizon, tuple(folds))


def split(panel: Panel, fold: Fold, horizon: int) -> tuple[Panel, np.ndarray]:
    """Return what the fold's members knew at the origin, and what came after, shape (members, horizon)."""
    known = panel.select(fold.members)
    first = known.offsets[1:, None] - fold.drop
    return known.head(fold.drop), known.values[first + np.arange(horizon)]


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a candidate would have forecast.

    Attributes
    ----------
    oof
        Out-of-fold forecasts, shape (folds, n_series, horizon); NaN for series outside a fold.
    fell_back
        How many of them, of a fold and a series, are the simple forecast of the guard; they count as the candidate's.
    """

    oof: np.ndarray
    fell_back: int


def run(candidate: Callable[[], Guarded], panel: Panel, folds: Folds, progress: Progress | None = None) -> Backtest:
    """Fit a fresh candidate at every origin and forecast from it.

    Raises
    ------
    ModelFailed
        The candidate has not one forecast of its own.
    """
    made = np.full((len(folds.folds), panel.n_series, folds.horizon), np.nan)
    failed: list[tuple[str, str]] = []
    for k, fold in enumerate(folds.folds):
        history, _ = split(panel, fold, folds.horizon)
        fitted = candidate().fit(history)
        attempt = fitted.attempt(history, folds.horizon)
        made[k, fold.members] = attempt.values
        failed += [(str(history.ids[i]), f"{fitted.kind} {why}") for i, why in attempt.failures.items()]
        if progress:
            progress(k + 1, len(folds.folds))
    if len(failed) == sum(len(fold.members) for fold in folds.folds):
        names = np.unique([name for name, _ in failed])
        raise ModelFailed(f"no forecast of its own for any of {named(names)}: {failed[0][1]}.")
    return Backtest(made, len(failed))


def actuals(panel: Panel, folds: Folds) -> np.ndarray:
    """Return what came after every origin, shape (folds, n_series, horizon); NaN outside a fold."""
    known = np.full((len(folds.folds), panel.n_series, folds.horizon), np.nan)
    for k, fold in enumerate(folds.folds):
        known[k, fold.members] = split(panel, fold, folds.horizon)[1]
    return known


def errors(metric: str, panel: Panel, folds: Folds, forecasts: np.ndarray, seasonality: int) -> np.ndarray:
    """Return the error of every fold and series, shape (folds, n_series); NaN where there is none."""
    scored = np.full(forecasts.shape[:2], np.nan)
    for k, fold in enumerate(folds.folds):
        history, actual = split(panel, fold, folds.horizon)
        scored[k, fold.members] = per_series(metric, actual, forecasts[k, fold.members], history, seasonality)
    return scored


def score(metric: str, panel: Panel, folds: Folds, forecasts: np.ndarray, seasonality: int) -> float:
    """Return the mean error over all folds and series."""
    return mean_error(errors(metric, panel, folds, forecasts, seasonality))

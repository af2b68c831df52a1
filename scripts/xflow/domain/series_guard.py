"""The guard of every candidate: one series that its model fails on gets a simple forecast, and the others their own.

A model fails on a series when its package raises, or its forecast is not finite or too far from what the series
ever was. What is left is cut at 0 where the series never was below.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from xflow.domain.panel import Panel
from xflow.errors import ModelFailed, XflowError

REACH = 5.0
"""How far a forecast may lie beyond the series' extremes, in units of its range or of its largest absolute value,
whichever is larger; of a horizon longer than the series, so many times more."""

LONGEST = 160
"""Characters of a package's message that a note repeats."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of n series.

    Attributes
    ----------
    values
        Forecasts, shape (n, horizon).
    failures
        Why the model has no forecast of its own, by place of the series.
    """

    values: np.ndarray
    failures: Mapping[int, str]


class Model(Protocol):
    """What a candidate guards; the rows of `failures` in ``attempt(...).values`` mean nothing."""

    def fit(self, panel: Panel) -> object:
        """Learn from a panel."""

    def attempt(self, panel: Panel, horizon: int) -> Attempt:
        """Forecast the next `horizon` steps of every series."""


class Guarded:
    """A candidate: a model behind the guard.

    Parameters
    ----------
    kind
        What the model is called in messages.
    seasonality
        Season in steps of the simple forecast.
    """

    def __init__(self, model: Model, kind: str, seasonality: int) -> None:
        self.model, self.kind, self.seasonality = model, kind, seasonality

    def fit(self, panel: Panel) -> Self:
        """Learn from a panel; return self.

        Raises
        ------
        ModelFailed
            The model's package raised.
        """
        try:
            called(lambda: self.model.fit(panel))
        except ModelFailed as error:
            raise ModelFailed(f"{self.kind} cannot be fitted on {named(panel.ids)}: {error}.") from error
        return self

    def forecast(self, panel: Panel, horizon: int) -> np.ndarray:
        """Return the forecasts of `attempt`."""
        return self.attempt(panel, horizon).values

    def attempt(self, panel: Panel, horizon: int) -> Attempt:
        """Forecast every series; those that the model fails on by their last season, or their last value."""
        try:
            made = called(lambda: self.model.attempt(panel, horizon))
        except ModelFailed as error:
            raise ModelFailed(f"{self.kind} failed on {named(panel.ids)}: {error}.") from error
        failures = dict(made.failures)
        for i, why in _astray(made.values, panel).items():
            failures.setdefault(i, why)
        values = made.values
        if failures:
            values, places = values.copy(), np.array(sorted(failures))
            values[places] = simple(panel.select(places), horizon, self.seasonality)
        return Attempt(np.maximum(values, lowest(panel)[:, None]), failures)


def guarded(candidate: object, kind: str, seasonality: int) -> Guarded:
    """Return a member of a model behind the guard; earlier versions of xFlow kept it without."""
    return candidate if isinstance(candidate, Guarded) else Guarded(candidate, kind, seasonality)  # type: ignore[arg-type]


def called[T](call: Callable[[], T]) -> T:
    """Return what a call into a model's package gives.

    Raises
    ------
    ModelFailed
        Whatever the package raised, in a line.
    """
    try:
        return call()
    except (XflowError, MemoryError, OSError, ImportError, SyntaxError):
        raise  # a fault of the machine or of the installation says nothing of a series
    except Exception as error:
        said = " ".join(str(error).split())[:LONGEST]
        raise ModelFailed(f"{type(error).__name__}: {said}" if said else type(error).__name__) from error


def simple(panel: Panel, horizon: int, seasonality: int) -> np.ndarray:
    """Return the last season of each series again and again, or the last value of one without a season."""
    seasons = np.where(panel.lengths >= seasonality, seasonality, 1)
    steps = np.arange(horizon)
    places = panel.offsets[1:, None] - seasons[:, None] + steps % seasons[:, None]
    return np.asarray(panel.values[places])


def simple_name(length: int, seasonality: int) -> str:
    """Return what `simple` repeats of a series of a length."""
    return "last season" if length >= seasonality > 1 else "last value"


def lowest(panel: Panel) -> np.ndarray:
    """Return the lowest forecast of each series, shape (n,): 0 where it never was below, else none."""
    return np.where(np.minimum.reduceat(panel.values, panel.offsets[:-1]) >= 0, 0.0, -np.inf)


def named(ids: np.ndarray) -> str:
    """Return the number of series, and the first five."""
    return f"{len(ids)} series, such as {', '.join(map(str, ids[:5]))}"


def _astray(values: np.ndarray, panel: Panel) -> dict[int, str]:
    """Return why a forecast cannot be meant, by place of the series, for those that cannot."""
    firsts = panel.offsets[:-1]
    low, high = (extreme.reduceat(panel.values, firsts) for extreme in (np.minimum, np.maximum))
    spread = np.maximum(high - low, np.maximum(np.abs(low), np.abs(high)))
    reach = REACH * spread * np.maximum(values.shape[1] / panel.lengths, 1)
    finite = np.isfinite(values).all(axis=1)
    beyond = (values < (low - reach)[:, None]) | (values > (high + reach)[:, None])
    told = {int(i): "gave no finite forecast" for i in np.flatnonzero(~finite)}
    for i in np.flatnonzero(finite & beyond.any(axis=1)):
        worst = values[i][np.argmax(np.abs(values[i]))]
        told[int(i)] = f"forecast {worst:.6g} after values from {low[i]:.6g} to {high[i]:.6g}"
    return told

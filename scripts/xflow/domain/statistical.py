"""Per-series statistical models as ETNA pipelines, over panels whose series end on different dates.

ETNA holds a dataset as one wide frame and forecasts all segments from one last timestamp. Series are
therefore aligned on time relative to their own end (integer timestamps, the last value of every
series at the same one) and go through ETNA in chunks of similar length, so that a frame is about as
large as the values in it.
"""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from xflow.domain.normalise import normalised
from xflow.domain.panel import Panel
from xflow.domain.series_guard import Attempt, called, simple
from xflow.errors import ModelFailed

if TYPE_CHECKING:
    from etna.datasets import TSDataset

CHUNK = 256
SHORTEST = 4  # values that a model with a trend needs; below it the last value is carried on
SHORTEST_ETS = 12  # values that the ETS with the most parameters needs: statsforecast refuses fewer


def _naive(season: int) -> Any:
    from etna.models import NaiveModel

    return NaiveModel(lag=season)


def _theta(season: int, **params: Any) -> Any:
    from etna.models import StatsForecastAutoThetaModel

    return StatsForecastAutoThetaModel(season_length=season, **params)


def _ets(season: int, model: str = "ZZZ", **params: Any) -> Any:
    from etna.models import StatsForecastAutoETSModel

    form = model if season > 1 else model[:2] + "N"  # error, trend and seasonal component
    return StatsForecastAutoETSModel(season_length=season, model=form, **params)


def _arima(season: int, **params: Any) -> Any:
    from etna.models import StatsForecastAutoARIMAModel

    return StatsForecastAutoARIMAModel(season_length=season, **params)


MODELS: dict[str, Callable[..., Any]] = {
    "seasonal_naive": _naive,
    "theta": _theta,
    "ets": _ets,
    "arima": _arima,
}


class LocalModel:
    """One ETNA model a series, fitted on the history that `attempt` is given, normalised: units do not matter.

    A series of fewer than two seasons and one value is modelled without season, one that is constant or has
    fewer than four values (twelve for ETS) by its last value.

    Parameters
    ----------
    kind
        A key of `MODELS`.
    params
        Keyword arguments of ETNA's model, and ``log`` (default False): model the logarithm of series
        whose values are all positive.
    seasonality
        Season in steps.
    """

    def __init__(self, kind: str, params: dict[str, Any], seasonality: int) -> None:
        self.kind, self.seasonality = kind, seasonality
        self.params = dict(params)
        self.log = bool(self.params.pop("log", False))
        MODELS[kind](seasonality, **self.params)  # an unknown parameter is refused here, not after hours

    def fit(self, panel: Panel) -> Self:  # noqa: ARG002  # a local model learns from the history at hand
        """Return self: there is nothing to learn across series."""
        return self

    def attempt(self, panel: Panel, horizon: int) -> Attempt:
        """Fit and forecast every series; one that the package fails on does not keep it from the others."""
        if self.kind == "seasonal_naive":
            return self._groups(panel, horizon, np.ones(panel.n_series, dtype=bool), panel.lengths >= self.seasonality)
        plain = (panel.lengths < (SHORTEST_ETS if self.kind == "ets" else SHORTEST)) | _constant(panel)
        scaled, unit = normalised(panel)
        made = self._groups(scaled, horizon, ~plain, panel.lengths > 2 * self.seasonality)
        values = made.values * unit[:, None]
        values[plain] = simple(panel, horizon, 1)[plain]
        return Attempt(values, made.failures)

    def _groups(self, panel: Panel, horizon: int, chosen: np.ndarray, seasonal: np.ndarray) -> Attempt:
        """Forecast the chosen series, with and without season, in chunks of similar length."""
        made, failures = np.empty((panel.n_series, horizon)), {}
        for member, season in ((chosen & seasonal, self.seasonality), (chosen & ~seasonal, 1)):
            by_length = np.flatnonzero(member)[np.argsort(panel.lengths[member], kind="stable")]
            for first in range(0, len(by_length), CHUNK):
                chunk = by_length[first : first + CHUNK]
                part = self._chunk(panel.select(chunk), season, horizon)
                made[chunk] = part.values
                failures.update({int(chunk[i]): why for i, why in part.failures.items()})
        return Attempt(made, failures)

    def _chunk(self, panel: Panel, season: int, horizon: int) -> Attempt:
        """Forecast a chunk; one that the package fails on half by half, down to the series that it fails on."""
        try:
            return Attempt(called(lambda: self._forecast(panel, MODELS[self.kind](season, **self.params), horizon)), {})
        except ModelFailed as error:
            n = panel.n_series
            if n == 1:
                return Attempt(np.full((1, horizon), np.nan), {0: f"failed on it ({error})"})
        halves = (np.arange(n // 2), np.arange(n // 2, n))
        first, last = (self._chunk(panel.select(half), season, horizon) for half in halves)
        failures = {**first.failures, **{i + n // 2: why for i, why in last.failures.items()}}
        return Attempt(np.concatenate([first.values, last.values]), failures)

    def _forecast(self, panel: Panel, model: Any, horizon: int) -> np.ndarray:
        from etna.pipeline import Pipeline

        positive = np.array([self.log and panel.series(i).min() > 0 for i in range(panel.n_series)])
        pipeline = Pipeline(model=model, horizon=horizon)
        with warnings.catch_warnings(), np.errstate(over="ignore"):  # what overflows is for the guard
            # statsforecast compares models whose likelihood overflows, and drops them
            warnings.filterwarnings("ignore", category=RuntimeWarning, module="statsforecast")
            future = pipeline.fit(_dataset(panel, positive)).forecast()
            made = future.to_pandas().to_numpy()[-horizon:].T.copy()
            made[positive] = np.exp(made[positive])
        return np.asarray(made)


def _constant(panel: Panel) -> np.ndarray:
    firsts = panel.offsets[:-1]
    return np.asarray(np.maximum.reduceat(panel.values, firsts) == np.minimum.reduceat(panel.values, firsts))


def _dataset(panel: Panel, positive: np.ndarray) -> "TSDataset":
    """Return the series as ETNA segments, with the last value of each at one integer timestamp."""
    from etna.datasets import TSDataset

    longest = int(panel.lengths.max())
    wide = np.full((longest, panel.n_series), np.nan)
    for i in range(panel.n_series):
        values = panel.series(i)
        wide[longest - len(values) :, i] = np.log(values) if positive[i] else values
    segments = [f"{i:06d}" for i in range(panel.n_series)]
    columns = pd.MultiIndex.from_product([segments, ["target"]], names=["segment", "feature"])
    return TSDataset(pd.DataFrame(wide, index=pd.RangeIndex(longest, name="timestamp"), columns=columns), freq=None)

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

from xflow.domain.candidate import check_finite
from xflow.domain.panel import Panel

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
    """One ETNA model a series, fitted on the history that `forecast` is given.

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

    def forecast(self, panel: Panel, horizon: int) -> np.ndarray:
        """Fit and forecast every series, shape (n, horizon)."""
        made = np.empty((panel.n_series, horizon))
        lengths = panel.lengths
        plain = (lengths < (SHORTEST_ETS if self.kind == "ets" else SHORTEST)) | _constant(panel)
        seasonal = ~plain & (lengths > 2 * self.seasonality)
        if self.kind == "seasonal_naive":
            plain, seasonal = np.zeros_like(plain), lengths >= self.seasonality
        groups: list[tuple[np.ndarray, Callable[[], Any]]] = [
            (seasonal, lambda: MODELS[self.kind](self.seasonality, **self.params)),
            (~plain & ~seasonal, lambda: MODELS[self.kind](1, **self.params)),
            (plain, lambda: _naive(1)),
        ]
        for member, build in groups:
            by_length = np.flatnonzero(member)[np.argsort(lengths[member], kind="stable")]
            for first in range(0, len(by_length), CHUNK):
                chunk = by_length[first : first + CHUNK]
                made[chunk] = self._chunk(panel.select(chunk), build(), horizon)
        check_finite(made, panel, self.kind)
        return made

    def _chunk(self, panel: Panel, model: Any, horizon: int) -> np.ndarray:
        from etna.pipeline import Pipeline

        positive = np.array([self.log and panel.series(i).min() > 0 for i in range(panel.n_series)])
        pipeline = Pipeline(model=model, horizon=horizon)
        with warnings.catch_warnings():
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

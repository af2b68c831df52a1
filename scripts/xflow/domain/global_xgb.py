"""One gradient-boosted model of all series: direct multi-step forecasts from lags, seasons and the calendar."""

import ctypes
from typing import TYPE_CHECKING, Self

import numpy as np

from xflow.candidate_params import XGBParams
from xflow.domain.candidate import Setting
from xflow.domain.contributions import Contributions
from xflow.domain.lag_features import LagFeatures, Rows
from xflow.domain.normalise import normalised
from xflow.domain.panel import Panel
from xflow.domain.series_guard import Attempt
from xflow.domain.windows import Windows
from xflow.errors import ConfigInvalid, ModelIncompatible

if TYPE_CHECKING:
    import xgboost

FORECAST_ROWS = 200_000


class GlobalXGB:
    """One XGBoost over all series and steps.

    A row is a series, an origin and a step h ahead. The target is how far the value lies from the base
    forecast of `Described`, in units of the origin's level; the loss is the absolute error, weighted by
    level over the seasonal naive error up to the origin, which makes it MASE's own.
    """

    def __init__(self, params: XGBParams, setting: Setting) -> None:
        self.params, self.setting = params, setting
        self.boosters: list[xgboost.Booster] = []
        self.exog_names: tuple[str, ...] = ()

    def fit(self, panel: Panel) -> Self:
        """Learn from every origin of every series that has a season before it and a value after it.

        Raises
        ------
        ConfigInvalid
            No series has a value after its first season, or none differs from its season before.
        """
        import xgboost

        self.exog_names = panel.exog_names
        panel, _ = normalised(panel)
        windows = Windows(panel)
        self.boosters = []
        for bag in range(self.params.bags):
            rng = np.random.default_rng([self.setting.seed, bag])
            data = self._training_data(panel, windows, self._sample(panel, rng))
            self.boosters.append(xgboost.train(self._xgb_params(bag), data, num_boost_round=self.params.trees))
        return self

    def attempt(self, panel: Panel, horizon: int) -> Attempt:
        """Forecast from each series' end, but for series whose exogenous columns are not known far enough ahead.

        Steps past the trained horizon use the model of its last step on their own seasonal values.

        Raises
        ------
        ModelIncompatible
            The exogenous columns differ from those trained on.
        """
        made, unknown = np.full((panel.n_series, horizon), np.nan), self._unknown_ahead(panel, horizon)
        able = np.setdiff1d(np.arange(panel.n_series), list(unknown))
        if len(able):
            made[able] = self._forecast(panel.select(able), horizon)
        return Attempt(made, unknown)

    def _forecast(self, panel: Panel, horizon: int) -> np.ndarray:
        scaled, unit = normalised(panel)
        windows, made = Windows(scaled), np.empty((panel.n_series, horizon))
        chunk = max(FORECAST_ROWS // horizon, 1)
        for first in range(0, panel.n_series, chunk):
            series = np.arange(first, min(first + chunk, panel.n_series))
            rows = Rows(
                series.repeat(horizon),
                (panel.lengths[series] - 1).repeat(horizon),
                np.tile(np.arange(1, horizon + 1), len(series)),
            )
            made[series] = self._predict(scaled, windows, rows).reshape(len(series), horizon)
        return np.asarray(made * unit[:, None])

    def contributions(self, panel: Panel, step: int) -> tuple[Contributions, np.ndarray]:
        """Return what each feature adds to the forecast of a panel's first series, and the features' values.

        Parameters
        ----------
        step
            Steps ahead, from 1.

        Returns
        -------
        contributions, values
            In the series' units, shape (f, 1): SHAP values times the level; the base holds the base forecast.
            The values of `feature_names`, shape (f,).
        """
        import xgboost

        panel, unit = normalised(panel.select(np.array([0])))
        windows = Windows(panel)
        rows = Rows(np.array([0]), panel.lengths[:1] - 1, np.array([step]))
        described = self._features.describe(panel, windows, rows)
        described.features[:, 0] = min(step, self.setting.horizon)
        row = xgboost.DMatrix(described.features, feature_names=self.feature_names(panel))
        shap = np.mean([booster.predict(row, pred_contribs=True)[0] for booster in self.boosters], axis=0)
        values = unit * (described.level * shap.astype(np.float64))[:, None]
        made = unit * self._predict(panel, windows, rows)
        return Contributions("value", values[:-1], unit * described.base + values[-1], made), described.features[0]

    def feature_names(self, panel: Panel) -> list[str]:
        """Return the names of the features that a panel gives."""
        return self._features.names(panel)

    @property
    def _features(self) -> LagFeatures:
        seasons = (self.setting.seasonality, *self.params.seasons)
        return LagFeatures(seasons, self.params.lags, self.params.cycles, self.params.calendar)

    def _sample(self, panel: Panel, rng: np.random.Generator) -> Rows:
        """Return training rows: every origin and step that there is, or a sample of them."""
        earliest = np.minimum(self.setting.seasonality, panel.lengths - 1)
        if self.params.recent:
            earliest = np.maximum(earliest, panel.lengths - 1 - self.params.recent)
        origins = panel.lengths - 1 - earliest
        ends = np.cumsum(origins)
        if not ends[-1]:
            raise ConfigInvalid("global_xgb: no series has a value after its first season: bring more history")
        horizon = self.setting.horizon
        everything = int(ends[-1]) * horizon
        if everything <= self.params.rows:
            picked = np.arange(everything)
        else:
            picked = np.sort(rng.integers(0, everything, self.params.rows))
        flat, step = picked // horizon, picked % horizon + 1
        series = np.searchsorted(ends, flat, side="right")
        origin = flat - (ends - origins)[series] + earliest[series]
        inside = origin + step < panel.lengths[series]
        return Rows(series, origin, step).where(inside)

    def _training_data(self, panel: Panel, windows: Windows, rows: Rows) -> "xgboost.QuantileDMatrix":
        """Return features, scaled targets and weights of the rows whose level and scale are not 0."""
        import xgboost

        season = self.setting.seasonality
        scale = windows.mean_change(rows.series, rows.origin, rows.origin + 1 - season, season)
        rows, scale = rows.where(scale > 0), scale[scale > 0]
        if not len(scale):
            raise ConfigInvalid("global_xgb: every series repeats its first season: there is nothing to learn")
        described = self._features.describe(panel, windows, rows)
        target = windows.value(rows.series, rows.origin + rows.step) - described.base
        level = np.where(described.level > 0, described.level, scale)
        weight = level / scale
        return xgboost.QuantileDMatrix(
            described.features,
            target / level,
            weight=np.minimum(weight, np.quantile(weight, 0.95)),
            feature_names=self.feature_names(panel),
        )

    def _predict(self, panel: Panel, windows: Windows, rows: Rows) -> np.ndarray:
        described = self._features.describe(panel, windows, rows)
        described.features[:, 0] = np.minimum(rows.step, self.setting.horizon)
        device = compute_device(self.setting.device)
        total = np.zeros(len(rows.step))
        for booster in self.boosters:
            booster.set_param({"device": device})
            total += booster.inplace_predict(described.features, validate_features=False)
        return np.asarray(described.base + described.level * total / len(self.boosters))

    def _xgb_params(self, bag: int) -> dict[str, object]:
        p = self.params
        return {
            "objective": "reg:absoluteerror",
            "tree_method": "hist",
            "device": compute_device(self.setting.device),
            "seed": self.setting.seed + bag,
            "max_depth": p.depth,
            "eta": p.learning_rate,
            "min_child_weight": p.min_child_weight,
            "subsample": p.subsample,
            "colsample_bytree": p.colsample,
        }

    def _unknown_ahead(self, panel: Panel, horizon: int) -> dict[int, str]:
        """Return why, by place, of the series whose exogenous columns are not known up to the horizon."""
        if panel.exog_names != self.exog_names:
            raise ModelIncompatible(f"trained with the columns {self.exog_names}, the panel has {panel.exog_names}")
        if not self.exog_names:
            return {}
        ahead = np.diff(panel.exog_offsets) - panel.lengths
        wanted = f"needs {', '.join(self.exog_names)} {horizon} steps ahead"
        advice = "add rows with these columns and no value"
        return {int(i): f"{wanted}, knows {ahead[i]}: {advice}" for i in np.flatnonzero(ahead < horizon)}


def compute_device(device: str) -> str:
    """Return ``cuda`` or ``cpu``: for ``auto``, CUDA when the driver finds a GPU."""
    if device != "auto":
        return device
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "cpu"
    count = ctypes.c_int(0)
    found = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    return "cuda" if found else "cpu"

"""What a forecasting model must offer to be tuned, selected and registered."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

import numpy as np

from xflow.candidate_check import parameters
from xflow.candidate_params import XGBParams
from xflow.domain.panel import Panel
from xflow.errors import ConfigInvalid, ForecastNotFinite


class Candidate(Protocol):
    """A model of many series.

    `forecast` starts at each series' own end and returns shape (n, horizon), finite. A global model
    uses what it learned in `fit` and lags from the panel; a local one is fitted on the panel given.
    """

    def fit(self, panel: Panel) -> Self:
        """Learn from a panel; return self."""

    def forecast(self, panel: Panel, horizon: int) -> np.ndarray:
        """Forecast the next `horizon` steps of every series."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What candidates share.

    `seasonality` is the season in steps, `horizon` the steps to forecast, `device` ``auto``,
    ``cpu`` or ``cuda``.
    """

    seasonality: int
    horizon: int
    seed: int = 0
    device: str = "auto"


def build_candidate(kind: str, params: Mapping[str, Any], setting: Setting) -> Candidate:
    """Make an unfitted candidate.

    Raises
    ------
    ConfigInvalid
        The kind is unknown, has no such parameter, or the parameter no such value.
    """
    from xflow.domain.global_xgb import GlobalXGB
    from xflow.domain.statistical import MODELS, LocalModel

    found = parameters(kind, params)
    if isinstance(found, XGBParams):
        return GlobalXGB(found, setting)
    if kind in MODELS:
        given = {name: value for name, value in asdict(found).items() if value is not None}
        return LocalModel(kind, given, setting.seasonality)
    raise ConfigInvalid(f"candidate kind {kind!r} is not one of {', '.join(sorted([*MODELS, 'global_xgb']))}")


def check_finite(forecast: np.ndarray, panel: Panel, model: str) -> None:
    """Refuse a forecast with NaN or infinity: left out of a mean error, it would make its model look better.

    Parameters
    ----------
    forecast
        Shape (n, horizon), one row a series of `panel`.
    model
        Its name, for the message.

    Raises
    ------
    ForecastNotFinite
        The message names some of the series.
    """
    broken = panel.ids[~np.isfinite(forecast).all(axis=1)]
    if len(broken):
        raise ForecastNotFinite(
            f"{model}: no finite forecast for {len(broken)} of {panel.n_series} series, such as {list(broken[:5])}. "
            "Look at their values, or take the candidate out of the pipeline."
        )

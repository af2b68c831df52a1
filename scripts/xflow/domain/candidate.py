"""The forecasting models that can be tuned, selected and registered."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from xflow.candidate_check import parameters
from xflow.candidate_params import XGBParams
from xflow.domain.series_guard import Guarded
from xflow.errors import ConfigInvalid


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


def build_candidate(kind: str, params: Mapping[str, Any], setting: Setting) -> Guarded:
    """Make an unfitted candidate.

    Its forecasts start at each series' own end. A global model uses what it learned in `fit` and lags from the panel;
    a local one is fitted on the panel given.

    Raises
    ------
    ConfigInvalid
        The kind is unknown, has no such parameter, or the parameter no such value.
    """
    from xflow.domain.global_xgb import GlobalXGB
    from xflow.domain.statistical import MODELS, LocalModel

    found = parameters(kind, params)
    if isinstance(found, XGBParams):
        return Guarded(GlobalXGB(found, setting), kind, setting.seasonality)
    if kind in MODELS:
        given = {name: value for name, value in asdict(found).items() if value is not None}
        return Guarded(LocalModel(kind, given, setting.seasonality), kind, setting.seasonality)
    raise ConfigInvalid(f"candidate kind {kind!r} is not one of {', '.join(sorted([*MODELS, 'global_xgb']))}")

"""The form in which a forecaster is logged to MLflow: a pyfunc over long frames."""

from typing import TYPE_CHECKING, Any

import pandas as pd
from mlflow.models import ModelSignature
from mlflow.pyfunc import PythonModel
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from xflow.columns import SERIES_ID, TIMESTAMP, VALUE
from xflow.domain.panel import Panel
from xflow.schema import bound_names

if TYPE_CHECKING:
    from xflow.domain.forecaster import Forecaster


class ForecastModel(PythonModel):  # type: ignore[misc]  # mlflow's base is untyped
    """A fitted forecaster behind MLflow's pyfunc interface.

    `predict` takes the known history as a long frame (`series_id`, `timestamp`, `value` and the
    exogenous columns, whose future rows have a null value) and returns one row a series and step:
    `series_id`, `timestamp`, `step`, `forecast` and the interval bounds.
    """

    def __init__(self, forecaster: "Forecaster") -> None:
        self.forecaster = forecaster

    def predict(
        self,
        context: Any,  # noqa: ARG002  # MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Forecast ``params["horizon"]`` steps (default: the trained horizon) for every series."""
        model = self.forecaster
        horizon = int((params or {}).get("horizon") or 0) or model.horizon
        panel = Panel.from_frame(model_input, model.freq, exogenous=model.exogenous)
        return forecast_frame(model, panel, horizon)


def forecast_frame(model: "Forecaster", panel: Panel, horizon: int) -> pd.DataFrame:
    """Return a panel's forecast in long form, sorted by series as in the panel, then by step."""
    forecast = model.forecast(panel, horizon)
    steps = range(1, horizon + 1)
    frame = pd.DataFrame(
        {
            SERIES_ID: panel.ids.repeat(horizon),
            TIMESTAMP: panel.future_timestamps(horizon).ravel(),
            "step": list(steps) * panel.n_series,
            "forecast": forecast.mean.ravel(),
        }
    )
    for name, bound in zip(bound_names(model.levels), forecast.bounds, strict=True):
        frame[name] = bound.ravel()
    return frame


def signature(model: "Forecaster") -> ModelSignature:
    """Return the signature of a forecaster's pyfunc."""
    inputs = [
        ColSpec(DataType.string, SERIES_ID),
        ColSpec(DataType.datetime, TIMESTAMP),
        ColSpec(DataType.double, VALUE),
        *[ColSpec(DataType.double, name) for name in model.exogenous],
    ]
    outputs = [
        ColSpec(DataType.string, SERIES_ID),
        ColSpec(DataType.datetime, TIMESTAMP),
        ColSpec(DataType.long, "step"),
        ColSpec(DataType.double, "forecast"),
        *[ColSpec(DataType.double, name) for name in bound_names(model.levels)],
    ]
    horizon = ParamSpec("horizon", DataType.integer, model.horizon)
    return ModelSignature(Schema(inputs), Schema(outputs), ParamSchema([horizon]))

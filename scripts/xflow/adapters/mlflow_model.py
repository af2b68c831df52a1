"""The form in which models are logged to MLflow: pyfuncs over plain frames."""

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
    from xflow.domain.vacancies.model import CohortModel
    from xflow.ports import AnyModel


class ForecastModel(PythonModel):  # type: ignore[misc]  # mlflow's base is untyped
    """A fitted forecaster behind MLflow's pyfunc interface.

    `predict` takes the known history as a long frame (`series_id`, `timestamp`, `value` and the
    exogenous columns, whose future rows have a null value) and returns one row a series and step:
    `series_id`, `timestamp`, `step`, `forecast` and the interval bounds.
    """

    def __init__(self, forecaster: "Forecaster") -> None:
        self.forecaster = forecaster

    @property
    def model(self) -> "Forecaster":
        """The model inside."""
        return self.forecaster

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

    def signature(self) -> ModelSignature:
        """Return the columns that the model takes and gives."""
        model = self.forecaster
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


class CohortsModel(PythonModel):  # type: ignore[misc]  # mlflow's base is untyped
    """A fitted cohort model behind MLflow's pyfunc interface.

    `predict` takes raw vacancies: the texts and categories that the model was trained with, as the
    API gives them. It returns one row a vacancy: `cohort`, `probability`, and the probability of
    every cohort in a column of its name.
    """

    def __init__(self, model: "CohortModel") -> None:
        self.model = model

    def predict(
        self,
        context: Any,  # noqa: ARG002  # MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Return the cohort and the probabilities of each vacancy."""
        from xflow.domain.vacancies.features import text_frame

        shares = self.model.probabilities(text_frame(model_input, self.model.texts, self.model.categories))
        made = pd.DataFrame(shares, columns=list(self.model.cohorts), index=model_input.index)
        made.insert(0, "cohort", [self.model.cohorts[i] for i in shares.argmax(axis=1)])
        made.insert(1, "probability", shares.max(axis=1))
        return made

    def signature(self) -> ModelSignature:
        """Return the columns that the model takes and gives."""
        inputs = [ColSpec(DataType.string, name, required=False) for name in self.model.texts + self.model.categories]
        outputs = [ColSpec(DataType.string, "cohort"), ColSpec(DataType.double, "probability")]
        outputs += [ColSpec(DataType.double, name) for name in self.model.cohorts]
        return ModelSignature(Schema(inputs), Schema(outputs))


def wrap(model: "AnyModel") -> ForecastModel | CohortsModel:
    """Return the pyfunc of a fitted model."""
    from xflow.domain.forecaster import Forecaster

    return ForecastModel(model) if isinstance(model, Forecaster) else CohortsModel(model)

"""What a request for forecasts of series holds, and its answer."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, Strict, StringConstraints
from pydantic.config import JsonDict

from xflow.serving.answering import ModelVersion

MOST_STEPS = 1_000
LARGEST = 1e15
LONGEST_ID = 500

Number = Annotated[FiniteFloat, Strict(), Field(ge=-LARGEST, le=LARGEST)]
SeriesId = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID)]
BY_IDS: dict[str, Any] = {"series_ids": ["T1", "T2"], "horizon": 12}
BY_VALUES: dict[str, Any] = {
    "series": [{"id": "mine", "start": "2024-01-01", "values": [112, 118, 132, 129, 121, 135, 148]}],
    "horizon": 3,
}


class Series(BaseModel):
    """A series sent with the request. Of a list with faults the first one is told: there may be a million."""

    model_config = ConfigDict(extra="forbid")

    id: SeriesId = Field(description="Any name; the answer carries it", examples=["mine"])
    start: str = Field(
        pattern=r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6}0{0,3})?)?(Z|[+-]\d{2}:?\d{2})?)?$",
        description="Start of the period of the first value: the first of a month, the hour, ... By the clock of the "
        "pipeline's contract.timezone (UTC without one), or with Z or an offset, and converted then",
        examples=["2024-01-01", "2024-01-01T05:00", "2024-01-01T08:00:00+03:00"],
    )
    values: Annotated[list[Number], Field(fail_fast=True)] = Field(
        min_length=2, description="One a period, without gaps, the oldest first; of one alone nothing says how it moves"
    )
    exogenous: dict[str, Annotated[list[Number], Field(fail_fast=True)]] = Field(
        default={}, description="By column of the pipeline: one a value, and one for each step of the horizon"
    )


def _one_of_two(schema: JsonDict) -> None:
    """State that a request holds ids or series; neither may be null."""
    schema["oneOf"] = [{"required": ["series_ids"]}, {"required": ["series"]}]
    schema["examples"] = [BY_IDS, BY_VALUES]
    properties = schema["properties"]
    assert isinstance(properties, dict)  # noqa: S101  (a schema of a model has them)
    for name in ("series_ids", "series", "horizon"):
        field = properties[name]
        assert isinstance(field, dict)  # noqa: S101
        field.pop("default", None)
        kinds = field.pop("anyOf")
        assert isinstance(kinds, list)  # noqa: S101
        field |= next(kind for kind in kinds if isinstance(kind, dict) and kind.get("type") != "null")


class SeriesAsked(BaseModel):
    """Series whose forecasts are asked for: by id, or with their values."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_one_of_two)

    series_ids: Annotated[list[SeriesId], Field(fail_fast=True)] | None = Field(
        default=None,
        min_length=1,
        description="Each once; read from the features of the newest predictions that were published",
    )
    series: Annotated[list[Series], Field(fail_fast=True)] | None = Field(
        default=None, min_length=1, description="Each id once"
    )
    horizon: Annotated[int, Strict(), Field(ge=1, le=MOST_STEPS)] | None = Field(
        default=None, description="Steps to forecast; left out: the pipeline's"
    )


class Interval(BaseModel):
    """A prediction interval."""

    lower: list[float]
    upper: list[float]


class SeriesForecast(BaseModel):
    """The forecast of one series."""

    id: str
    timestamps: list[str] = Field(description="Starts of the periods, by the pipeline's clock")
    forecast: list[float]
    intervals: dict[str, Interval] = Field(description="By nominal coverage in per cent, as 80")
    note: str | None = Field(
        description="What must be known of it, as that a model failed on the series and by what it was replaced; null: "
        "the model's own forecast, without remark"
    )


class SeriesForecasts(BaseModel):
    """Forecasts, in the order of the request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "request_id": "5f0c6b6f9d5f4d0a8a3f5f5b7c1d2e3f",
                    "pipeline": "tourism_monthly",
                    "model": {"name": "tourism_monthly", "version": "7"},
                    "feature_set": "tourism_monthly/predict/scheduled-2026-11-01",
                    "as_of": "2026-10-01T00:00:00",
                    "forecasts": [
                        {
                            "id": "T1",
                            "timestamps": ["2026-11-01T00:00:00"],
                            "forecast": [1180.5],
                            "intervals": {"80": {"lower": [1101.2], "upper": [1259.8]}},
                            "note": None,
                        }
                    ],
                }
            ]
        }
    )

    request_id: str
    pipeline: str
    model: ModelVersion
    feature_set: str | None = Field(description="The run whose features were read; null for values sent")
    as_of: str | None = Field(description="Up to when those features know values; null for values sent")
    forecasts: list[SeriesForecast]

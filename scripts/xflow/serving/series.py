"""Forecasts of series: the champion of a forecasting pipeline over REST."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse

from xflow.columns import NOTE
from xflow.domain.panel import Panel
from xflow.errors import ForecastNotFinite, ModelIncompatible
from xflow.pipeline import Pipeline
from xflow.ports import SeriesBlock
from xflow.serving.answering import Ask, Asking, JsonBody, ModelVersion
from xflow.serving.batching import Lanes
from xflow.serving.problems import Problem, problem_responses
from xflow.serving.schemas_series import SeriesAsked, SeriesForecasts
from xflow.serving.series_source import PublishedFeatures, Source, sent
from xflow.serving.served import ServedModel
from xflow.serving.service import Service, Services
from xflow.settings import ServingSettings
from xflow.steps.kinds.read_panel import panel_of
from xflow.steps.kinds.series_forecast import LAST_YEAR, ends_too_late, forecast_after

router = APIRouter(prefix="/v1/series", tags=["series"])

SMALL_SERIES, SMALL_VALUES = 8, 20_000
"""Requests up to this size are called together; larger ones wait for one another in a lane of their own."""
MOST_WAITING = 256
INLINE_VALUES = 2_000
"""An answer of more is written in a thread."""


@dataclass(frozen=True, slots=True)
class Forecasts:
    """The answer to one request: what the response says of each series, the version that made it, and how long."""

    served: ServedModel
    rows: list[dict[str, Any]]
    seconds: float


type Kind = tuple[tuple[tuple[str, str], ...], int, int]
"""Facts of the features, horizon and lead: a model forecasts series that have the same in one call."""


class Wanted(NamedTuple):
    """One series of a request."""

    block: SeriesBlock
    kind: Kind


class Predictor:
    """Answers requests for the forecasts of one pipeline."""

    def __init__(self, service: Service, pipeline: str) -> None:
        self._service, self._pipeline = service, pipeline
        self.features = PublishedFeatures(service.features)
        self._lanes = Lanes(self._call, rows_a_call=SMALL_SERIES, most_waiting=MOST_WAITING, name=pipeline)

    async def forecasts(self, source: Source, horizon: int) -> Forecasts:
        """Return the forecasts of series."""
        facts = tuple(source.facts.items())
        wanted = [
            Wanted(block, (facts, horizon, lead))
            for block, lead in zip(source.blocks, source.lead.tolist(), strict=True)
        ]
        small = len(wanted) <= SMALL_SERIES and source.panel.total <= SMALL_VALUES
        return await self._lanes.ask(wanted, small=small)

    def _call(self, asked: Sequence[Sequence[Wanted]]) -> list[Forecasts]:
        (served,) = self._service.models.of(self._service.pipeline(self._pipeline)).values()
        wanted = [each for one in asked for each in one]
        began = time.perf_counter()
        alike: dict[Kind, list[Wanted]] = {}
        for each in wanted:
            alike.setdefault(each.kind, []).append(each)
        made: dict[int, dict[str, Any]] = {}
        for (facts, horizon, lead), group in alike.items():
            panel = panel_of(dict(facts), [each.block for each in group])
            made |= zip(map(id, group), forecasts_of(served.model, panel, horizon, lead), strict=True)
        seconds = time.perf_counter() - began
        self._service.metrics.predicted(served.version.name, served.version.version, len(wanted), seconds)
        return [Forecasts(served, [made[id(each)] for each in one], seconds) for one in asked]


def forecasts_of(model: Any, panel: Panel, horizon: int, lead: int) -> list[dict[str, Any]]:
    """Return what the response says of each series of a panel."""
    try:
        times, made = forecast_after(model, panel, horizon, lead)
    except ForecastNotFinite as error:
        raise Problem(422, str(error), {"body": "the model has no finite forecast for some of the series"}) from error
    except ModelIncompatible as error:
        raise Problem(503, f"the model in service is not made for these series: {error}") from error
    texts = np.datetime_as_string(times, unit="s").tolist()
    names = [f"{level * 100:.0f}" for level in model.levels]
    mean, bounds = made.mean.tolist(), [bound.tolist() for bound in made.bounds]
    return [
        {
            "id": name,
            "timestamps": texts[i],
            "forecast": mean[i],
            "intervals": {
                level: {"lower": bounds[2 * k][i], "upper": bounds[2 * k + 1][i]} for k, level in enumerate(names)
            },
            NOTE: made.notes.get(i),
        }
        for i, name in enumerate(panel.ids.tolist())
    ]


async def _predictor(
    request: Request,
    service: Services,
    pipeline: Annotated[str, Path(max_length=40, description="A forecasting pipeline", examples=["tourism_monthly"])],
) -> Predictor:
    if not isinstance(service.pipeline(pipeline), Pipeline):
        detail = f"{pipeline} predicts vacancies: POST /v1/vacancies/predict?pipeline={pipeline}"
        raise Problem(422, detail, {"path.pipeline": "is no pipeline of series"})
    known: dict[str, Any] = request.app.state.predictors
    if pipeline not in known:
        known[pipeline] = Predictor(service, pipeline)
    found: Predictor = known[pipeline]
    return found


@router.post(
    "/{pipeline}/forecast",
    operation_id="forecastSeries",
    summary="Forecasts of series with prediction intervals",
    response_model=SeriesForecasts,
    responses=problem_responses(400, 401, 403, 404, 413, 415, 422, 503),
    dependencies=[JsonBody],
)
async def forecast(
    ask: Ask, pipeline: str, asked: SeriesAsked, predictor: Annotated[Predictor, Depends(_predictor)]
) -> JSONResponse:
    """Return forecasts of series that the pipeline knows, by id, or of series that are sent, by the champion.

    Series by id are those of the pipeline's published predictions that know the newest values, and their forecasts
    begin where those of the pipeline do: the numbers are the same. Values sent are two or more; their forecast begins
    after the last one. A request has at most 1,000 series and 200,000 values, sent or forecast, unless the service is
    set up otherwise.
    """
    config = ask.service.pipeline(pipeline)
    assert isinstance(config, Pipeline)  # noqa: S101  (the predictor is of such a one)
    _check(asked, ask.service.settings)
    horizon = asked.horizon or config.model.horizon
    if asked.series_ids is not None:
        source = await asyncio.to_thread(predictor.features.source, config, asked.series_ids)
    else:
        source = sent(config, asked.series or [], horizon)
    _check_horizon(source, horizon, ask.service.settings.most_values, config.model.horizon)
    found = await predictor.forecasts(source, horizon)
    if source.panel.n_series * horizon <= INLINE_VALUES:
        return _answer(ask, asked, source, found)
    return await asyncio.to_thread(_answer, ask, asked, source, found)


def _check(asked: SeriesAsked, limits: ServingSettings) -> None:
    """Check what the schema cannot say: one of two, each id once, and not too much."""
    if (asked.series_ids is None) == (asked.series is None):
        raise Problem(422, "give series_ids or series, one of the two", {"body": "series_ids or series"})
    field = "series" if asked.series_ids is None else "series_ids"
    ids = asked.series_ids or [each.id for each in asked.series or ()]
    if len(ids) > limits.most_series:
        detail = f"{len(ids)} series at once: send at most {limits.most_series}"
        raise Problem(422, detail, {f"body.{field}": f"at most {limits.most_series}"})
    seen: dict[str, int] = {}
    twice = {f"body.{field}.{i}": "comes twice" for i, name in enumerate(ids) if seen.setdefault(name, i) != i}
    if twice:
        detail = f"{len(twice)} of {len(ids)} ids come twice: name each series once"
        raise Problem(422, detail, dict(list(twice.items())[:20]))
    values = sum(len(each.values) for each in asked.series or ())
    if values > limits.most_values:
        detail = f"{values} values at once: send at most {limits.most_values}"
        raise Problem(422, detail, {"body.series": f"at most {limits.most_values} values"})


def _check_horizon(source: Source, horizon: int, most_values: int, usual: int) -> None:
    """Check that the forecast is not too large, ends in time, and knows its exogenous columns as far ahead.

    Within the pipeline's own horizon, `usual`, a series that does not know them is answered as predict forecasts it.
    """
    panel, steps = source.panel, source.lead + horizon
    if steps.sum() > most_values:
        detail = f"{steps.sum()} steps to forecast, with those up to as_of: at most {most_values} a request"
        raise Problem(422, detail, {"body.horizon": f"{len(steps)} series times {steps.max()} steps are too many"})
    if ends_too_late(panel, steps):
        raise Problem(422, f"the forecast goes beyond {LAST_YEAR}", {"body.horizon": "ends too late"})
    if panel.exog_names and horizon > usual:
        short = np.flatnonzero(np.diff(panel.exog_offsets) - panel.lengths < steps)
        if len(short):
            named = ", ".join(panel.ids[short[:5]])
            detail = f"{len(short)} series, such as {named}, know {', '.join(panel.exog_names)} fewer steps ahead"
            raise Problem(422, detail, {"body.horizon": "is further ahead than the exogenous columns are known"})


def _answer(ask: Asking, asked: SeriesAsked, source: Source, found: Forecasts) -> JSONResponse:
    """Return the answer to a request, once its rows are in the log."""
    logged = []
    for i, row in enumerate(found.rows):
        if asked.series:
            given = asked.series[i].model_dump_json(exclude={"id"})
        else:
            given = json.dumps({"feature_set": source.feature_set, "as_of": source.as_of})
        logged.append(ask.logged(found.served, i, row["id"], given, json.dumps(row), found.seconds))
    ask.service.log.put(logged)
    return JSONResponse(
        {
            "request_id": ask.request_id,
            "pipeline": found.served.pipeline.name,
            "model": ModelVersion.of(found.served),
            "feature_set": source.feature_set,
            "as_of": source.as_of,
            "forecasts": found.rows,
        }
    )

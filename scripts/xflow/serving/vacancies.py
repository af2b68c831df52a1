"""Cohorts of vacancies: the champions of a vacancies pipeline over REST."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from xflow.domain.vacancies.features import text_frame
from xflow.domain.vacancies.text import clean
from xflow.serving.answering import Ask, Asking, JsonBody, ModelVersion
from xflow.serving.batching import Lanes
from xflow.serving.problems import Problem, problem_responses
from xflow.serving.schemas import VacanciesAsked, VacanciesPredicted, Vacancy
from xflow.serving.served import ServedModel
from xflow.serving.service import Service, Services
from xflow.serving.sizes import check_characters
from xflow.vacancy_pipeline import CATEGORIES, TEXTS, VacancyPipeline

router = APIRouter(prefix="/v1/vacancies", tags=["vacancies"])

SMALL_ROWS, SMALL_CHARACTERS = 64, 100_000
"""Requests up to this size are called together; larger ones wait for one another in a lane of their own."""
CLEANED_AT_ONCE = 10_000
MOST_WAITING = 4_096


@dataclass(frozen=True, slots=True)
class Cohorts:
    """The answer to one request: a row a vacancy, by target; all of a target by one version.

    `seconds` is how long the call took that it was part of.
    """

    models: dict[str, ServedModel]
    rows: list[dict[str, dict[str, Any]]]
    seconds: float


class Predictor:
    """Answers requests for the cohorts of one pipeline."""

    def __init__(self, service: Service, pipeline: str) -> None:
        self._service, self._pipeline = service, pipeline
        self._lanes = Lanes(self._call, rows_a_call=SMALL_ROWS, most_waiting=MOST_WAITING, name=pipeline)

    async def cohorts(self, vacancies: Sequence[Vacancy], size: int) -> Cohorts:
        """Return the cohorts of vacancies; `size` is how many characters their cleaned texts have."""
        small = len(vacancies) <= SMALL_ROWS and size <= SMALL_CHARACTERS
        return await self._lanes.ask(vacancies, small=small)

    def _call(self, asked: Sequence[Sequence[Vacancy]]) -> list[Cohorts]:
        models = self._service.models.of(self._service.pipeline(self._pipeline))
        vacancies = [each for one in asked for each in one]
        began = time.perf_counter()
        made, took = cohorts_of(models, vacancies)
        seconds = time.perf_counter() - began
        for target, served in models.items():
            self._service.metrics.predicted(served.version.name, served.version.version, len(vacancies), took[target])
        rows = iter(made)
        return [Cohorts(models, [next(rows) for _ in one], seconds) for one in asked]


def cohorts_of(
    models: dict[str, ServedModel], vacancies: Sequence[Vacancy]
) -> tuple[list[dict[str, dict[str, Any]]], dict[str, float]]:
    """Return what the response says of each vacancy, by target, and how many seconds each target's model took."""
    raw = pd.DataFrame(
        {name: [getattr(each, name) for each in vacancies] for name in (*TEXTS, *CATEGORIES)}, dtype=object
    )
    frames: dict[tuple[Sequence[str], Sequence[str]], pd.DataFrame] = {}
    made: list[dict[str, dict[str, Any]]] = [{} for _ in vacancies]
    took: dict[str, float] = {}
    for target, served in models.items():
        model: Any = served.model
        seen = (model.texts, model.categories)
        if seen not in frames:
            frames[seen] = text_frame(raw, *seen)
        began = time.perf_counter()
        shares = model.probabilities(frames[seen])
        took[target] = time.perf_counter() - began
        for row, best, values in zip(made, shares.argmax(axis=1).tolist(), shares.tolist(), strict=True):
            row[target] = {
                "cohort": model.cohorts[best],
                "probability": values[best],
                "probabilities": dict(zip(model.cohorts, values, strict=True)),
            }
    return made, took


async def _predictor(
    request: Request,
    service: Services,
    pipeline: Annotated[str, Query(max_length=40, description="A pipeline of vacancies")] = "vacancies",
) -> Predictor:
    found = service.pipelines.get(pipeline)
    if found is None:
        raise Problem(404, f"there is no pipeline {pipeline}", {"query.pipeline": "unknown"})
    if not isinstance(found, VacancyPipeline):
        detail = f"{pipeline} forecasts series: POST /v1/series/{pipeline}/forecast"
        raise Problem(422, detail, {"query.pipeline": "is no pipeline of vacancies"})
    known: dict[str, Predictor] = request.app.state.predictors
    if pipeline not in known:
        known[pipeline] = Predictor(service, pipeline)
    return known[pipeline]


@router.post(
    "/predict",
    operation_id="predictVacancies",
    summary="Salary and demand cohorts of vacancies",
    response_model=VacanciesPredicted,
    responses=problem_responses(400, 401, 403, 404, 413, 415, 422, 503),
    dependencies=[JsonBody],
)
async def predict(
    ask: Ask, asked: VacanciesAsked, predictor: Annotated[Predictor, Depends(_predictor)]
) -> JSONResponse:
    """Return the cohorts of vacancies with the probability of each, by the champions of a pipeline.

    The numbers are those that the pipeline's own predictions would have. At most 1,000 vacancies a request, unless the
    service is set up otherwise; texts have at most 20,000 characters each, and 2,000,000 together.
    """
    vacancies = asked.vacancies
    _check(vacancies, ask.service.settings.most_rows)
    sent = sum(len(text or "") for each in vacancies for text in _texts(each))
    settings = ask.service.settings
    if sent <= CLEANED_AT_ONCE:
        size = _check_texts(vacancies, settings.most_characters)
    else:  # nobody else's request waits for it
        size = await asyncio.to_thread(_check_texts, vacancies, settings.most_characters)
    found = await predictor.cohorts(vacancies, size)
    if len(vacancies) <= SMALL_ROWS:
        return _answer(ask, vacancies, found)
    return await asyncio.to_thread(_answer, ask, vacancies, found)


def _check(vacancies: list[Vacancy], most: int) -> None:
    if len(vacancies) > most:
        detail = f"{len(vacancies)} vacancies at once: send at most {most}"
        raise Problem(422, detail, {"body.vacancies": f"at most {most}"})
    seen: dict[str, int] = {}
    twice = {
        f"body.vacancies.{i}.id": f"is that of body.vacancies.{seen[each.id]}, too"
        for i, each in enumerate(vacancies)
        if seen.setdefault(each.id, i) != i
    }
    if twice:
        shown = dict(list(twice.items())[:20])
        raise Problem(422, f"{len(twice)} of {len(vacancies)} ids come twice: answers are told apart by them", shown)


def _texts(vacancy: Vacancy) -> Iterator[str | None]:
    return (getattr(vacancy, name) for name in TEXTS)


def _check_texts(vacancies: list[Vacancy], most: int) -> int:
    """Return how many characters the cleaned texts of vacancies have; each needs some words."""
    size = check_characters((text for each in vacancies for text in _texts(each)), most, "body.vacancies")
    bare = [i for i, each in enumerate(vacancies) if not clean(each.responsibility)]
    if bare:
        shown = {f"body.vacancies.{i}.responsibility": "holds no words" for i in bare[:20]}
        raise Problem(422, f"{len(bare)} vacancies hold no words: they cannot be predicted", shown)
    return size


def _answer(ask: Asking, vacancies: Sequence[Vacancy], found: Cohorts) -> JSONResponse:
    """Return the answer to a request, once its rows are in the log."""
    logged = []
    for i, (vacancy, row) in enumerate(zip(vacancies, found.rows, strict=True)):
        given = vacancy.model_dump_json(exclude_none=True)
        for target, cohort in row.items():
            made = json.dumps(cohort, ensure_ascii=False)
            logged.append(ask.logged(found.models[target], i, vacancy.id, given, made, found.seconds))
    ask.service.log.put(logged)
    return JSONResponse(
        {
            "request_id": ask.request_id,
            "pipeline": next(iter(found.models.values())).pipeline.name,
            "models": {target: ModelVersion.of(served) for target, served in found.models.items()},
            "predictions": [{"id": each.id, **row} for each, row in zip(vacancies, found.rows, strict=True)],
        }
    )

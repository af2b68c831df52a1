"""MLflow's scoring protocol: what its own server answers for a model, for every model in service.

Requests are read and answers written by MLflow's code; what is refused is a problem document.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from mlflow.version import VERSION

from xflow.serving.access import MayPredict
from xflow.serving.answering import Ask, Asking
from xflow.serving.batching import Lanes
from xflow.serving.problems import Problem, problem_responses
from xflow.serving.scored import Scored, scored
from xflow.serving.served import ServedModel
from xflow.serving.service import Services
from xflow.settings import ServingSettings

router = APIRouter(tags=["mlflow"])

NAME = Path(max_length=60, examples=["vacancies_salary"], description="Of a model in service")
REFUSALS = problem_responses(400, 401, 403, 404, 413, 415, 422, 503)
VACANCY = {"dataframe_records": [{"responsibility": "Разрабатывать сервисы на Python"}]}
SERIES = {
    "dataframe_split": {
        "columns": ["series_id", "timestamp", "value"],
        "data": [["mine", "2024-01-01", 112.0], ["mine", "2024-02-01", 118.0], ["mine", "2024-03-01", 132.0]],
    },
    "params": {"horizon": 2},
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "As MLflow's scoring server takes it; the columns are those of the model's signature",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "description": "One of these, and `params` where the model's signature has some",
                    "properties": {
                        "dataframe_split": {"type": "object"},
                        "dataframe_records": {"type": "array", "items": {"type": "object"}},
                        "instances": {"type": "array"},
                        "inputs": {},
                        "params": {"type": "object"},
                    },
                },
                "examples": {"vacancy": {"value": VACANCY}, "series": {"value": SERIES}},
            },
            "text/csv": {"schema": {"type": "string"}, "example": "responsibility\nРазрабатывать сервисы на Python\n"},
            "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
        },
    },
    "responses": {
        "200": {
            "description": "A row a vacancy, or a series and step, with the columns of the model's signature",
            "content": {
                "application/json": {"example": {"predictions": [{"cohort": "100k-150k", "probability": 0.7}]}}
            },
        }
    },
}


LARGE_BYTES = 64 * 1024
"""Larger requests wait for one another in a lane of their own."""
MOST_WAITING = 256


async def _of_path(service: Services, name: Annotated[str, NAME]) -> ServedModel:
    return service.models.named(name)


async def _of_query(
    service: Services,
    model: Annotated[
        str | None, Query(max_length=60, description="May be left out while one alone is in service")
    ] = None,
) -> ServedModel:
    found = service.models.all()
    if not found:
        raise Problem(503, "no model is in service")
    chosen = found if model is None else [each for each in found if each.version.name == model]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(each.version.name for each in found)
    if model is None:
        raise Problem(422, "several models are in service: say which", {"query.model": f"one of {names}"})
    raise Problem(404, f"no model {model} is in service; there are: {names}", {"query.model": "not in service"})


ByPath = Annotated[ServedModel, Depends(_of_path)]
ByQuery = Annotated[ServedModel, Depends(_of_query)]


async def _scored(ask: Asking, request: Request, served: ServedModel) -> Response:
    kind, _, charset = request.headers.get("content-type", "").lower().partition(";")
    if charset.strip() not in {"", "charset=utf-8", 'charset="utf-8"'}:
        raise Problem(415, "send UTF-8", {"header.content-type": charset.strip()[:80]})
    body = await request.body()
    known: dict[str, Any] = request.app.state.predictors
    name = f"{served.version.name} by MLflow's protocol"
    if name not in known:
        known[name] = Lanes(_call, rows_a_call=1, most_waiting=MOST_WAITING, name=name)
    row = (served, body, kind.strip(), ask.service.settings)
    made: Scored = await known[name].ask([row], small=len(body) <= LARGE_BYTES)
    version = served.version
    ask.service.metrics.predicted(version.name, version.version, len(made.rows), made.seconds)
    ask.service.log.put([ask.logged(served, i, *each, made.seconds) for i, each in enumerate(made.rows)])
    return Response(made.body, media_type="application/json")


def _call(asked: Sequence[Sequence[tuple[ServedModel, bytes, str, ServingSettings]]]) -> list[Scored]:
    return [scored(*row) for one in asked for row in one]


@router.post(
    "/models/{name}/invocations",
    operation_id="invokeModel",
    summary="Predict by MLflow's scoring protocol",
    response_class=Response,
    responses=REFUSALS,
    openapi_extra=BODY,
)
async def invoke(ask: Ask, request: Request, served: ByPath) -> Response:
    """Return what MLflow's own scoring server would answer for this model: JSON, CSV or parquet in, JSON out."""
    return await _scored(ask, request, served)


@router.post(
    "/invocations",
    operation_id="invokeAlone",
    summary="Predict by MLflow's scoring protocol, at the address that its clients expect",
    response_class=Response,
    responses=REFUSALS,
    openapi_extra=BODY,
)
async def invoke_alone(ask: Ask, request: Request, served: ByQuery) -> Response:
    """Return what `/models/{name}/invocations` does."""
    return await _scored(ask, request, served)


@router.get(
    "/models/{name}/ping", operation_id="pingModel", response_class=Response, responses=problem_responses(404, 422)
)
@router.get(
    "/models/{name}/health", operation_id="checkModel", response_class=Response, responses=problem_responses(404, 422)
)
async def ping_model(served: ByPath) -> Response:  # noqa: ARG001  # it must be in service
    """Tell that a model is in service; no key is needed."""
    return Response("\n", media_type="application/json")


@router.get("/ping", operation_id="ping", response_class=Response, responses=problem_responses(503))
@router.get("/health", operation_id="checkHealth", response_class=Response, responses=problem_responses(503))
async def ping(service: Services) -> Response:
    """Tell that some model is in service; no key is needed."""
    if not service.models.all():
        raise Problem(503, "no model is in service")
    return Response("\n", media_type="application/json")


@router.get(
    "/models/{name}/version",
    operation_id="showModelMlflow",
    response_class=Response,
    responses=problem_responses(401, 403, 404, 422),
)
async def model_version(caller: MayPredict, served: ByPath) -> Response:  # noqa: ARG001  # they must be known
    """Return the version of MLflow, as its own server does; `GET /v1/models` tells that of the model."""
    return Response(VERSION, media_type="application/json")


@router.get("/version", operation_id="showMlflow", response_class=Response, responses=problem_responses(401, 403))
async def version(caller: MayPredict) -> Response:  # noqa: ARG001  # it must be known
    """Return the version of MLflow, as its own server does."""
    return Response(VERSION, media_type="application/json")

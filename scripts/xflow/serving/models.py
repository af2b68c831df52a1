"""Which versions answer, over REST, and letting others do so."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from xflow.errors import ChampionMissing, DiskFull, ModelDamaged, ModelMissing, ModelRefused, Retryable, XflowError
from xflow.serving.access import MayDeploy, MayPredict
from xflow.serving.deployment_report import Deployment, ModelState
from xflow.serving.problems import Problem, problem_responses
from xflow.serving.service import Services

router = APIRouter(prefix="/v1/models", tags=["models"], responses=problem_responses(401, 403, 422))

ModelName = Annotated[str, Path(max_length=60, examples=["vacancies_salary"], description="Its name in MLflow")]
ONE = {
    "name": "vacancies_salary",
    "pipeline": "vacancies",
    "target": "salary",
    "version": "7",
    "since": "2026-11-21T07:00:00Z",
}
RAN = {"previous": "6", "outcome": "deployed", "golden_rows": 9, "difference": 0.0, "p50_ms": 9.1, "p99_ms": 12.4}
LAST = {"version": "7", "outcome": "deployed", "reason": "", "at": ONE["since"]}
STATE = ONE | {"mlflow_run_id": "0a1b2c", "last": LAST}


class Wanted(BaseModel):
    """The version that shall answer."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"version": "7"}, {"version": ""}]})

    version: str = Field(
        default="",
        pattern=r"^(\d{1,9}|@[a-z_]{1,40})?$",
        description="Number, or an alias as @staging; empty: the champion",
    )


class Models(BaseModel):
    """Every model of the pipelines."""

    models: list[ModelState]


def _example(value: object, description: str) -> dict[int | str, dict[str, object]]:
    return {200: {"description": description, "content": {"application/json": {"example": value}}}}


@router.get("", responses=_example({"models": [STATE]}, "Every model, and which version of it answers"))
def list_models(service: Services, caller: MayPredict) -> Models:  # noqa: ARG001  # it guards
    """List the models of all pipelines, and the versions that answer."""
    return Models(models=service.deployments.states())


@router.get("/{name}", responses={**_example(STATE, "The model"), **problem_responses(404)})
def show_model(name: ModelName, service: Services, caller: MayPredict) -> ModelState:  # noqa: ARG001
    """Return one model, which version of it answers, and how the last one fared that was to."""
    found = next((each for each in service.deployments.states() if each.name == name), None)
    if found is None:
        raise Problem(404, f"no pipeline has a model {name}", {"path.name": "unknown"})
    return found


@router.put(
    "/{name}",
    responses={**_example(ONE | RAN, "The version answers"), **problem_responses(400, 404, 409, 413, 503, 507)},
)
def deploy_model(name: ModelName, wanted: Wanted, service: Services, caller: MayDeploy) -> Deployment:  # noqa: ARG001
    """Let a version answer, once it has passed its smoke test; the old one answers until then, and if it fails."""
    try:
        return service.deployments.deploy(name, wanted.version)
    except XflowError as error:
        raise _problem(error, name, wanted.version) from error


def _problem(error: XflowError, name: str, version: str) -> Exception:
    """Return what the caller is told: never an address, or a folder, of the stack."""
    stays = "what is in service stays"
    if isinstance(error, ChampionMissing):
        return Problem(404, str(error), {"path.name": "no champion"})
    if isinstance(error, (ModelRefused, ModelDamaged)):
        return Problem(409, f"{str(error).rstrip('.')}; {stays}", {"body.version": "refused"})
    if isinstance(error, ModelMissing):
        return Problem(404, f"{name} has no version {version or 'that serves'}, or no pipeline has such a model")
    if isinstance(error, DiskFull):
        return Problem(507, f"the volume of the service is full: free space there; {stays}")
    if isinstance(error, Retryable):
        return Problem(503, f"MLflow does not answer: try again; {stays}", headers={"Retry-After": "30"})
    return error

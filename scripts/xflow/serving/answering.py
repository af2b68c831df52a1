"""What the endpoints of predictions share: who asks for what, and what is written down about the answer."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request
from pydantic import BaseModel, Field

from xflow.serving.access import MayPredict
from xflow.serving.logged import LoggedPrediction
from xflow.serving.problems import Problem
from xflow.serving.served import ServedModel
from xflow.serving.service import Services


class ModelVersion(BaseModel):
    """The version of a model that made an answer."""

    name: str = Field(description="In MLflow's registry", examples=["vacancies_salary"])
    version: str = Field(examples=["7"])

    @staticmethod
    def of(served: ServedModel) -> dict[str, str]:
        """Return name and version of a model in service."""
        return {"name": served.version.name, "version": served.version.version}


@dataclass(frozen=True, slots=True)
class Asking:
    """A request for predictions: which one, and whose."""

    service: Services
    request_id: str
    endpoint: str
    caller: str

    def logged(
        self, served: ServedModel, row: int, entity: str, given: str, made: str, seconds: float
    ) -> LoggedPrediction:
        """Return what is logged of one answered row; see `LoggedPrediction`."""
        return LoggedPrediction(
            served_at=datetime.now(UTC),
            request_id=self.request_id,
            row=row,
            pipeline=served.pipeline.name,
            target=served.target,
            model_name=served.version.name,
            model_version=served.version.version,
            endpoint=self.endpoint,
            caller=self.caller,
            entity_id=entity,
            input=given,
            output=made,
            seconds=seconds,
        )


async def _asking(request: Request, service: Services, caller: MayPredict) -> Asking:
    return Asking(service, request.scope["request_id"], request.scope["route"].path, caller.name)


Ask = Annotated[Asking, Depends(_asking)]
"""The request of a caller who may ask for predictions, as a parameter of an endpoint."""


async def _json(request: Request, caller: MayPredict) -> None:  # noqa: ARG001  # a stranger is told nothing else
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "send JSON with Content-Type: application/json", {"header.content-type": kind or "missing"})


JsonBody = Depends(_json)
"""Refuses a body of another type with 415."""

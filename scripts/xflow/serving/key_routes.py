"""API keys over REST: list, add, revoke."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from xflow.serving.access import MayAdmin
from xflow.serving.keys import KeyName, Role
from xflow.serving.problems import problem_responses
from xflow.serving.service import Services

router = APIRouter(prefix="/v1/keys", tags=["keys"], responses=problem_responses(401, 403, 422))


class NewKey(BaseModel):
    """A key that is asked for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "shop", "role": "predict"}]})

    name: KeyName
    role: Role = "predict"


class KnownKey(BaseModel):
    """A key without its secret."""

    name: str
    role: Role
    created_at: datetime


class MadeKey(KnownKey):
    """A key with its secret, which is told this once."""

    key: str = Field(description="Send it as `Authorization: Bearer <key>`")


class KnownKeys(BaseModel):
    """All keys but the administrator's."""

    keys: list[KnownKey]


@router.get("")
def list_keys(service: Services, caller: MayAdmin) -> KnownKeys:  # noqa: ARG001  # it guards
    """List the keys; the administrator's, of .env, is not among them."""
    known = [KnownKey(name=key.name, role=key.role, created_at=key.created_at) for key in service.keys.all()]
    return KnownKeys(keys=known)


@router.post("", status_code=201, responses=problem_responses(400, 409, 413, 507))
def add_key(wanted: NewKey, service: Services, caller: MayAdmin, response: Response) -> MadeKey:  # noqa: ARG001
    """Make a key. The answer is the only place that tells it: the service keeps its sha256."""
    key, token = service.keys.add(wanted.name, wanted.role)
    response.headers["Cache-Control"] = "no-store"
    return MadeKey(name=key.name, role=key.role, created_at=key.created_at, key=token)


@router.delete("/{name}", status_code=204, responses=problem_responses(404, 409, 507))
def revoke_key(name: Annotated[str, Path(max_length=40)], service: Services, caller: MayAdmin) -> None:  # noqa: ARG001
    """Refuse a key from now on."""
    service.keys.revoke(name)

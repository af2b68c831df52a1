"""Whether the service lives, and whether it can answer."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from xflow.serving.service import Services

router = APIRouter(prefix="/health", tags=["health"])


class Live(BaseModel):
    """The process answers."""

    status: str = "live"


class Ready(BaseModel):
    """Whether requests should be sent here, and which versions answer them."""

    status: str
    models: dict[str, str]
    waiting_for: list[str] = []
    refused: dict[str, str] = {}


@router.get("/live")
async def live() -> Live:
    """Tell that the process answers."""
    return Live()


@router.get(
    "/ready",
    responses={503: {"model": Ready, "description": "Models are being loaded, or one that should answer was refused"}},
)
async def ready(service: Services, response: Response) -> Ready:
    """Tell whether the models that were in service before, and the champions, answer; those refused are named."""
    waiting, refused = list(service.deployments.waiting_for()), service.deployments.refused()
    response.status_code = 503 if waiting or refused else 200
    models = {each.version.name: each.version.version for each in service.models.all()}
    status = "loading" if waiting else "refused" if refused else "ready"
    return Ready(status=status, models=models, waiting_for=waiting, refused=refused)

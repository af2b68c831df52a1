"""The running service: its parts made from the settings, and Uvicorn around them."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from xflow.pipeline import AnyPipeline
from xflow.serving.app import create_app
from xflow.serving.board.view import Board
from xflow.serving.deployments import Deployments
from xflow.serving.keys import Keys
from xflow.serving.metrics import Metrics
from xflow.serving.pipeline_files import read_again
from xflow.serving.prediction_log import PredictionLog
from xflow.serving.served import ServedModels
from xflow.serving.service import Service
from xflow.settings import ServingSettings

log = logging.getLogger("xflow.serving")

GRACE_SECONDS = 30
"""What requests under way have when the service is told to end."""


def made_service(settings: ServingSettings) -> Service:
    """Return the parts of a service; nothing of it runs or is connected yet."""
    from xflow.adapters.mlflow_registry import MlflowRegistry
    from xflow.adapters.served_predictions import GreenplumServedPredictions
    from xflow.adapters.tarantool import TarantoolFeatures
    from xflow.environments import environment

    pipelines: dict[str, AnyPipeline] = {}
    read_again(pipelines)
    models = ServedModels()
    sink = GreenplumServedPredictions(settings.greenplum_dsn)
    predictions = PredictionLog(sink, settings.home / "log", settings.log_rows)
    metrics = Metrics(models, predictions)
    registry = MlflowRegistry(
        settings.mlflow_uri, settings.mlflow_username, settings.mlflow_password, environment(settings.environment)
    )
    return Service(
        settings=settings,
        pipelines=pipelines,
        models=models,
        deployments=Deployments(pipelines, models, registry, settings.home / "models", metrics),
        features=TarantoolFeatures(settings.tarantool_uri),
        keys=Keys(settings.home / "keys.json", settings.key_sha256),
        log=predictions,
        metrics=metrics,
        board=Board.of(settings, pipelines, models),
    )


def application(service: Service) -> FastAPI:
    """Return the application; its models are restored in the background, and its log is written out at the end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001  # Starlette's signature
        service.start()
        yield
        service.stop()

    return create_app(service, lifespan)


def main() -> None:
    """Serve until told to end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    settings = ServingSettings.from_env()
    app = application(made_service(settings))
    uvicorn.run(app, **options(settings))


def options(settings: ServingSettings) -> dict[str, Any]:
    """Return how Uvicorn serves."""
    return {
        "host": settings.host,
        "port": settings.port,
        "loop": "uvloop",
        "http": "httptools",
        "access_log": False,  # requests are counted and timed; an access log of every prediction helps nobody
        "server_header": False,
        "proxy_headers": bool(settings.proxies),  # else anybody says which address he comes from
        "forwarded_allow_ips": settings.proxies,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        "log_config": None,
    }

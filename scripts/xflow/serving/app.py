"""The application: every route of the service, and what all of them share."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from xflow.serving import health, key_routes, metrics, models, scoring, series, vacancies
from xflow.serving.access import BodiesOfCallers
from xflow.serving.board import routes as board
from xflow.serving.board.headers import BoardHeaders
from xflow.serving.middleware import RequestScope
from xflow.serving.problems import install
from xflow.serving.service import Service

DESCRIPTION = """The champions of xFlow's pipelines behind HTTP.

Every request but those of `/health` and `/ping` needs an API key: `Authorization: Bearer <key>`. An error is a problem
document (RFC 9457) that names the fields.
"""


def create_app(
    service: Service, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None
) -> FastAPI:
    """Return the application of a service."""
    app = FastAPI(
        title="xFlow",
        version=version("xflow"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # it would send callers, and their keys, to whatever host they named
    )
    app.state.service, app.state.predictors = service, {}
    install(app)
    for module in ROUTERS:
        app.include_router(module.router)
    app.add_middleware(BoardHeaders, airflow_page=service.settings.airflow_page)
    app.add_middleware(BodiesOfCallers, keys=service.keys)
    app.add_middleware(RequestScope, most_bytes=service.settings.most_bytes, observe=service.metrics.observe)
    return app


ROUTERS: tuple[Any, ...] = (vacancies, series, scoring, board, health, metrics, models, key_routes)

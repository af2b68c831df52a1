"""How the service says no: problem documents (RFC 9457) that name the fields, and never a stack trace."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from xflow.errors import Retryable, XflowError

log = logging.getLogger("xflow.serving")

MEDIA_TYPE = "application/problem+json"
MOST_FAULTS = 20
LONGEST_FIELD = 200


class Fault(BaseModel):
    """One field of a request that is wrong."""

    field: str = Field(description="Where it is, as body.vacancies.3.responsibility")
    message: str


class ProblemDocument(BaseModel):
    """What every answer of 400 and above holds."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Fault] = []
    request_id: str = Field(description="Also in the header X-Request-ID and in the log of the service")


class Problem(Exception):
    """A request that is refused.

    Parameters
    ----------
    status
        HTTP status, 400 or above.
    detail
        What is wrong and what to do, in a sentence or two; it is shown to the caller.
    fields
        Messages by field.
    headers
        Headers of the answer.
    """

    def __init__(
        self, status: int, detail: str, fields: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.fields, self.headers = status, detail, fields or {}, headers or {}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the problems that an endpoint answers with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def install(app: FastAPI) -> None:
    """Let every error of an application become a problem document, and describe that in its OpenAPI."""
    _describe(app)

    @app.exception_handler(Problem)
    async def refused(request: Request, error: Problem) -> JSONResponse:
        return answer(request, error.status, error.detail, error.fields, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()
        fields = dict(map(_fault, found[:MOST_FAULTS]))
        named = ", ".join(list(fields)[:5])
        return answer(request, 422, f"faults in the request: {len(found)}: {named}", fields)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return answer(request, error.status_code, str(error.detail), headers=dict(error.headers or {}))

    @app.exception_handler(XflowError)
    async def known(request: Request, error: XflowError) -> JSONResponse:
        log.warning("%s: %s: %s", request.url.path, type(error).__name__, error)
        # Its text may name addresses of the stack: they are for the log.
        if isinstance(error, Retryable):
            return answer(
                request, 503, "a store of the service does not answer; try again", headers={"Retry-After": "5"}
            )
        return answer(request, 500, "the service is not able to answer this: its log says why")

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("%s failed", request.url.path, exc_info=error)
        return answer(request, 500, "the service failed: its log says why")


def _describe(app: FastAPI) -> None:
    """Add the document to the schemas, as `problem_responses` refers to it."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        found = plain()
        schemas = found.setdefault("components", {}).setdefault("schemas", {})
        if ProblemDocument.__name__ not in schemas:
            made = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update({**made.pop("$defs", {}), ProblemDocument.__name__: made})
        return found

    app.openapi = described  # type: ignore[method-assign]


def _fault(error: dict[str, Any]) -> tuple[str, str]:
    """Return the field of a fault and what is wrong with it."""
    where, message = error["loc"], str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "json_invalid":  # its place is the number of a character
        return str(where[0]), f"no JSON at character {where[-1]}: {error['ctx']['error']}"
    return ".".join(map(str, where))[:LONGEST_FIELD], message


def answer(
    request: Request,
    status: int,
    detail: str,
    fields: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """Return a problem document."""
    document = ProblemDocument(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        errors=[Fault(field=field, message=message) for field, message in (fields or {}).items()],
        request_id=request.scope.get("request_id", ""),
    )
    return JSONResponse(document.model_dump(), status, headers, MEDIA_TYPE)

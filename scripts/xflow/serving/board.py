"""The board: a page, and the JSON that it shows, behind a sign-in of its own."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Cookie, Depends, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.staticfiles import StaticFiles

from xflow.serving import board_runs
from xflow.serving.board_overview import overview
from xflow.serving.board_view import Board, utc
from xflow.serving.problems import Problem
from xflow.serving.service import Services
from xflow.serving.sessions import COOKIE, SECONDS

STATIC = StaticFiles(directory=Path(__file__).parent / "static")
SOON, LATER = 5, 30
"""Seconds for which answers are kept: of what changes with every run, and of what is dear to make."""

router = APIRouter(include_in_schema=False)  # the page's own interface: it changes with the page


class SignIn(BaseModel):
    """Who wants to look."""

    username: str = Field(max_length=200)
    password: str = Field(max_length=1_000)


def _board(service: Services) -> Board:
    return service.board


Boards = Annotated[Board, Depends(_board)]
Session = Annotated[str, Cookie(alias=COOKIE)]
Count = Annotated[int, Query(ge=1, le=200)]


async def signed_in(board: Boards, session: Session = "") -> None:
    """Refuse who has not signed in."""
    if board.sessions.expiry(session) is None:
        raise Problem(401, "sign in to the board first")


api = APIRouter(prefix="/board/api", dependencies=[Depends(signed_in)], include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """Return the page."""
    return await STATIC.get_response("index.html", request.scope)


@router.api_route("/board/static/{path:path}", methods=["GET", "HEAD"])
async def static_file(path: str, request: Request) -> Response:
    """Return a file of the page."""
    return await STATIC.get_response(path, request.scope)


@router.post("/board/api/session")
async def open_session(given: SignIn, board: Boards, request: Request, response: Response) -> dict[str, str | None]:
    """Sign in."""
    address = request.client.host if request.client else ""
    if wait := board.throttle.wait_seconds(address):
        after = {"Retry-After": str(int(wait) + 1)}
        raise Problem(429, f"too many wrong passwords: try again in {int(wait) + 1} seconds", headers=after)
    session = board.sessions.open(given.username, given.password)
    if session is None:
        board.throttle.failed(address)
        raise Problem(401, "the name or the password is wrong")
    board.throttle.succeeded(address)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, session, SECONDS, path="/board", secure=secure, httponly=True, samesite="strict")
    return _session(board, session)


@api.get("/session")
async def read_session(board: Boards, session: Session = "") -> dict[str, str | None]:
    """Tell who has signed in."""
    return _session(board, session)


@router.delete("/board/api/session", status_code=204)
async def end_session(board: Boards, response: Response, session: Session = "") -> None:
    """Sign out."""
    board.sessions.end(session)
    response.delete_cookie(COOKIE, path="/board", httponly=True, samesite="strict")


@api.get("/overview")
async def read_overview(board: Boards) -> Response:
    """Return every pipeline with its champions, last runs, drift and freshness."""
    return _json(await board.answer(SOON, overview))


@api.get("/pipelines/{name}/runs")
async def read_runs(
    name: str, board: Boards, kind: Annotated[str | None, Query(max_length=40)] = None, limit: Count = 30
) -> Response:
    """Return a pipeline's last runs."""
    return _json(await board.answer(SOON, board_runs.runs, name, kind, limit))


def _session(board: Board, session: str) -> dict[str, str | None]:
    return {"user": board.sessions.username, "expires_at": utc(board.sessions.expiry(session))}


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


router.include_router(api)

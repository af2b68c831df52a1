"""The board: a page, and the JSON that it shows, behind a sign-in of its own."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Cookie, Depends, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.staticfiles import StaticFiles

from xflow.serving.board.cohorts import added_up, cohorts
from xflow.serving.board.market import filters, market
from xflow.serving.board.overview import overview
from xflow.serving.board.promotions import promotions
from xflow.serving.board.realised import realised
from xflow.serving.board.runs import runs
from xflow.serving.board.series import forecast, listed
from xflow.serving.board.served import served
from xflow.serving.board.sessions import COOKIE, SECONDS
from xflow.serving.board.view import Board, utc
from xflow.serving.board.words import words
from xflow.serving.problems import Problem
from xflow.serving.service import Services

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
Id = Annotated[str | None, Query(max_length=60)]
Count = Annotated[int, Query(ge=1, le=200)]


async def signed_in(board: Boards, session: Session = "") -> None:
    """Refuse who has not signed in."""
    if board.sessions.expiry(session) is None:
        raise Problem(401, "sign in to the board first")


async def readable(request: Request) -> None:
    """Refuse a text that the mart cannot hold."""
    given = {f"query.{name}": text for name, text in request.query_params.multi_items()}
    given |= {f"path.{name}": str(text) for name, text in request.path_params.items()}
    wrong = {name: "holds a NUL character" for name, text in given.items() if "\x00" in text}
    if wrong:
        raise Problem(422, "a NUL character stands in no name", wrong)


api = APIRouter(prefix="/board/api", dependencies=[Depends(signed_in), Depends(readable)], include_in_schema=False)


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
    return await board.answer(SOON, overview)


@api.get("/pipelines/{name}/runs")
async def read_runs(
    name: str, board: Boards, kind: Annotated[str | None, Query(max_length=40)] = None, limit: Count = 30
) -> Response:
    """Return a pipeline's last runs."""
    return await board.answer(SOON, runs, name, kind, limit)


@api.get("/pipelines/{name}/realised")
async def read_realised(name: str, board: Boards) -> Response:
    """Return what a pipeline's predictions were worth."""
    return await board.answer(LATER, realised, name)


@api.get("/pipelines/{name}/promotions")
async def read_promotions(name: str, board: Boards, limit: Count = 50) -> Response:
    """Return the decisions about a pipeline's versions."""
    return await board.answer(SOON, promotions, name, limit)


@api.get("/pipelines/{name}/series")
async def read_series(
    name: str, board: Boards, search: Annotated[str, Query(max_length=200)] = "", limit: Count = 50
) -> Response:
    """Return the series of a forecasting pipeline whose names hold a text."""
    return await board.answer(LATER, listed, name, search, limit)


@api.get("/pipelines/{name}/forecast")
async def read_forecast(
    name: str,
    board: Boards,
    series: Annotated[str, Query(min_length=1, max_length=1_000)],
    periods: Annotated[int, Query(ge=12, le=2_000)] = 120,
) -> Response:
    """Return one series with its forecasts."""
    return await board.answer(LATER, forecast, name, series, periods)


@api.get("/pipelines/{name}/market/filters")
async def read_filters(name: str, board: Boards) -> Response:
    """Return the roles and areas of a market."""
    return await board.answer(LATER, filters, name)


@api.get("/pipelines/{name}/market")
async def read_market(
    name: str, board: Boards, role: Id = None, area: Id = None, days: Annotated[int, Query(ge=7, le=730)] = 90
) -> Response:
    """Return the market of a role and an area."""
    return await board.answer(LATER, market, name, role or None, area or None, days)


@api.get("/pipelines/{name}/cohorts")
async def read_cohorts(name: str, board: Boards, role: Id = None, area: Id = None) -> Response:
    """Return the predicted cohorts of a role and an area."""
    found = await board.kept(LATER, lambda: added_up(board.view, name), "added up", name)
    chosen = (role or None, area or None)
    return await board.answer_of(LATER, lambda: cohorts(found, *chosen), "cohorts", name, *chosen)


@api.get("/pipelines/{name}/words")
async def read_words(name: str, board: Boards, count: Annotated[int, Query(ge=1, le=50)] = 12) -> Response:
    """Return the words that speak for each cohort."""
    return await board.answer(LATER, words, name, count)


@api.get("/served")
async def read_served(board: Boards, hours: Annotated[int, Query(ge=1, le=720)] = 48) -> Response:
    """Return how much was predicted online."""
    return await board.answer(SOON, served, hours)


def _session(board: Board, session: str) -> dict[str, str | None]:
    return {"user": board.sessions.username, "expires_at": utc(board.sessions.expiry(session))}


router.include_router(api)

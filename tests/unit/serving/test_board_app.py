"""The board over HTTP, with a mart that is down: who may look, what a browser is told, and what is refused."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient

from xflow.serving.board import routes
from xflow.serving.board.headers import BoardHeaders
from xflow.serving.board.view import Board
from xflow.serving.problems import install
from xflow.serving.served import ServedModels
from xflow.serving.server import options
from xflow.settings import ServingSettings

PASSWORD = "the board's password"
DATA = ("overview", "served", "session", "pipelines/x/runs", "pipelines/x/realised", "pipelines/x/promotions",
        "pipelines/x/series", "pipelines/x/forecast?series=a", "pipelines/x/market/filters", "pipelines/x/market",
        "pipelines/x/cohorts", "pipelines/x/words")  # fmt: skip


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    settings = ServingSettings(
        host="", port=0, home=tmp_path, greenplum_dsn="postgresql://u:secret@127.0.0.1:9/x", tarantool_uri="",
        mlflow_uri="http://127.0.0.1:9", mlflow_username="", mlflow_password="", key_sha256="",
        board_password_sha256=hashlib.sha256(PASSWORD.encode()).hexdigest(), airflow_page="http://air.test:8080/ui",
    )  # fmt: skip
    app = FastAPI()
    made = Board.of(settings, {}, ServedModels())
    app.state.service = SimpleNamespace(board=made)
    install(app)
    app.include_router(routes.router)
    app.add_middleware(BoardHeaders, airflow_page=settings.airflow_page)
    with TestClient(app) as client:
        yield client
    made.answers.close()


def sign_in(client: TestClient, password: str = PASSWORD) -> Any:
    return client.post("/board/api/session", json={"username": "admin", "password": password})


@pytest.mark.parametrize("path", DATA)
def test_nothing_is_told_before_the_sign_in(client: TestClient, path: str) -> None:
    answer = client.get(f"/board/api/{path}")
    assert (answer.status_code, answer.json()["detail"]) == (401, "sign in to the board first")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_session_from_its_beginning_to_its_end(client: TestClient) -> None:
    answer = sign_in(client)
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/board", "Max-Age=43200"} <= set(cookie.split("; "))
    assert "Secure" not in cookie  # over http no browser would send it back
    assert client.get("/board/api/session").json() == answer.json()
    held = client.cookies["xflow_board"]
    ended = client.delete("/board/api/session")
    assert (ended.status_code, ended.content) == (204, b"")
    assert "xflow_board" not in client.cookies
    assert client.get("/board/api/session", headers={"Cookie": f"xflow_board={held}"}).status_code == 401


def test_over_https_the_cookie_travels_over_nothing_else(client: TestClient) -> None:
    answer = client.post("https://testserver/board/api/session", json={"username": "admin", "password": PASSWORD})
    assert "Secure" in answer.headers["set-cookie"].split("; ")


def test_guessing_is_slowed_down(client: TestClient) -> None:
    answers = [sign_in(client, "wrong").status_code for _ in range(6)]
    assert answers == [401] * 5 + [429]
    refused = sign_in(client)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 61
    assert "set-cookie" not in refused.headers


@pytest.mark.parametrize(("proxies", "last"), [("", 429), ("127.0.0.1", 401)])
def test_nobody_but_a_named_proxy_says_which_address_he_comes_from(client: TestClient, proxies: str, last: int) -> None:
    behind = uvicorn.Config(client.app, **options(SimpleNamespace(host="", port=0, proxies=proxies)))  # type: ignore[arg-type]
    behind.load()
    asked = TestClient(behind.loaded_app, client=("127.0.0.1", 50_000))
    wrong = {"username": "admin", "password": "wrong"}
    answers = [
        asked.post("/board/api/session", json=wrong, headers={"X-Forwarded-For": f"10.0.0.{i}"}).status_code
        for i in range(6)
    ]
    assert answers == [401] * 5 + [last]


def test_a_mart_that_is_down_is_said_and_not_how_it_is_reached(client: TestClient) -> None:
    sign_in(client)
    answer = client.get("/board/api/overview")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "secret" not in answer.text
    assert "127.0.0.1" not in answer.text
    assert client.get("/").status_code == 200


def test_what_is_asked_wrongly_is_refused(client: TestClient) -> None:
    sign_in(client)
    unknown = client.get("/board/api/pipelines/x'--/runs")
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (404, "path.name")
    for query, field in (
        ("runs?limit=0", "limit"), ("runs?limit=201", "limit"), ("market?days=1e9", "days"), ("forecast", "series"),
        ("forecast?series=a&periods=-1", "periods"), ("words?count=x", "count"),
    ):  # fmt: skip
        wrong = client.get(f"/board/api/pipelines/x/{query}")
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, f"query.{field}")
    assert client.post("/board/api/session", json={"username": "admin"}).status_code == 422
    half = b'{"username": "admin", "password": "\\ud800"}'
    assert client.post("/board/api/session", content=half).status_code in {401, 422}


@pytest.mark.parametrize("path", ["x/series?search=%00", "x/runs?kind=a%00b", "x/market?role=%00", "%00/realised"])
def test_what_the_mart_cannot_hold_is_refused_by_its_field(client: TestClient, path: str) -> None:
    sign_in(client)
    answer = client.get(f"/board/api/pipelines/{path}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"] == "holds a NUL character"


def test_browsers_are_told_to_trust_nobody_else(client: TestClient) -> None:
    for path, cached in (
        ("/", "no-cache"), ("/board/static/index.html", "no-cache"), ("/board/static/none", "no-cache"),
        ("/board/api/overview", "no-store"),
    ):  # fmt: skip
        headers = client.get(path).headers
        policy = headers["content-security-policy"].split("; ")
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'self' http://air.test:8080" in policy
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert headers["cache-control"] == cached


def test_files_are_sent_once_and_only_those_of_the_page(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    same = client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert client.head("/board/static/vendor/chart.umd.min.js").status_code == 200
    for path in ("../board.py", "%2e%2e/board.py", "..%2fboard.py", "/etc/passwd", "%2fetc%2fpasswd", "none", ""):
        assert client.get(f"/board/static/{path}").status_code == 404
    assert client.post("/").status_code == 405


def test_the_page_s_own_interface_is_not_in_the_description(client: TestClient) -> None:
    assert client.get("/openapi.json").json()["paths"] == {}

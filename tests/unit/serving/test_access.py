"""Who may send which request: every route but a few refuses a stranger."""

import hashlib
import logging
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.routing import Route

from xflow.serving.access import SignInThrottle
from xflow.serving.app import create_app
from xflow.serving.board.sessions import Sessions
from xflow.serving.keys import Keys
from xflow.serving.metrics import Metrics
from xflow.serving.prediction_log import PredictionLog
from xflow.serving.served import ServedModels
from xflow.serving.service import Service
from xflow.settings import ServingSettings

ADMIN_TOKEN = "the administrator's key"
PUBLIC = {
    "GET /openapi.json",
    "GET /health/live",
    "GET /health/ready",
    "GET /",
    "GET /board/static/{path:path}",
    "POST /board/api/session",
    "DELETE /board/api/session",
}
"""What anybody may ask; every other route wants to know who is there."""
MLFLOW_S = re.compile(r"GET (/models/{\w+})?/(ping|health)")
"""MLflow's protocol asks nobody for a key here, either."""


@pytest.fixture
def service(tmp_path: Path) -> Service:
    sha256 = hashlib.sha256(ADMIN_TOKEN.encode()).hexdigest()
    settings = ServingSettings(
        host="127.0.0.1",
        port=1,
        home=tmp_path,
        greenplum_dsn="",
        tarantool_uri="",
        mlflow_uri="",
        mlflow_username="",
        mlflow_password="",
        key_sha256=sha256,
        board_password_sha256=sha256,
    )
    models = ServedModels()
    log = PredictionLog(SimpleNamespace(), tmp_path / "log")
    parts: dict[str, Any] = dict.fromkeys(each.name for each in fields(Service))  # no refused request reaches them
    parts |= {"settings": settings, "pipelines": {}, "models": models, "log": log, "metrics": Metrics(models, log)}
    parts["board"] = SimpleNamespace(sessions=Sessions("admin", sha256, tmp_path / "board.key"))
    return Service(**parts | {"keys": Keys(tmp_path / "keys.json", sha256)})


@pytest.fixture
def app(service: Service) -> FastAPI:
    return create_app(service)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as made:
        yield made


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def guarded(app: FastAPI) -> list[tuple[str, str]]:
    """Return method and path of every route but the public ones."""
    found = []
    for route in app.routes:
        assert isinstance(route, Route), f"{route}: it asks nobody for a key"
        for method in sorted(route.methods or ()):
            asked = f"{method.replace('HEAD', 'GET')} {route.path}"
            if asked not in PUBLIC and not MLFLOW_S.fullmatch(asked):
                found.append((method, re.sub(r"{.*?}", "x", route.path)))
    return found


def test_every_route_but_the_public_ones_refuses_a_stranger(app: FastAPI, client: TestClient) -> None:
    routes = guarded(app)
    assert ("GET", "/metrics") in routes
    for method, path in routes:
        texts = set()
        for headers in ({}, bearer("xflow_wrong"), {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
            answer = client.request(method, path, headers=headers)
            assert answer.status_code == 401, (method, path, answer.text)
            texts.add(answer.json()["detail"])
            if not path.startswith("/board/"):  # which signs in with a password
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert len(texts) == 1


def test_a_stranger_s_body_is_not_read(app: FastAPI, client: TestClient) -> None:
    routes = [route for route in guarded(app) if route[0] in {"POST", "PUT"} and not route[1].startswith("/board/")]
    assert ("POST", "/v1/vacancies/predict") in routes
    for method, path in routes:
        read = []

        def pieces(read: list[bytes] = read) -> Iterator[bytes]:
            read.append(b"{bad")
            yield read[-1]

        content = {"content-type": "application/json"}
        answer = client.request(method, path, content=b"{bad", headers=bearer("wrong") | content)
        assert answer.status_code == 401, (method, path, answer.text)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
        assert client.request(method, path, content=pieces(), headers=content).status_code == 401
        assert not read, (method, path)


@pytest.mark.parametrize(
    ("role", "refused"),
    [
        ("predict", [("GET", "/v1/keys"), ("POST", "/v1/keys"), ("DELETE", "/v1/keys/x"), ("PUT", "/v1/models/x")]),
        ("deploy", [("GET", "/v1/keys"), ("POST", "/v1/keys"), ("DELETE", "/v1/keys/x")]),
    ],
)
def test_a_role_does_no_more_than_it_may(
    app: FastAPI, client: TestClient, service: Service, role: Any, refused: list[tuple[str, str]]
) -> None:
    _, token = service.keys.add("someone", role)
    for method, path in set(refused) & set(guarded(app)):
        body = {"name": "mine", "role": "admin"} if method == "POST" else {"version": "1"}
        answer = client.request(method, path, json=body, headers=bearer(token))
        assert answer.status_code == 403, (method, path, answer.text)
        assert f"may {role}" in answer.json()["detail"]
    assert [key.name for key in service.keys.all()] == ["someone"]
    assert client.get("/metrics", headers=bearer(token)).status_code == 200


def test_a_key_s_life_over_rest(client: TestClient) -> None:
    admin = bearer(ADMIN_TOKEN)
    made = client.post("/v1/keys", json={"name": "shop", "role": "predict"}, headers=admin)
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    shop = bearer(made.json()["key"])
    assert client.get("/metrics", headers=shop).status_code == 200
    (listed,) = client.get("/v1/keys", headers=admin).json()["keys"]
    assert set(listed) == {"name", "role", "created_at"}
    assert client.post("/v1/keys", json={"name": "shop"}, headers=admin).status_code == 409
    assert client.delete("/v1/keys/shop", headers=admin).status_code == 204
    assert client.get("/metrics", headers=shop).status_code == 401
    assert client.delete("/v1/keys/shop", headers=admin).status_code == 404
    assert client.delete("/v1/keys/admin", headers=admin).status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "Shop"}, "body.name"),
        ({"name": ""}, "body.name"),
        ({"name": "a" * 41}, "body.name"),
        ({"name": "shop\n"}, "body.name"),
        ({"name": "shop", "role": "root"}, "body.role"),
        ({"name": "shop", "sha256": "0"}, "body.sha256"),
    ],
)
def test_a_wrong_key_is_refused_by_field(client: TestClient, body: dict[str, str], field: str) -> None:
    answer = client.post("/v1/keys", json=body, headers=bearer(ADMIN_TOKEN))
    assert answer.status_code == 422
    assert field in [fault["field"] for fault in answer.json()["errors"]]


def test_no_key_reaches_a_log(
    client: TestClient, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    token = client.post("/v1/keys", json={"name": "shop"}, headers=bearer(ADMIN_TOKEN)).json()["key"]
    for path in ("/metrics", "/v1/keys", "/nowhere"):
        client.get(path, headers=bearer(token))
        client.get(path, headers=bearer("xflow_a wrong one"))
    shown = caplog.text + "".join(capfd.readouterr())
    for secret in (ADMIN_TOKEN, token, "a wrong one"):
        assert secret not in shown


def test_failed_sign_ins_make_an_address_wait() -> None:
    now = 0.0
    throttle = SignInThrottle(most=3, seconds=60, addresses=2, clock=lambda: now)
    for _ in range(3):
        assert throttle.wait_seconds("a") == 0
        throttle.failed("a")
        now += 10
    assert throttle.wait_seconds("a") == 30
    assert throttle.wait_seconds("b") == 0
    now = 60.0
    assert throttle.wait_seconds("a") == 0
    throttle.failed("a")
    assert throttle.wait_seconds("a") == 10
    throttle.succeeded("a")
    assert throttle.wait_seconds("a") == 0
    for address in ("b", "c", "d"):
        for _ in range(3):
            throttle.failed(address)
    assert [throttle.wait_seconds(address) for address in ("b", "c", "d")] == [0, 60, 60]

"""Airflow Connections as settings."""

import importlib
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from xflow.errors import ConfigInvalid
from xflow.settings import REPOSITORY

CONNECTIONS: dict[str, dict[str, Any]] = {
    "XFLOW_S3": {
        "conn_type": "aws",
        "login": "key",
        "password": "s3/secret",
        "extra": {
            "endpoint_url": "http://s3:8333",
            "service_config": {"s3": {"bucket_name": "bucket"}},
        },
    },
    "XFLOW_GREENPLUM": {
        "conn_type": "postgres",
        "host": "gp",
        "port": 5432,
        "schema": "mart",
        "login": "user",
        "password": "p@ss:w/rd",
    },
    "XFLOW_TARANTOOL": {"conn_type": "generic", "host": "tnt", "port": 3301, "login": "user", "password": "p@ss"},
    "XFLOW_MLFLOW": {
        "conn_type": "http",
        "host": "mlflow",
        "port": 5000,
        "schema": "https",
        "login": "me",
        "password": "secret",
    },
}


@pytest.fixture
def connections(plugin: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = plugin("xflow_connections")
    for name, body in CONNECTIONS.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(body))
    return module


def test_four_connections_make_the_settings(connections: ModuleType) -> None:
    made = connections.settings()
    assert (made.s3_endpoint, made.s3_bucket) == ("http://s3:8333", "bucket")
    assert (made.s3_access_key, made.s3_secret_key) == ("key", "s3/secret")
    assert made.greenplum_dsn == "postgresql://user:p%40ss%3Aw%2Frd@gp:5432/mart"
    assert made.tarantool_uri == "tarantool://user:p%40ss@tnt:3301"
    assert (made.mlflow_uri, made.mlflow_username, made.mlflow_password) == ("https://mlflow:5000", "me", "secret")


def test_the_prediction_service_is_known_by_a_connection_of_its_own(
    connections: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (connections.settings().serving_url, connections.settings().serving_key) == ("", "")
    body = {"conn_type": "http", "host": "serving", "port": 18000, "schema": "http", "password": "key"}
    monkeypatch.setenv("AIRFLOW_CONN_XFLOW_SERVING", json.dumps(body))
    made = connections.settings()
    assert (made.serving_url, made.serving_key) == ("http://serving:18000", "key")
    assert "key" not in repr(made).partition("serving_url")[2]
    monkeypatch.setenv("AIRFLOW_CONN_XFLOW_SERVING", json.dumps({**body, "password": ""}))
    with pytest.raises(ConfigInvalid, match="xflow_serving: no password"):
        connections.settings()


@pytest.mark.parametrize(
    ("name", "part", "said"),
    [
        ("XFLOW_S3", "extra", "xflow_s3: no s3_endpoint"),
        ("XFLOW_S3", "login", "xflow_s3: no login"),
        ("XFLOW_GREENPLUM", "port", "xflow_greenplum: no port"),
        ("XFLOW_TARANTOOL", "password", "xflow_tarantool: no password"),
        ("XFLOW_MLFLOW", "host", "xflow_mlflow: no host"),
    ],
)
def test_a_missing_part_is_named(
    connections: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str, part: str, said: str
) -> None:
    left = {key: value for key, value in CONNECTIONS[name].items() if key != part}
    monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(left))
    with pytest.raises(ConfigInvalid, match=said):
        connections.settings()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that writes the connections, in the environment of a stack."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "docker" / "airflow"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "XFLOW_S3_ENDPOINT", "XFLOW_S3_BUCKET"):
        monkeypatch.setenv(name, "x")
    for name in ("XFLOW_GREENPLUM_DSN", "XFLOW_TARANTOOL_URI", "MLFLOW_TRACKING_URI", "XFLOW_SERVING_URL"):
        monkeypatch.setenv(name, "http://u:p@host:1/x")
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "XFLOW_SERVING_KEY"):
        monkeypatch.setenv(name, "x")
    return importlib.import_module("connections")


def test_the_addresses_of_alerts_are_a_password_and_where_pages_are_is_told(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XFLOW_ALERTS", raising=False)
    assert script.ALERTS not in {body["connection_id"] for body in script.connections()}
    monkeypatch.setenv("XFLOW_ALERTS", "slack://a/b/c")
    monkeypatch.setenv("MLFLOW_PAGE", "https://mlflow.example")
    made = {body["connection_id"]: body for body in script.connections()}
    assert made[script.ALERTS] == {
        "connection_id": "xflow_alerts",
        "conn_type": "apprise",
        "password": "slack://a/b/c",
        "description": script.FROM_ENV,
    }
    assert json.loads(made["xflow_mlflow"]["extra"]) == {"page": "https://mlflow.example"}
    assert all(body["description"] for body in made.values())


def test_the_key_of_the_prediction_service_is_the_password_of_its_connection(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XFLOW_SERVING_URL", "http://serving:8000")
    monkeypatch.setenv("XFLOW_SERVING_KEY", "the key")
    (made,) = [body for body in script.connections() if body["connection_id"] == "xflow_serving"]
    del made["description"]
    assert {name: value for name, value in made.items() if value} == {
        "connection_id": "xflow_serving",
        "conn_type": "http",
        "host": "serving",
        "port": 8000,
        "schema": "http",
        "password": "the key",
    }


def test_tasks_reach_the_prediction_service_where_there_is_a_connection(
    connections: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (connections.settings().serving_url, connections.settings().serving_key) == ("", "")
    made = {"conn_type": "http", "host": "serving", "port": 8000, "schema": "http", "password": "the key"}
    monkeypatch.setenv("AIRFLOW_CONN_XFLOW_SERVING", json.dumps(made))
    assert connections.settings().serving_url == "http://serving:8000"
    assert connections.settings().serving_key == "the key"


@pytest.mark.parametrize(("found", "calls"), [("ours", 2), ("a person's", 1), (None, 1)])
def test_only_the_connection_that_we_made_goes_with_the_variable(
    script: ModuleType, found: str | None, calls: int
) -> None:
    class Rest:
        made: list[str] = []  # noqa: RUF012

        def call(self, method: str, path: str) -> dict[str, str]:
            self.made.append(f"{method} {path}")
            if found is None:
                raise script.RestError(404, "not found")
            return {"description": script.FROM_ENV if found == "ours" else found}

    script.forget_alerts(Rest())
    assert Rest.made == ["GET /connections/xflow_alerts", "DELETE /connections/xflow_alerts"][:calls]

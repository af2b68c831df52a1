"""Airflow Connections as settings."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from xflow.errors import ConfigInvalid

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

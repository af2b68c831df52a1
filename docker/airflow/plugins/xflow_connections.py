"""Airflow Connections as xFlow's settings. Tasks and triggers read them, never a DAG file while it is parsed.

A secrets backend works: nothing here knows where Airflow keeps a connection.
"""

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from xflow.errors import ConfigInvalid
from xflow.settings import Settings, environment_name

if TYPE_CHECKING:
    from xflow.adapters.s3 import S3Store

S3, GREENPLUM, TARANTOOL, MLFLOW = "xflow_s3", "xflow_greenplum", "xflow_tarantool", "xflow_mlflow"
HH = "xflow_hh"
"""Optional: its password is the token of an application registered with hh.ru."""
SERVING = "xflow_serving"
"""Optional: the prediction service; its password is an API key that may deploy."""


def settings() -> Settings:
    """Return the settings that the connections hold.

    Raises
    ------
    ConfigInvalid
        A connection lacks a part; the message names both.
    """
    s3, mlflow = Connection.get(S3), Connection.get(MLFLOW)
    return Settings(
        **_s3(s3, s3.extra_dejson),
        greenplum_dsn=_uri(Connection.get(GREENPLUM), "postgresql"),
        tarantool_uri=_uri(Connection.get(TARANTOOL), "tarantool"),
        mlflow_uri=f"{mlflow.schema or 'http'}://{_part(mlflow, 'host')}:{_part(mlflow, 'port')}",
        mlflow_username=_part(mlflow, "login"),
        mlflow_password=_part(mlflow, "password"),
        hh_token=_token(),
        **_serving(),
        environment=environment_name(),
    )


async def object_store() -> "S3Store":
    """Return the object store that the S3 connection describes, without blocking a trigger's event loop."""
    connection = await Connection.async_get(S3)
    return await asyncio.to_thread(_store, _s3(connection, await connection.aextra_dejson()))


def _store(s3: dict[str, str]) -> "S3Store":
    from xflow.adapters.s3 import S3Store

    return S3Store(s3["s3_endpoint"], s3["s3_bucket"], s3["s3_access_key"], s3["s3_secret_key"])


def _s3(connection: Connection, extra: dict[str, Any]) -> dict[str, str]:
    found = {
        "s3_endpoint": extra.get("endpoint_url"),
        "s3_bucket": extra.get("service_config", {}).get("s3", {}).get("bucket_name"),
    }
    for name, value in found.items():
        if not value:
            raise ConfigInvalid(
                f"Airflow connection {S3}: no {name}. Its extra needs "
                '{"endpoint_url": "http://...", "service_config": {"s3": {"bucket_name": "..."}}}.'
            )
    return {**found, "s3_access_key": _part(connection, "login"), "s3_secret_key": _part(connection, "password")}


def _token() -> str:
    try:
        return Connection.get(HH).password or ""
    except AirflowNotFoundException:
        return ""


def _serving() -> dict[str, str]:
    try:
        found = Connection.get(SERVING)
    except AirflowNotFoundException:
        return {}
    url = f"{found.schema or 'http'}://{_part(found, 'host')}:{_part(found, 'port')}"
    return {"serving_url": url, "serving_key": _part(found, "password")}


def _uri(connection: Connection, scheme: str) -> str:
    user, password = (quote(_part(connection, name), safe="") for name in ("login", "password"))
    address = f"{scheme}://{user}:{password}@{_part(connection, 'host')}:{_part(connection, 'port')}"
    return f"{address}/{connection.schema}" if connection.schema else address


def _part(connection: Connection, name: str) -> str:
    value = getattr(connection, name)
    if not value:
        raise ConfigInvalid(f"Airflow connection {connection.conn_id}: no {name}. Set it under Admin > Connections.")
    return str(value)

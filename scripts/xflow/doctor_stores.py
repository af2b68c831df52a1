"""Examinations of S3, Greenplum and Tarantool.

Each has timeouts of its own: those of the adapters are meant for work that takes minutes. The verdict on an error is
the adapters', so that it reads here as it does in a task's log.
"""

import re
import uuid
from contextlib import closing
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import psycopg2
import psycopg2.extensions
import tarantool
from botocore.config import Config
from botocore.exceptions import ClientError

from xflow.adapters import greenplum_errors, s3, tarantool_server
from xflow.adapters.greenplum_server import GreenplumServer, connect
from xflow.adapters.tarantool_server import TarantoolServer
from xflow.doctor_probe import ANSWER_SECONDS, Seen, timed
from xflow.errors import ConfigInvalid
from xflow.settings import Settings

WRITTEN = b"xflow doctor"
SCHEMA = "mart"


def examine_s3(settings: Settings) -> Seen:
    """Send signed requests to the bucket; write, read and delete a small object below ``doctor/``."""
    bucket = settings.s3_bucket
    try:
        client = _s3_client(settings)
        listed: dict[str, Any] = client.list_objects_v2(Bucket=bucket, MaxKeys=1, Prefix="doctor/")
        _write_read_delete(client, bucket)
        taken = timed(lambda: client.list_objects_v2(Bucket=bucket, MaxKeys=1, Prefix="doctor/"))
    except s3.DRIVER_ERRORS as error:
        if isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") == "NoSuchBucket":
            raise ConfigInvalid(f"s3://{bucket}/: no such bucket. Create it, or correct XFLOW_S3_BUCKET.") from error
        raise s3.mapped(error, f"s3://{bucket}/ at {settings.s3_endpoint}") from error
    server = str(listed["ResponseMetadata"]["HTTPHeaders"].get("server", ""))
    return Seen(_s3_version(server), taken, {"bucket": bucket, "write": "put, read and deleted an object"})


def _s3_client(settings: Settings) -> Any:
    try:
        return boto3.session.Session().client(
            "s3",
            endpoint_url=settings.s3_endpoint,
            aws_access_key_id=settings.s3_access_key,
            aws_secret_access_key=settings.s3_secret_key,
            region_name="us-east-1",
            config=Config(
                connect_timeout=ANSWER_SECONDS,
                read_timeout=ANSWER_SECONDS,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
    except ValueError as error:
        raise ConfigInvalid(f"XFLOW_S3_ENDPOINT: {error}. Write http://host:port") from error


def _write_read_delete(client: Any, bucket: str) -> None:
    key = f"doctor/{uuid.uuid4().hex}"
    client.put_object(Bucket=bucket, Key=key, Body=WRITTEN)
    try:
        read = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    finally:
        client.delete_object(Bucket=bucket, Key=key)
    if read != WRITTEN:
        raise ConfigInvalid(f"s3://{bucket}/{key} came back as {read[:40]!r}. Is a cache or a proxy in between?")


def _s3_version(header: str) -> str:
    """Return name and version out of a header such as ``SeaweedFS 30GB 4.48``."""
    return re.sub(r" \d+[KMGT]?B\b", "", header) or "unknown"


def examine_greenplum(settings: Settings) -> Seen:
    """Sign in, read the version, and ask whether the role may create the mart's tables."""
    server = GreenplumServer(settings.greenplum_dsn)
    limits = {"connect_timeout": ANSWER_SECONDS, "tcp_user_timeout": ANSWER_SECONDS * 1000}
    try:
        with closing(connect(settings.greenplum_dsn, statement_seconds=ANSWER_SECONDS, limits=limits)) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT version(), current_user, current_database()")
            version, role, database = cursor.fetchone() or ("", "", "")
            taken = timed(lambda: cursor.execute("SELECT 1"))
            place, allowed = _may_create(cursor)
            foreign = _foreign_tables(cursor)
    except psycopg2.Error as error:
        raise greenplum_errors.mapped(error, f"Greenplum at {server.address}") from error
    trouble = "" if allowed else f"role {role} may not create in {place}: GRANT CREATE ON {place} TO {role}"
    if foreign and not trouble:
        trouble = f"{', '.join(foreign)} not of role {role}, which cannot load them: run docker/greenplum/accounts.py"
    details = {"role": role, "database": database, "create": f"{'may' if allowed else 'may not'} create in {place}"}
    return Seen(database_version(version), taken, details, trouble)


def _may_create(cursor: psycopg2.extensions.cursor) -> tuple[str, bool]:
    """Return where tables go, the schema or, while there is none, the database, and whether the role may create."""
    cursor.execute(
        "SELECT has_schema_privilege(nspname, 'CREATE') FROM pg_namespace WHERE nspname = %s",
        (SCHEMA,),
    )
    found = cursor.fetchone()
    if found is not None:
        return f"SCHEMA {SCHEMA}", bool(found[0])
    cursor.execute("SELECT current_database(), has_database_privilege(current_database(), 'CREATE')")
    name, allowed = cursor.fetchone() or ("", False)
    return f"DATABASE {name}", bool(allowed)


def _foreign_tables(cursor: psycopg2.extensions.cursor) -> list[str]:
    """Return up to five tables of the schema that this role may not change, as after a restore by another one."""
    cursor.execute(
        "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v') AND NOT pg_has_role(c.relowner, 'MEMBER') "
        "ORDER BY 1 LIMIT 5",
        (SCHEMA,),
    )
    return [f"{SCHEMA}.{name}" for (name,) in cursor.fetchall()]


def database_version(text: str) -> str:
    """Return ``Greenplum 7.1.0`` or ``PostgreSQL 15.18`` out of what ``version()`` says."""
    greenplum = re.search(r"Greenplum Database (\S+)", text)
    if greenplum:
        return f"Greenplum {greenplum[1]}"
    postgres = re.match(r"PostgreSQL \S+", text)
    return postgres[0] if postgres else text[:40]


def examine_tarantool(settings: Settings) -> Seen:
    """Sign in, ping, and call a stored function of the feature store."""
    server = TarantoolServer(settings.tarantool_uri)
    where, parts = f"Tarantool at {server.address}", urlsplit(settings.tarantool_uri)
    try:
        connection = tarantool.Connection(
            parts.hostname,
            parts.port,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            encoding=None,
            socket_timeout=ANSWER_SECONDS,
            connection_timeout=ANSWER_SECONDS,
            reconnect_max_attempts=0,
            fetch_schema=False,
        )
        with closing(connection):
            taken = timed(connection.ping)
            connection.call("feature_ready", ("doctor",))
            number = connection.version_id
    except (tarantool.error.Error, OSError) as error:
        raise tarantool_server.mapped(error, where) from error
    return Seen(f"Tarantool {number >> 16}.{number >> 8 & 255}.{number & 255}", taken, {"functions": "callable"})

"""How the errors of psycopg2 and of the server reach a run."""

from urllib.parse import urlsplit

import psycopg2
import psycopg2.errors
import pytest

from xflow.adapters.greenplum import GreenplumMart
from xflow.adapters.greenplum_errors import mapped
from xflow.errors import (
    AccessDenied,
    ConfigInvalid,
    ContractViolated,
    Permanent,
    Retryable,
    ServiceUnavailable,
    XflowError,
)
from xflow.refs import RunKey
from xflow.settings import Settings


@pytest.mark.services
def test_wrong_credentials(stores: Settings, key: RunKey) -> None:
    password = urlsplit(stores.greenplum_dsn).password
    mart = GreenplumMart(stores.greenplum_dsn.replace(password, "not-the-password"))
    with pytest.raises(AccessDenied) as caught:
        mart.run(key)
    assert "not-the-password" not in str(caught.value) + repr(mart)


@pytest.mark.services
def test_a_database_that_does_not_exist(stores: Settings, key: RunKey) -> None:
    with pytest.raises(ConfigInvalid, match="nowhere"):
        GreenplumMart(stores.greenplum_dsn.rpartition("/")[0] + "/nowhere").run(key)


def test_no_server(closed_port: int, key: RunKey) -> None:
    with pytest.raises(ServiceUnavailable, match="is it running"):
        GreenplumMart(f"postgresql://xflow:secret@127.0.0.1:{closed_port}/xflow").run(key)


def test_an_address_that_is_none() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        GreenplumMart("postgresql//xflow:secret@127.0.0.1/xflow")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg2.errors.DiskFull, ServiceUnavailable),
        (psycopg2.errors.DeadlockDetected, ServiceUnavailable),
        (psycopg2.errors.SerializationFailure, ServiceUnavailable),
        (psycopg2.errors.QueryCanceled, ServiceUnavailable),
        (psycopg2.errors.AdminShutdown, ServiceUnavailable),
        (psycopg2.errors.InsufficientPrivilege, AccessDenied),
        (psycopg2.errors.UndefinedTable, ConfigInvalid),
        (psycopg2.errors.DatetimeFieldOverflow, ContractViolated),
    ],
)
def test_error_codes(error: type[psycopg2.Error], expected: type[XflowError]) -> None:
    assert type(mapped(coded(error), "here")) is expected


def coded(error: type[psycopg2.Error]) -> psycopg2.Error:
    """An error as the server raises it: psycopg2 sets its code, Python code cannot."""
    code = next(code for code, kind in psycopg2.errors.__dict__.items() if kind is error)
    return type(code, (error,), {"pgcode": SQLSTATES[code]})("said so")


SQLSTATES = {
    "DiskFull": "53100",
    "DeadlockDetected": "40P01",
    "SerializationFailure": "40001",
    "QueryCanceled": "57014",
    "AdminShutdown": "57P01",
    "InsufficientPrivilege": "42501",
    "UndefinedTable": "42P01",
    "DatetimeFieldOverflow": "22008",
}


@pytest.mark.parametrize(
    "error",
    [
        kind
        for kind in {**vars(psycopg2), **vars(psycopg2.errors)}.values()
        if isinstance(kind, type) and issubclass(kind, psycopg2.Error)
    ],
    ids=lambda error: error.__name__,
)
def test_every_driver_error_is_mapped(monkeypatch: pytest.MonkeyPatch, key: RunKey, error: type[Exception]) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error("said so")

    monkeypatch.setattr(psycopg2, "connect", fail)
    with pytest.raises((Retryable, Permanent)):
        GreenplumMart("postgresql://u:p@127.0.0.1:1/d").run(key)

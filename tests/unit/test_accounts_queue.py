"""The resource queue of the mart's accounts: made where there are such queues, and in no other database."""

import importlib.util
from types import ModuleType
from typing import Self

import pytest

from xflow.settings import REPOSITORY

PASSWORDS = dict.fromkeys(("loader", "reader", "serving"), "x")
SIX = "PostgreSQL 9.4.26 (Greenplum Database 6.24.3 build dev) on x86_64"
SEVEN = "PostgreSQL 12.12 (Greenplum Database 7.1.0 build commit:e7c2b1f) on x86_64"


class Session:
    """A session that answers `version()` and the number of queues, and remembers what it was asked, and how."""

    def __init__(self, version: str, queues: int) -> None:
        self.autocommit, self.asked = False, list[tuple[bool, str]]()
        self._answers = {"SELECT version()": version, "SELECT count(*)": queues}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def cursor(self) -> "Session":
        return self

    def close(self) -> None:
        pass

    def execute(self, statement: str, _: object = ()) -> None:
        self.asked.append((self.autocommit, statement))

    def fetchone(self) -> tuple[object]:
        return (next(answer for start, answer in self._answers.items() if self.asked[-1][1].startswith(start)),)


@pytest.fixture
def accounts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("accounts", REPOSITORY / "docker/greenplum/accounts.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def asked(accounts: ModuleType, monkeypatch: pytest.MonkeyPatch, session: Session) -> list[str]:
    """Return what was asked about queues; nothing of it within a transaction, which Greenplum refuses."""
    monkeypatch.setattr(accounts, "_connect", lambda *_: session)
    accounts.set_accounts("postgresql://gpadmin:x@mart/xflow", PASSWORDS, statements=60)
    about = [(alone, text) for alone, text in session.asked if "QUEUE" in text]
    assert all(alone for alone, _ in about)
    return [text for _, text in about]


@pytest.mark.parametrize("version", [SIX, SEVEN])
@pytest.mark.parametrize(("queues", "verb"), [(0, "CREATE"), (1, "ALTER")])
def test_greenplum_gets_a_queue_with_all_three_accounts(
    accounts: ModuleType, monkeypatch: pytest.MonkeyPatch, version: str, queues: int, verb: str
) -> None:
    assert asked(accounts, monkeypatch, Session(version, queues)) == [
        f"{verb} RESOURCE QUEUE xflow WITH (ACTIVE_STATEMENTS=60)",
        *(f"ALTER ROLE {role} RESOURCE QUEUE xflow" for role in ("xflow", "xflow_reader", "xflow_serving")),
    ]


def test_postgresql_is_asked_for_none(accounts: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(accounts, monkeypatch, Session("PostgreSQL 15.18 on x86_64", 0)) == []


@pytest.mark.parametrize("wrong", ["0", "-1", "many"])
def test_a_number_of_statements_that_is_none_is_refused(
    accounts: ModuleType, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    for name in accounts.NAMES:
        monkeypatch.setenv(name, "postgresql://gpadmin:x@mart/xflow")
    monkeypatch.setenv("XFLOW_GREENPLUM_STATEMENTS", wrong)
    with pytest.raises(SystemExit, match="a whole number of 1 or more"):
        accounts.main()

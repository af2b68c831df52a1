"""Signing in to the board."""

import hashlib
import stat
import time
from pathlib import Path

import pytest

from xflow.serving.board.sessions import SECONDS, Sessions

PASSWORD = "пароль of the board"
SHA256 = hashlib.sha256(PASSWORD.encode()).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "home" / "board.key"


@pytest.fixture
def sessions(file: Path) -> Sessions:
    return Sessions("admin", SHA256, file)


def opened(sessions: Sessions) -> str:
    session = sessions.open("admin", PASSWORD)
    assert session is not None
    return session


@pytest.mark.parametrize(
    ("name", "password"),
    [("admin", ""), ("admin", SHA256), ("admin", PASSWORD + " "), ("Admin", PASSWORD), ("", PASSWORD), ("имя", "")],
)
def test_who_does_not_know_both_stays_out(sessions: Sessions, name: str, password: str) -> None:
    assert sessions.open(name, password) is None


def test_a_session_lasts_half_a_day(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened(sessions)
    expiry = sessions.expiry(session)
    assert expiry is not None
    began = time.time()
    assert expiry.timestamp() == pytest.approx(began + SECONDS, abs=5)
    monkeypatch.setattr(time, "time", lambda: began + SECONDS - 5)
    assert sessions.expiry(session) == expiry
    monkeypatch.setattr(time, "time", lambda: began + SECONDS + 5)
    assert sessions.expiry(session) is None


def test_what_was_not_signed_here_is_none(sessions: Sessions, tmp_path: Path) -> None:
    session = opened(sessions)
    number, _, rest = session.partition(".")
    stranger = opened(Sessions("admin", SHA256, tmp_path / "other.key"))
    wrong = ["", "x", session[:-1], f"{number}x.{rest}", session.upper(), stranger, "\udcff", "." * 5]
    assert [sessions.expiry(each) for each in wrong] == [None] * len(wrong)


def test_a_restart_signs_nobody_out_and_another_password_everybody(sessions: Sessions, file: Path) -> None:
    session = opened(sessions)
    assert Sessions("admin", SHA256, file).expiry(session) is not None
    other = hashlib.sha256(b"another").hexdigest()
    assert Sessions("admin", other, file).expiry(session) is None


def test_signing_out_ends_one_session(sessions: Sessions) -> None:
    first, second = opened(sessions), opened(sessions)
    sessions.end(first)
    sessions.end(first)
    sessions.end("never was one")
    assert sessions.expiry(first) is None
    assert sessions.expiry(second) is not None


def test_the_key_is_for_nobody_else(sessions: Sessions, file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_text(encoding="ascii")) == 64
    assert PASSWORD not in repr(sessions)

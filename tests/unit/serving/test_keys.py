"""Keys: added, asked for, revoked, and kept as hashes."""

import hashlib
import stat
from pathlib import Path

import pytest

from xflow.errors import ConfigInvalid
from xflow.serving.keys import ADMIN, Caller, Keys
from xflow.serving.problems import Problem

ADMIN_TOKEN = "the administrator's key"
ADMIN_SHA256 = hashlib.sha256(ADMIN_TOKEN.encode()).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "keys.json"


@pytest.fixture
def keys(path: Path) -> Keys:
    return Keys(path, ADMIN_SHA256)


def test_a_key_is_known_from_its_making_to_its_revocation_over_restarts(path: Path, keys: Keys) -> None:
    made, token = keys.add("shop", "predict")
    assert token.startswith("xflow_")
    assert len(token) == len("xflow_") + 43
    for each in (keys, Keys(path, ADMIN_SHA256)):
        assert each.caller(token) == Caller("shop", "predict")
        assert each.all() == [made]
    keys.revoke("shop")
    for each in (keys, Keys(path, ADMIN_SHA256)):
        assert each.caller(token) is None
        assert each.all() == []
    _, other = keys.add("shop", "deploy")
    assert keys.caller(token) is None
    assert keys.caller(other) == Caller("shop", "deploy")


def test_the_administrator_needs_no_file(path: Path, keys: Keys) -> None:
    assert keys.caller(ADMIN_TOKEN) == Caller(ADMIN, "admin")
    assert not path.exists()
    with pytest.raises(Problem, match=r"\.env"):
        keys.revoke(ADMIN)
    with pytest.raises(Problem, match="there is a key admin"):
        keys.add(ADMIN, "predict")


@pytest.mark.parametrize("token", ["", ADMIN_SHA256, ADMIN_TOKEN + " ", "xflow_" + "A" * 43, "ключ", "\udcff"])
def test_a_stranger_is_nobody(keys: Keys, token: str) -> None:
    keys.add("shop", "predict")
    assert keys.caller(token) is None


def test_the_file_holds_no_key_and_is_for_nobody_else(path: Path, keys: Keys) -> None:
    _, token = keys.add("shop", "predict")
    _, other = keys.add("board", "deploy")
    text = path.read_text()
    assert hashlib.sha256(token.encode()).hexdigest() in text
    for secret in (token, other, token.removeprefix("xflow_"), ADMIN_TOKEN, ADMIN_SHA256):
        assert secret not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["keys.json"]
    assert token not in repr(keys.all())
    assert "sha256" not in repr(keys.all())


def test_a_name_is_taken_once_and_must_be_known(keys: Keys) -> None:
    _, token = keys.add("shop", "predict")
    with pytest.raises(Problem) as taken:
        keys.add("shop", "admin")
    assert (taken.value.status, taken.value.fields) == (409, {"body.name": "is taken"})
    assert keys.caller(token) == Caller("shop", "predict")
    with pytest.raises(Problem) as unknown:
        keys.revoke("nobody")
    assert unknown.value.status == 404


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"keys": [{"name": "shop", "role": "emperor", "created_at": "2026-11-21T00:00:00Z", "sha256": "%s"}]}',
        '{"keys": [{"name": "shop", "role": "predict", "created_at": "2026-11-21T00:00:00Z", "sha256": "%s0"}]}',
    ],
)
def test_a_damaged_file_keeps_the_service_from_starting(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text.replace("%s", ADMIN_SHA256))
    with pytest.raises(ConfigInvalid) as error:
        Keys(path, ADMIN_SHA256)
    assert str(path) in str(error.value)
    assert "xflow keys add" in str(error.value)
    assert ADMIN_SHA256 not in str(error.value)
    assert path.read_text() == text.replace("%s", ADMIN_SHA256)


@pytest.mark.parametrize("sha256", ["", "x", ADMIN_SHA256[1:], ADMIN_SHA256.upper(), ADMIN_SHA256 + "\n"])
def test_the_administrator_s_hash_must_be_one(path: Path, sha256: str) -> None:
    with pytest.raises(ConfigInvalid, match="XFLOW_SERVING_KEY_SHA256"):
        Keys(path, sha256)


def test_a_file_that_cannot_be_written_changes_nothing(path: Path, keys: Keys) -> None:
    _, token = keys.add("shop", "predict")
    before = path.read_bytes()
    path.with_name(".keys.json.new").mkdir()
    with pytest.raises(OSError, match=r"keys\.json"):
        keys.revoke("shop")
    assert keys.caller(token) == Caller("shop", "predict")
    assert path.read_bytes() == before


def test_a_full_disk_is_told_and_changes_nothing(path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    _, token = keys.add("shop", "predict")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xflow.serving.durable.os.fsync", full)
    for call in (lambda: keys.add("other", "predict"), lambda: keys.revoke("shop")):
        with pytest.raises(Problem, match="free space") as error:
            call()
        assert error.value.status == 507
    assert [each.name for each in keys.all()] == ["shop"]
    assert keys.caller(token) == Caller("shop", "predict")
    assert [each.name for each in path.parent.iterdir()] == ["keys.json"]

"""`xflow keys`, against the routes behind a real server."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvicorn
from click.testing import Result
from fastapi import FastAPI
from typer.testing import CliRunner

from xflow.cli import app as cli
from xflow.serving import key_routes
from xflow.serving.keys import Caller, Keys
from xflow.serving.problems import install
from xflow.settings import ENVIRONMENT

TOKEN = "the administrator's key"
Keyed = Callable[..., Result]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys.json", hashlib.sha256(TOKEN.encode()).hexdigest())


@pytest.fixture
def url(keys: Keys) -> Iterator[str]:
    """The address of a server of the routes."""
    app = FastAPI()
    install(app)
    app.include_router(key_routes.router)
    app.state.service = SimpleNamespace(keys=keys)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, http="httptools"))
    thread = threading.Thread(target=server.run)
    thread.start()
    end = time.monotonic() + 300
    while not server.started:
        assert time.monotonic() < end
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def xflow_keys(url: str, monkeypatch: pytest.MonkeyPatch) -> Keyed:
    """Run the command as the administrator."""
    monkeypatch.setenv("XFLOW_ENV_FILE", "/dev/null")
    for name in ENVIRONMENT.values():
        monkeypatch.setenv(name, "not asked")
    monkeypatch.setenv("XFLOW_SERVING_URL", url)
    monkeypatch.setenv("XFLOW_SERVING_KEY", TOKEN)
    return lambda *arguments: CliRunner().invoke(cli, ["keys", *arguments])


def test_a_key_is_added_listed_and_revoked(keys: Keys, xflow_keys: Keyed) -> None:
    assert "no keys" in xflow_keys("list").stdout
    added = xflow_keys("add", "shop", "--role", "deploy")
    assert keys.caller(added.stdout.strip()) == Caller("shop", "deploy")  # nothing else is on the standard output
    listed = xflow_keys("list").stdout
    assert "shop" in listed
    assert "deploy" in listed
    assert added.stdout.strip() not in listed
    assert xflow_keys("revoke", "shop").exit_code == 0
    assert keys.caller(added.stdout.strip()) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("revoke", "nobody"), "there is no key nobody"),
        (("revoke", "../models"), "Not Found"),
        (("add", "admin"), "there is a key admin"),
        (("add", "Big"), "body.name"),
        (("add", "shop", "--role", "root"), "predict"),
    ],
)
def test_a_refusal_is_one_line(
    xflow_keys: Keyed, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    done = xflow_keys(*arguments)
    assert done.exit_code != 0
    shown = done.output + "".join(capsys.readouterr())
    assert said in shown
    assert "Traceback" not in shown


def test_a_wrong_key_is_refused_and_not_shown(
    xflow_keys: Keyed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XFLOW_SERVING_KEY", "xflow_wrong")
    done = xflow_keys("list")
    shown = done.output + "".join(capsys.readouterr())
    assert done.exit_code == 1
    assert "AccessDenied" in shown
    assert "xflow_wrong" not in shown


def test_settings_that_lack_the_service_are_named(
    xflow_keys: Keyed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("XFLOW_SERVING_URL")
    done = xflow_keys("list")
    assert done.exit_code == 1
    assert "XFLOW_SERVING_URL" in done.output + "".join(capsys.readouterr())

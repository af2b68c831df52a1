"""docker/mlflow/serve.py: who may do what on the server it starts, also on one that an older version had made."""

import base64
import configparser
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xflow.settings import REPOSITORY

pytestmark = pytest.mark.services

SERVE = REPOSITORY / "docker" / "mlflow" / "serve.py"
ADMIN, PIPELINES = ("admin", "admin-of-the-test"), ("xflow", "changed-since-then")
BEFORE = ("xflow", "password-of-before")
PUBLIC = {"/health", "/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info"}

# Every route of the server, with 1 for each part that varies.
ROUTES = """
import json, re, sys
from mlflow.server import app
from mlflow.server.auth import create_app
from mlflow.server.fastapi_app import create_fastapi_app

def walk(routes):
    for route in routes:
        if getattr(route, "methods", None):
            yield from ((method, re.sub("{[^}]*}", "1", route.path)) for method in route.methods)
        elif hasattr(route, "original_router"):
            yield from walk(route.original_router.routes)

found = set(walk(create_fastapi_app(app).routes))
for rule in app.url_map.iter_rules():
    found |= {(method, re.sub("<[^>]*>", "1", rule.rule)) for method in rule.methods}
json.dump(sorted(pair for pair in found if pair[0] not in ("HEAD", "OPTIONS")), sys.stdout)
"""


class Server:
    """An MLflow server on SQLite, in a folder of its own."""

    def __init__(self, home: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.home, self.pid = home, 0
        self.settings = home / "basic_auth.ini"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")} | {
            "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{home}/mlflow.db",
            "MLFLOW_ARTIFACTS_DESTINATION": str(home / "artifacts"),
            "MLFLOW_AUTH_CONFIG_PATH": str(self.settings),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "a secret of the test",
            "MLFLOW_HOST": "127.0.0.1",
            "MLFLOW_PORT": str(self.port),
            "MLFLOW_SERVER_ALLOWED_HOSTS": "127.0.0.1:*,mlflow:5000",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_WORKERS": "2",
        }
        self.serving = self.environment | {
            "XFLOW_MLFLOW_AUTH_DATABASE_URI": f"sqlite:///{home}/auth%20of.db",
            "MLFLOW_ADMIN_USERNAME": ADMIN[0],
            "MLFLOW_ADMIN_PASSWORD": ADMIN[1],
            "MLFLOW_TRACKING_USERNAME": PIPELINES[0],
            "MLFLOW_TRACKING_PASSWORD": PIPELINES[1],
        }

    def start(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        log = (self.home / "log").open("ab")
        with log:
            process = subprocess.Popen(command, env=environment, cwd=self.home, stdout=log, stderr=log)
        deadline = time.monotonic() + 180
        while self.ask("GET", "/health")[0] != 200:
            assert process.poll() is None, (self.home / "log").read_text()[-3000:]
            assert time.monotonic() < deadline, (self.home / "log").read_text()[-3000:]
            time.sleep(0.3)
        self.pid = process.pid
        return process

    def start_as_before(self) -> subprocess.Popen[bytes]:
        """Start it as older versions did: the pipelines' user is the administrator."""
        database = self.serving["XFLOW_MLFLOW_AUTH_DATABASE_URI"].replace("%", "%%")
        self.settings.write_text(f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {database}\n")
        account = {"MLFLOW_AUTH_ADMIN_USERNAME": BEFORE[0], "MLFLOW_AUTH_ADMIN_PASSWORD": BEFORE[1]}
        command = [str(Path(sys.executable).with_name("mlflow")), "server", "--app-name", "basic-auth"]
        return self.start(command, self.environment | account)

    def start_served(self) -> subprocess.Popen[bytes]:
        return self.start([sys.executable, str(SERVE)], self.serving)

    def ask(
        self, method: str, path: str, user: tuple[str, str] | None = None, host: str = "", **body: Any
    ) -> tuple[int, Any]:
        """Return the status, and what was answered when that is JSON."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        if method != "GET":
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if user:
            request.add_header("Authorization", "Basic " + base64.b64encode(":".join(user).encode()).decode())
        if host:
            request.add_header("Host", host)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text.startswith(b"{") else text
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except urllib.error.URLError:
            return 0, None

    def api(self, user: tuple[str, str], method: str, path: str, **body: Any) -> tuple[int, Any]:
        return self.ask(method, f"/api/2.0/mlflow/{path}", user, **body)


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(60)


@pytest.fixture(scope="module")
def made_before() -> dict[str, str]:
    """What the user of before made: filled by `server`."""
    return {}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, made_before: dict[str, str]) -> Iterator[Server]:
    """Yield a server of an older version after its upgrade."""
    made = Server(tmp_path_factory.mktemp("mlflow"))
    process = made.start_as_before()
    try:
        _, answer = made.api(BEFORE, "POST", "experiments/create", name="before")
        made_before["experiment_id"] = answer["experiment_id"]
        _, answer = made.api(BEFORE, "POST", "runs/create", experiment_id=answer["experiment_id"])
        made_before["run_id"] = answer["run"]["info"]["run_id"]
        made.api(BEFORE, "POST", "registered-models/create", name="before")
        assert made.api(BEFORE, "GET", "users/get?username=xflow")[1]["user"]["is_admin"]
    finally:
        end(process)
    process = made.start_served()
    yield made
    end(process)


def tree(pid: int) -> list[int]:
    """Return a process and those below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in tree(int(child)))]


def test_the_user_of_an_older_version_is_an_administrator_no_longer(server: Server) -> None:
    account = {"username": "more", "password": "a long password"}
    change = {"username": "xflow", "is_admin": True}
    assert server.api(PIPELINES, "GET", "users/get?username=admin")[0] == 403
    assert server.api(PIPELINES, "PATCH", "users/update-admin", **change)[0] == 403
    assert server.api(PIPELINES, "POST", "users/create", **account)[0] == 403
    assert server.api(ADMIN, "POST", "users/create", **account)[0] == 200


def test_it_keeps_what_it_made(server: Server, made_before: dict[str, str]) -> None:
    run_id, experiment_id = made_before["run_id"], made_before["experiment_id"]
    version = {"name": "before", "source": f"runs:/{run_id}/model", "run_id": run_id}
    for method, path, body in [
        ("POST", "runs/set-tag", {"run_id": run_id, "key": "a", "value": "b"}),
        ("POST", "runs/log-metric", {"run_id": run_id, "key": "m", "value": 1.0, "timestamp": 1}),
        ("POST", "runs/create", {"experiment_id": experiment_id}),
        ("POST", "model-versions/create", version),
        ("POST", "registered-models/alias", {"name": "before", "alias": "champion", "version": "1"}),
        ("POST", "model-versions/set-tag", {"name": "before", "version": "1", "key": "decision", "value": "yes"}),
        ("POST", "runs/delete", {"run_id": run_id}),
        ("POST", "runs/restore", {"run_id": run_id}),
    ]:
        assert server.api(PIPELINES, method, path, **body)[0] == 200, path


def test_it_makes_more_and_leaves_what_others_made(server: Server) -> None:
    status, answer = server.api(PIPELINES, "POST", "experiments/create", name="after")
    assert status == 200
    assert server.api(PIPELINES, "POST", "experiments/delete", experiment_id=answer["experiment_id"])[0] == 200
    _, answer = server.api(ADMIN, "POST", "experiments/create", name="of the administrator")
    theirs = answer["experiment_id"]
    assert server.api(PIPELINES, "GET", f"experiments/get?experiment_id={theirs}")[0] == 200
    assert server.api(PIPELINES, "POST", "experiments/delete", experiment_id=theirs)[0] == 403
    assert server.api(PIPELINES, "POST", "runs/create", experiment_id=theirs)[0] == 403


def test_a_changed_password_holds_from_the_next_start_on(server: Server) -> None:
    assert server.api(BEFORE, "GET", "experiments/get?experiment_id=0")[0] == 401
    assert server.api(PIPELINES, "GET", "experiments/get?experiment_id=0")[0] == 200


def test_nothing_is_told_without_a_password(server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ROUTES], env=server.environment, capture_output=True, text=True, check=True
    )
    routes = json.loads(done.stdout)
    assert len(routes) > 300
    # 404: a file of the page's own look that does not exist.
    answers = {(method, path): server.ask(method, path)[0] for method, path in routes}
    told = {path for (_, path), status in answers.items() if status != 401}
    assert told == PUBLIC | {"/static-files/1"}


def test_it_answers_to_its_own_names_only(server: Server) -> None:
    path = "/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert server.ask("GET", path, PIPELINES, host="mlflow:5000")[0] == 200
    assert server.ask("GET", path, PIPELINES, host="foreign.example")[0] == 403


def test_no_process_shows_a_secret_in_its_arguments_nor_hands_down_a_password(server: Server) -> None:
    processes = tree(server.pid)
    assert len(processes) > 3
    for pid in processes:
        arguments = Path(f"/proc/{pid}/cmdline").read_text()
        for secret in (ADMIN[1], PIPELINES[1], server.environment["MLFLOW_FLASK_SERVER_SECRET_KEY"]):
            assert secret not in arguments
    for pid in processes[1:]:
        variables = Path(f"/proc/{pid}/environ").read_text()
        assert ADMIN[1] not in variables
        assert PIPELINES[1] not in variables


def test_the_settings_are_for_the_server_alone(server: Server) -> None:
    assert server.settings.stat().st_mode & 0o777 == 0o600
    settings = configparser.ConfigParser()
    settings.read(server.settings)
    assert settings["mlflow"]["database_uri"] == server.serving["XFLOW_MLFLOW_AUTH_DATABASE_URI"]
    assert settings["mlflow"]["default_permission"] == "READ"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"MLFLOW_ADMIN_PASSWORD": ""}, "MLFLOW_ADMIN_PASSWORD is not set"),
        ({"MLFLOW_BACKEND_STORE_URI": ""}, "MLFLOW_BACKEND_STORE_URI is not set"),
        ({"MLFLOW_ADMIN_USERNAME": "xflow"}, "are both xflow"),
        ({"MLFLOW_TRACKING_PASSWORD": "short"}, "did not take the user xflow: Password must be"),
    ],
)
def test_it_says_what_is_wrong_and_does_not_start(tmp_path: Path, change: dict[str, str], said: str) -> None:
    environment = Server(tmp_path).serving | change
    done = subprocess.run(
        [sys.executable, SERVE], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 1
    assert said in done.stderr.splitlines()[-1]

"""A deployment from the command line and over REST, into a service that listens."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import uvicorn
import yaml
from mart_rows import EXACT
from typer.testing import CliRunner, Result

from small_models import small_pipeline
from xflow.cli import app
from xflow.errors import AccessDenied, ConfigInvalid, ModelMissing, ModelRefused, ServiceUnavailable
from xflow.refs import ModelVersionRef
from xflow.serving.app import create_app
from xflow.serving.server import made_service
from xflow.serving.service import Service
from xflow.serving_rest import ServingRest
from xflow.settings import ENVIRONMENT, ServingSettings, Settings

pytestmark = pytest.mark.services

KEY = "the administrator's"


class World:
    """A service, and the command line beside it."""

    def __init__(self, name: str, file: Path, service: Service, url: str, mart: str) -> None:
        self.name, self.file, self.service, self.mart = name, file, service, mart
        self.rest = ServingRest(url, KEY)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["deploy", self.name, *arguments])

    def ledger(self, run_id: str) -> dict[str, Any]:
        with psycopg2.connect(self.mart, options=EXACT) as connection, connection.cursor() as cursor:
            columns = "state, message, model_name, model_version, metrics"
            cursor.execute(f"SELECT {columns} FROM mart.run WHERE run_key = %s", [f"{self.name}/deploy/{run_id}"])
            (row,) = cursor.fetchall()
        connection.close()
        return dict(zip(columns.split(", "), row, strict=True))

    def limits(self, max_latency_ms: float = 600_000) -> None:
        """Write the pipeline's file; by default no load of the machine makes a version too slow."""
        serving = {"max_latency_ms": max_latency_ms}
        document = small_pipeline(self.name).model_dump(mode="json", exclude_defaults=True)
        self.file.write_text(yaml.safe_dump(document | {"serving": serving}))


@pytest.fixture(scope="module")
def world(
    stack: Settings, deployable: list[ModelVersionRef], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    name, folder = deployable[0].name, tmp_path_factory.mktemp("pipelines")
    settings = ServingSettings(
        host="127.0.0.1", port=0, home=tmp_path_factory.mktemp("serving"), greenplum_dsn=stack.greenplum_dsn,
        tarantool_uri=stack.tarantool_uri, mlflow_uri=stack.mlflow_uri, mlflow_username=stack.mlflow_username,
        mlflow_password=stack.mlflow_password, key_sha256=sha256(KEY.encode()).hexdigest(), board_password_sha256="0",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XFLOW_PIPELINES", str(folder))
        made = World(name, folder / f"{name}.yaml", None, "", stack.greenplum_dsn)
        made.limits()
        made.service = made_service(settings)
        with listening(made.service) as url:
            made.rest = ServingRest(url, KEY)
            for attribute, variable in ENVIRONMENT.items():
                patch.setenv(variable, getattr(stack, attribute))
            patch.setenv("XFLOW_SERVING_URL", url)
            patch.setenv("XFLOW_SERVING_KEY", KEY)
            yield made


@contextmanager
def listening(service: Service) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(service), log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def test_the_command_deploys_the_champion_and_the_ledger_says_how_fast_it_answers(world: World) -> None:
    done = world.run("--run-id", "first")
    assert done.exit_code == 0, done.output
    assert f"{world.name}: version 2 answers in place of none: 18 golden rows alike" in done.output
    row = world.ledger("first")
    assert (row["state"], row["model_name"], row["model_version"]) == ("success", world.name, "2")
    assert "version 2 answers in place of none" in row["message"]
    metrics = row["metrics"] if isinstance(row["metrics"], dict) else json.loads(row["metrics"])
    assert 0 < metrics[f"{world.name}_p50_ms"] <= metrics[f"{world.name}_p99_ms"]
    again = world.run("--run-id", "first")  # repeated, it changes nothing
    assert "version 2 answers already" in again.output
    listed = world.rest.call("GET", "/v1/models")["models"]
    assert listed == [world.rest.call("GET", f"/v1/models/{world.name}")]
    assert (listed[0]["version"], listed[0]["last"]["outcome"]) == ("2", "unchanged")


def test_a_named_version_answers_until_the_champion_is_deployed_again(world: World) -> None:
    assert "version 1 answers in place of" in world.run("--version", "1").output
    assert "version 2 answers in place of 1" in world.run("--version", "@champion").output
    assert world.rest.deploy(world.name, "")["outcome"] == "unchanged"


def test_the_service_follows_what_is_decided_on_the_command_line(
    world: World, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.rest.deploy(world.name, "2")
    decide = [world.name, "--reason", "it must not serve"]
    promoted = CliRunner().invoke(app, ["promote", *decide, "--to", "1"])
    assert (promoted.exit_code, world.rest.call("GET", f"/v1/models/{world.name}")["version"]) == (0, "1")
    assert "version 1 answers in place of 2" in promoted.output
    monkeypatch.setenv("XFLOW_SERVING_URL", f"http://127.0.0.1:{closed_port}")
    back = CliRunner().invoke(app, ["rollback", *decide])
    assert back.exit_code == 0, "the decision stands"
    assert f"does not answer with it yet: prediction service at http://127.0.0.1:{closed_port}" in back.output
    assert f"xflow deploy {world.name}" in back.output
    assert world.rest.deploy(world.name, "")["version"] == "2"


def test_a_refused_version_fails_the_run_and_the_old_one_answers_on(world: World) -> None:
    world.rest.deploy(world.name, "2")
    world.limits(max_latency_ms=0.001)  # the service reads the file again
    try:
        done = world.run("--version", "1", "--run-id", "slow")
        with pytest.raises(ModelRefused, match=r"409: .*max_latency_ms.*what is in service stays"):
            world.rest.deploy(world.name, "1")
    finally:
        world.limits()
    assert done.exit_code == 1
    assert "ModelRefused" in done.output
    assert world.rest.call("GET", f"/v1/models/{world.name}")["version"] == "2"
    row = world.ledger("slow")
    assert row["state"] == "failed"
    assert "max_latency_ms" in row["message"]


def test_errors_say_what_and_no_address_of_the_stack(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    url = world.rest.url
    for name, version, error in (
        ("nobodys", "1", ModelMissing),
        (world.name, "99", ModelMissing),
        (world.name, "latest", ConfigInvalid),
    ):
        with pytest.raises(error) as said:
            world.rest.deploy(name, version)
        assert "MLflow at" not in str(said.value)
    with pytest.raises(AccessDenied, match="401"):
        ServingRest(url, "another").call("GET", "/v1/models")
    monkeypatch.setattr(world.service.deployments, "_wanted", _down)
    with pytest.raises(ServiceUnavailable, match="503: MLflow does not answer"):
        world.rest.deploy(world.name, "1")


def _down(*_: object) -> None:
    raise ServiceUnavailable("MLflow at http://mlflow:5000 does not answer")


def test_a_service_that_is_down_can_be_retried(closed_port: int) -> None:
    with pytest.raises(ServiceUnavailable, match=f"{closed_port} does not answer"):
        ServingRest(f"http://127.0.0.1:{closed_port}", KEY).call("GET", "/v1/models")


def test_a_stack_without_a_service_says_what_to_set(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XFLOW_SERVING_URL", "")
    done = world.run("--run-id", "nowhere")
    assert done.exit_code == 1
    assert "XFLOW_SERVING_URL" in done.output

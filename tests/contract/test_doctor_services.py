"""The doctor at real services: well, with wrong passwords, at closed ports, and at a port that never answers."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import psycopg2
import pytest

from xflow import doctor
from xflow.doctor_broker import examine_broker
from xflow.doctor_probe import Service, State, passwords_in, side_by_side
from xflow.errors import AccessDenied
from xflow.settings import AIRFLOW, ENVIRONMENT, OPTIONAL, AirflowSettings, Settings

pytestmark = pytest.mark.services

NO_AIRFLOW = AirflowSettings("", "", "", "")
STORES = ["S3", "Greenplum", "Tarantool", "MLflow"]


def examined(settings: Settings, airflow: AirflowSettings = NO_AIRFLOW) -> dict[str, Service]:
    hidden = doctor.secrets(settings, airflow)
    return {each.name: each for each in side_by_side(doctor.probes(settings, airflow), hidden)}


def states(found: dict[str, Service]) -> dict[str, State]:
    return {name: each.state for name, each in found.items()}


def elsewhere(settings: Settings, port: int) -> Settings:
    """Return settings with every service at one port."""

    def moved(url: str) -> str:
        return url.replace(f":{urlsplit(url).port}", f":{port}")

    return replace(
        settings,
        serving_url=moved("http://127.0.0.1:1"),
        s3_endpoint=moved(settings.s3_endpoint),
        greenplum_dsn=moved(settings.greenplum_dsn),
        tarantool_uri=moved(settings.tarantool_uri),
        mlflow_uri=moved(settings.mlflow_uri),
    )


def at(port: int) -> AirflowSettings:
    return AirflowSettings(f"http://127.0.0.1:{port}", "admin", "hush", f"redis://:hush@127.0.0.1:{port}/0")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def environment(stack: Settings, tmp_path: Path) -> dict[str, str]:
    """The variables of the stack alone, for a process."""
    ours = {*ENVIRONMENT.values(), *OPTIONAL.values(), *AIRFLOW.values()}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {
        **kept,
        "XFLOW_ENV_FILE": str(tmp_path / "absent"),
        **{name: getattr(stack, attribute) for attribute, name in ENVIRONMENT.items()},
    }


@pytest.fixture(scope="module")
def stack(stack: Settings) -> Settings:
    """The stores and MLflow alone."""
    return replace(stack, serving_url="", serving_key="")


def run_doctor(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xflow.cli", "doctor", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def secrets_of(settings: Settings) -> set[str]:
    hidden = {settings.s3_secret_key, settings.mlflow_password}
    return hidden | passwords_in(settings.greenplum_dsn) | passwords_in(settings.tarantool_uri)


def test_a_stack_that_is_well(stack: Settings, environment: dict[str, str]) -> None:
    done = run_doctor(environment, "--json")
    found = json.loads(done.stdout)
    assert (found["problems"], found["ok"], done.returncode) == ([], True, 0)
    assert [each["name"] for each in found["services"]] == STORES
    versions = [each["version"].split()[0] for each in found["services"]]
    assert versions in (["SeaweedFS", server, "Tarantool", "MLflow"] for server in ("PostgreSQL", "Greenplum"))
    for each in found["services"]:
        assert 0 < each["round_trip_ms"]["median"] <= each["round_trip_ms"]["max"] < 5000
    text = run_doctor(environment)
    assert text.returncode == 0
    assert "all is well" in text.stdout
    secrets = secrets_of(stack)
    assert len(secrets) == 4
    assert not [each for each in secrets if each in done.stdout + done.stderr + text.stdout + text.stderr]


def test_nothing_is_left_on_s3(stack: Settings) -> None:
    assert states(examined(stack))["S3"] is State.OK
    client = boto3.client(
        "s3",
        endpoint_url=stack.s3_endpoint,
        aws_access_key_id=stack.s3_access_key,
        aws_secret_access_key=stack.s3_secret_key,
        region_name="us-east-1",
    )
    assert client.list_objects_v2(Bucket=stack.s3_bucket, Prefix="doctor/")["KeyCount"] == 0


@pytest.mark.parametrize("broken", STORES)
def test_a_wrong_password_is_refused_and_hides_no_other_service(stack: Settings, broken: str) -> None:
    def wrong(url: str) -> str:
        return url.replace(f":{urlsplit(url).password}@", ":hush@")

    changes = {
        "S3": {"s3_secret_key": "hush"},
        "Greenplum": {"greenplum_dsn": wrong(stack.greenplum_dsn)},
        "Tarantool": {"tarantool_uri": wrong(stack.tarantool_uri)},
        "MLflow": {"mlflow_password": "hush"},
    }
    found = examined(replace(stack, **changes[broken]))
    assert states(found) == {name: State.REFUSED if name == broken else State.OK for name in STORES}
    assert "Check" in found[broken].reason
    assert "hush" not in found[broken].reason


def test_a_refused_password_ends_in_exit_code_1(environment: dict[str, str]) -> None:
    done = run_doctor({**environment, "MLFLOW_TRACKING_PASSWORD": "hush-hush"}, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["ok"]) == (1, False)
    assert [each["state"] for each in found["services"]] == ["ok", "ok", "ok", "refused"]
    assert found["problems"] == [f"MLflow refused: {found['services'][3]['reason']}"]
    assert "hush-hush" not in done.stdout + done.stderr


def test_closed_ports_are_unreachable(stack: Settings, closed_port: int) -> None:
    found = examined(elsewhere(stack, closed_port), at(closed_port))
    assert states(found) == dict.fromkeys([*STORES, "Serving", "Airflow", "Celery broker"], State.UNREACHABLE)
    for each in found.values():
        assert "./start.sh status" in each.reason
        assert str(closed_port) in each.address


def test_a_port_that_never_answers_is_unreachable_in_time(stack: Settings, silent_port: int) -> None:
    found = examined(elsewhere(stack, silent_port), at(silent_port))  # that it returns is the point
    assert states(found) == dict.fromkeys([*STORES, "Serving", "Airflow", "Celery broker"], State.UNREACHABLE)
    assert all(each.reason for each in found.values())


@pytest.mark.parametrize(
    ("broken", "change", "advice"),
    [
        ("S3", {"s3_endpoint": "nonsense"}, "http://host:port"),
        ("Greenplum", {"greenplum_dsn": "nonsense"}, "postgresql://user:password@host"),
        ("Tarantool", {"tarantool_uri": "tarantool://xflow:hush@host:port"}, "tarantool://user:password@host"),
        ("MLflow", {"mlflow_uri": "nonsense"}, "http://host:port"),
    ],
)
def test_what_is_set_wrong_is_told_from_what_is_down(stack: Settings, broken, change, advice) -> None:
    found = examined(replace(stack, **change))
    assert states(found) == {name: State.FAULTY if name == broken else State.OK for name in STORES}
    assert advice in found[broken].reason


def test_an_address_of_another_server_is_faulty(stack: Settings) -> None:
    found = examined(replace(stack, mlflow_uri=stack.s3_endpoint))
    assert found["MLflow"].state is not State.OK


def test_a_bucket_that_the_key_may_not_use_is_refused(stack: Settings) -> None:
    """As one that is not there: a key of one bucket learns nothing of others."""
    found = examined(replace(stack, s3_bucket="no-such-bucket"))["S3"]
    assert found.state is State.REFUSED
    assert "no-such-bucket" in found.reason


def test_a_role_that_may_not_create_in_the_mart_is_told(stack: Settings) -> None:
    with closing(psycopg2.connect(stack.greenplum_dsn)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        assert examined(stack)["Greenplum"].details["create"] == "may create in SCHEMA mart"
        cursor.execute("REVOKE CREATE ON SCHEMA mart FROM xflow")
        try:
            found = examined(stack)["Greenplum"]
        finally:
            cursor.execute("GRANT CREATE ON SCHEMA mart TO xflow")
    assert found.state is State.FAULTY
    assert found.reason.endswith("GRANT CREATE ON SCHEMA mart TO xflow")


@pytest.fixture
def broker(tmp_path: Path, closed_port: int) -> Iterator[str]:
    """A Redis with a password of its own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on this machine; the stack in containers has one")
    (tmp_path / "redis.conf").write_text(f"bind 127.0.0.1\nport {closed_port}\nrequirepass secret\nsave ''\n")
    process = subprocess.Popen([program, tmp_path / "redis.conf"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        for _ in range(2400):
            with socket.socket() as line:
                if line.connect_ex(("127.0.0.1", closed_port)) == 0:
                    break
            time.sleep(0.05)
        yield f"redis://:secret@127.0.0.1:{closed_port}/0"
    finally:
        process.terminate()
        process.wait()


def test_workers_answer_with_their_queues(broker: str, tmp_path: Path) -> None:
    settings = AirflowSettings("", "", "", broker)
    assert "no worker answers" in examine_broker(settings).trouble
    command = [sys.executable, "-m", "celery", "-b", broker, "worker", "-Q", "default,gpu", "-P", "solo"]
    worker = subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 300
        while (seen := examine_broker(settings)).trouble and time.monotonic() < until:
            assert worker.poll() is None
    finally:
        worker.terminate()
        worker.wait()
    assert list(seen.details["workers"].values()) == [["default", "gpu"]]
    assert seen.version.startswith("Redis ")


def test_a_broker_refuses_a_wrong_password(broker: str) -> None:
    with pytest.raises(AccessDenied, match="AIRFLOW__CELERY__BROKER_URL"):
        examine_broker(AirflowSettings("", "", "", broker.replace("secret", "wrong")))

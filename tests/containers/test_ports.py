"""Every port that another container can reach asks for credentials."""

import json
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

LOOPBACK = ("0100007F", "0B00007F", "00000000000000000000000001000000")
PROBES = Path(__file__).with_name("probes.py")


def listening(containers, service: str) -> set[int]:
    """Return the ports of a service on which something listens for other containers, from its kernel's tables."""
    tables = containers.execute(service, "cat", "/proc/net/tcp", "/proc/net/tcp6")
    found = set()
    for row in tables.splitlines():
        fields = row.split()
        if len(fields) > 3 and fields[3] == "0A":
            address, _, port = fields[1].partition(":")
            if address not in LOOPBACK:
                found.add(int(port, 16))
    return found


def stranger(containers, *places: str) -> dict[str, str]:
    """Probe places from a container of the network that was given no password."""
    command = ["docker", "run", "--rm", "-i", "--network", f"{containers.project}_xflow", containers.image("airflow")]
    done = subprocess.run(
        [*command, "python", "-", *places], input=PROBES.read_text(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_port_refuses_a_stranger(containers):
    places = [f"{service}:{port}" for service in containers.services for port in sorted(listening(containers, service))]
    assert {"postgres:5432", "redis:6379", "greenplum:5432", "tarantool:3301", "s3:8333"} <= set(places)
    assert {"mlflow:5000", "api-server:8080", "serving:8000"} <= set(places)
    answers = stranger(containers, *places)
    assert {place: said for place, said in answers.items() if not said.startswith("refused: ")} == {}


def test_published_ports_are_on_loopback_alone(containers):
    published = {
        binding["HostIp"]
        for each in containers.running()
        for bindings in each["NetworkSettings"]["Ports"].values()
        for binding in bindings or []
    }
    assert published == {"127.0.0.1"}


def test_the_right_credentials_are_let_in(containers):
    """Refusals would prove nothing of services that refuse everybody."""
    done = containers.start_sh("xflow", "doctor", "--json")
    states = {service["name"]: service["state"] for service in json.loads(done.stdout)["services"]}
    assert set(states.values()) == {"ok"}, states


def test_no_password_is_an_argument_or_in_a_log(containers):
    secrets = {
        value
        for name, value in containers.environment.items()
        if ("PASSWORD" in name or "SECRET" in name or "KEY" in name) and len(value) > 15
    }
    assert len(secrets) > 15
    for each in containers.all():
        service = each["Config"]["Labels"]["com.docker.compose.service"]
        log = subprocess.run(["docker", "logs", each["Id"]], capture_output=True, text=True, check=True)
        processes = containers.docker("top", each["Id"], "-eo", "pid,args") if each["State"]["Running"] else ""
        shown = [secret for secret in secrets if secret in log.stdout + log.stderr + processes]
        assert not shown, f"{service} shows {len(shown)} secrets"


def test_containers_do_not_run_as_root_where_they_are_ours(containers):
    for service in ("api-server", "scheduler", "dag-processor", "triggerer", "worker", "mlflow", "serving"):
        assert containers.execute(service, "id", "-u").strip() != "0"


def test_a_worker_knows_nothing_that_makes_an_administrator(containers):
    """What a task can read, anybody who may change a DAG can."""
    names = ("AIRFLOW_PASSWORD", "XFLOW_AIRFLOW_JWT_SECRET", "XFLOW_AIRFLOW_API_SECRET", "XFLOW_AIRFLOW_FERNET_KEY")
    names += ("XFLOW_GREENPLUM_PASSWORD", "XFLOW_POSTGRES_PASSWORD", "MLFLOW_ADMIN_PASSWORD")
    names += ("XFLOW_SERVING_KEY", "XFLOW_BOARD_PASSWORD")
    secrets = {containers.environment[name] for name in names}
    for worker in containers.running("worker"):
        assert [name for name in worker["Config"]["Env"] if name.partition("=")[2] in secrets] == []


def test_the_prediction_service_is_told_no_password_that_people_or_loaders_use(containers):
    kept = ("XFLOW_SERVING_DB_PASSWORD", "XFLOW_TARANTOOL_PASSWORD", "MLFLOW_TRACKING_PASSWORD")
    secrets = [
        value
        for name, value in containers.environment.items()
        if name.endswith(("PASSWORD", "SECRET", "KEY")) and name not in kept and len(value) > 15
    ]
    assert len(secrets) > 15
    (serving,) = containers.running("serving")
    assert [line.partition("=")[0] for line in serving["Config"]["Env"] if any(s in line for s in secrets)] == []

"""What the doctor says of services that answer or do not, and of settings that are missing; no service is needed."""

import io
import json
import os
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from xflow import cli, doctor
from xflow.doctor_broker import examine_broker, unserved
from xflow.doctor_probe import Probe, Seen, State, address_of, passwords_in, redacted, side_by_side
from xflow.doctor_stores import database_version
from xflow.doctor_web import examine_airflow, heartbeats, refusals, waits
from xflow.errors import AccessDenied, ConfigInvalid, ServiceUnavailable
from xflow.settings import AIRFLOW, ENVIRONMENT, AirflowSettings


def raising(error: Exception):
    def examine() -> Seen:
        raise error

    return examine


def test_one_service_hides_no_other_and_none_takes_longer_than_all_may():
    forever = threading.Event()
    probes = [
        Probe("stuck", "a:1", lambda: Seen("", [float(forever.wait())])),
        Probe("fine", "a:2", lambda: Seen("Fine 1.0", [3.0, 1.0, 2.0])),
        Probe("denied", "a:3", raising(AccessDenied("wrong\n password"))),
        Probe("down", "a:4", raising(ServiceUnavailable("no answer"))),
        Probe("malformed", "a:5", raising(ConfigInvalid("no such bucket"))),
        Probe("unforeseen", "a:6", raising(KeyError("hush"))),
        Probe("ailing", "a:7", lambda: Seen("Ailing 1.0", [1.0], trouble="half of it is down")),
    ]
    found = side_by_side(probes, ["hush"], seconds=0.5)  # that it returns is the point: one probe never does
    forever.set()
    assert [each.name for each in found] == [each.name for each in probes]
    states = [State.UNREACHABLE, State.OK, State.REFUSED, State.UNREACHABLE, *[State.FAULTY] * 3]
    assert [each.state for each in found] == states
    assert "did not answer all of 0.5 s" in found[0].reason
    assert found[1].round_trip_ms == {"median": 2.0, "max": 3.0}
    assert [each.reason for each in found[2:5]] == ["wrong password", "no answer", "no such bucket"]
    assert found[5].reason == "KeyError: '***'"
    assert (found[6].version, found[6].reason) == ("Ailing 1.0", "half of it is down")


def test_a_store_outside_the_stack_is_said_to_be_there():
    addresses = dict.fromkeys(ENVIRONMENT.values(), "http://127.0.0.1:1")
    found = doctor.examine({**addresses, "XFLOW_EXTERNAL_STORES": "s3,tarantool"}, seconds=0.01)
    details = {each["name"]: each["details"] for each in found["services"]}
    outside = {"place": "outside the stack"}
    assert details == {"S3": outside, "Greenplum": {}, "Tarantool": outside, "MLflow": {}}


def test_addresses_and_secrets():
    url = "postgresql://xflow:p%40ss@db.example:5432/xflow"
    assert address_of(url) == "db.example:5432/xflow"
    assert passwords_in(url) == {"p%40ss", "p@ss"}
    assert passwords_in("redis://127.0.0.1:6379/0") == set()
    assert redacted("p@ss and p@ss2 but not pass", ["p@ss", "", "p@ss2"]) == "*** and *** but not pass"


def test_versions_of_databases():
    greenplum = (
        "PostgreSQL 12.12 (Greenplum Database 7.1.0 build commit:e7c2b1f14bb42a1018ac57d14f4436880e0a0515) "
        "on x86_64-pc-linux-gnu, compiled by gcc"
    )
    assert database_version(greenplum) == "Greenplum 7.1.0"
    assert database_version("PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64") == "PostgreSQL 15.18"


# An answer of Airflow 3.3.2 whose scheduler was killed, and that never had a triggerer.
HEALTH = {
    "metadatabase": {"status": "healthy"},
    "scheduler": {"status": "unhealthy", "latest_scheduler_heartbeat": "2026-11-21T16:33:47.642841+00:00"},
    "triggerer": {"status": None, "latest_triggerer_heartbeat": None},
    "dag_processor": {"status": "healthy", "latest_dag_processor_heartbeat": "2026-11-21T16:33:58.941335+00:00"},
}


def test_heartbeats():
    assert heartbeats(HEALTH, datetime(2026, 11, 21, 16, 34, 0, tzinfo=UTC)) == {
        "metadatabase": "healthy",
        "scheduler": "unhealthy, heartbeat 12 s ago",
        "triggerer": "never started",
        "dag_processor": "healthy, heartbeat 1 s ago",
    }


class AirflowAnswers(BaseHTTPRequestHandler):
    """Answers as Airflow's api-server does."""

    def do_GET(self):
        self._answer(200, {"version": "3.3.2"} if self.path.endswith("/version") else HEALTH)

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        right = given == {"username": "admin", "password": "right"}
        self._answer(*(201, {"access_token": "t"}) if right else (401, {"detail": "Invalid credentials"}))

    def _answer(self, code, body):
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def airflow_url():
    with ThreadingHTTPServer(("127.0.0.1", 0), AirflowAnswers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_an_airflow_without_scheduler_is_faulty(airflow_url):
    seen = examine_airflow(AirflowSettings(airflow_url, "admin", "right", ""))
    assert (seen.version, seen.details["signed in"], len(seen.milliseconds)) == ("Airflow 3.3.2", "as admin", 5)
    assert seen.trouble.startswith("scheduler unhealthy, heartbeat ")
    assert "triggerer never started" in seen.trouble
    assert "dag_processor" not in seen.trouble


def test_a_wrong_password_of_airflow_is_refused(airflow_url):
    with pytest.raises(AccessDenied, match=r"Invalid credentials.*AIRFLOW_PASSWORD"):
        examine_airflow(AirflowSettings(airflow_url, "admin", "wrong", ""))


@pytest.mark.parametrize("url", ["bogus://user:hush@host", "redis://:hush@host:port/0"])
def test_a_wrong_address_of_the_broker_is_told_without_its_password(url):
    with pytest.raises(ConfigInvalid, match="must look like") as caught:
        examine_broker(AirflowSettings("", "", "", url))
    assert "hush" not in str(caught.value)


def test_every_queue_needs_a_worker():
    assert "no worker answers" in unserved({})
    assert "queue gpu," in unserved({"one": ["default"]})
    assert unserved({"one": ["default"], "two": ["gpu"]}) == ""


@pytest.fixture
def no_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("XFLOW_ENV_FILE", str(tmp_path / "absent"))
    for name in (*ENVIRONMENT.values(), *AIRFLOW.values()):
        monkeypatch.delenv(name, raising=False)
    roomy = SimpleNamespace(total=100 * 2**30, free=50 * 2**30)
    monkeypatch.setattr("shutil.disk_usage", lambda path: roomy)


def test_without_settings_machine_and_versions_are_told_all_the_same(no_settings):
    done = CliRunner().invoke(cli.app, ["doctor", "--json"])
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert (found["ok"], found["services"]) == (False, [])
    assert all(name in found["problems"][0] for name in ENVIRONMENT.values())
    assert found["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert found["machine"]["memory_bytes"] > 2**28
    assert found["machine"]["disk_free_bytes"] == 50 * 2**30
    assert all(found["packages"].values())
    assert found["gpu"]["xgboost"]["version"] == found["packages"]["xgboost"]
    assert found["gpu"]["device_auto"] in {"cpu", "cuda"}


def test_what_is_missing_is_told_in_a_log_without_a_terminal(no_settings):
    done = CliRunner().invoke(cli.app, ["doctor"])
    assert done.exit_code == 1
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert all(name in done.stdout for name in (*ENVIRONMENT.values(), "device: auto", "apache-airflow", "1 problem"))


@pytest.mark.parametrize(
    ("total", "free", "short"),
    [(100, 4, True), (100, 6, False), (4000, 30, True), (4000, 100, False)],
)
def test_a_disk_that_is_nearly_full_is_a_problem(no_settings, total, free, short):
    found = doctor.examine({}) | {"settings": "complete"}
    found["machine"] |= {"disk_bytes": total * 2**30, "disk_free_bytes": free * 2**30}
    told = [line for line in doctor.problems(found) if line.startswith("disk: ")]
    assert bool(told) == short
    assert all(f"{free}.0 GiB free of {total}.0 GiB" in line for line in told)


def test_no_reason_is_cut(no_settings):
    found = doctor.examine({})
    reason = f"no answer ({'x' * 300}). [bold]Is it running?[/]"
    found["services"] = [
        {
            "name": "S3", "address": "host.of.a.long.name.example:18333", "state": "unreachable", "version": "",
            "round_trip_ms": None, "details": {"a": "b" * 100}, "reason": reason,
        }
    ]  # fmt: skip
    found["problems"] = list(doctor.problems(found))
    written = io.StringIO()
    doctor.show(found, Console(file=written, width=80, highlight=False))
    assert max(map(len, written.getvalue().splitlines())) <= 80
    assert "".join(reason.split()) in "".join(written.getvalue().split())
    assert "2 problems" in written.getvalue()


def test_a_version_that_was_to_answer_and_does_not_is_named_with_the_reason():
    def state(name: str, version: str, outcome: str, reason: str = "") -> dict:
        return {"name": name, "last": {"version": version, "outcome": outcome, "reason": reason, "at": "..."}}

    states = [
        state("a", "7", "deployed"),
        state("b", "8", "refused", "a golden row differs"),
        state("c", "", "failed", "no answer"),
        {"name": "d", "last": None},
    ]
    assert refusals(states) == [
        "b version 8 refused: a golden row differs",
        "c version of the champion failed: no answer",
    ]


def test_a_service_that_loads_its_models_says_what_it_waits_for():
    assert waits({"waiting_for": []}) == []
    (said,) = waits({"waiting_for": ["a", "b"]})
    assert "waits for a, b" in said

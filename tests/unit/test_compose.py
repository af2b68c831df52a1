"""docker-compose.yml: valid for both Compose versions, and what every service of it must have."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from check_jsonschema.cli.main_command import main as check_jsonschema
from click.testing import CliRunner

from xflow.settings import REPOSITORY, SERVING

FILES = [REPOSITORY / "docker-compose.yml", *sorted((REPOSITORY / "docker").glob("compose.*.yml"))]
COMPOSE = yaml.safe_load(FILES[0].read_text())
SERVICES: dict[str, dict] = COMPOSE["services"]
ONE_SHOT = {"preflight", "airflow-init"}
NEEDED = {
    *("postgres", "redis", "greenplum", "tarantool", "s3", "mlflow", "airflow-init", "api-server", "scheduler"),
    *("dag-processor", "triggerer", "worker", "worker-gpu", "serving"),
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_files_are_valid_for_compose_v2(path: Path) -> None:
    """By the schema of the Compose specification, which Compose v2 applies."""
    done = CliRunner().invoke(check_jsonschema, ["--builtin-schema", "vendor.compose-spec", str(path)])
    assert done.exit_code == 0, done.output


def test_a_wrong_file_is_not_valid(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yml"
    wrong.write_text("services: {postgres: {image: postgres:16, heathcheck: {}}}")
    assert CliRunner().invoke(check_jsonschema, ["--builtin-schema", "vendor.compose-spec", str(wrong)]).exit_code


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose 1.29 is not installed here")
@pytest.mark.parametrize("overlay", ["compose.development.yml", "compose.git.yml", None])
def test_docker_compose_reads_the_files(tmp_path: Path, overlay: str | None) -> None:
    files = ["docker-compose.yml", *([f"docker/{overlay}"] if overlay else [])]
    done = run_compose(tmp_path, files, "config", "--services")
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) >= NEEDED


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose 1.29 is not installed here")
def test_without_passwords_nothing_starts(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    command = ["docker-compose", "--env-file", str(tmp_path / "empty"), "config"]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]}
    )
    assert done.returncode
    assert "run ./start.sh env first" in done.stderr


def run_compose(home: Path, files: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "XFLOW_HOME": str(home), "XFLOW_ENV_FILE": str(home / "env")}
    subprocess.run([REPOSITORY / "start.sh", "env", "--native"], env=environment, check=True, capture_output=True)
    environment |= {"COMPOSE_FILE": ":".join(files), "XFLOW_DAGS_REPOSITORY": "file:///dags.git"}
    command = ["docker-compose", "--env-file", str(home / "env"), *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def test_every_service_is_there() -> None:
    assert set(SERVICES) == NEEDED | {"preflight"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_watched_and_bounded(name: str) -> None:
    service = SERVICES[name]
    tag = service["image"].partition(":")[2]
    assert re.match(r"\d+[\d.]*(-bookworm|-\$\{COMPOSE_PROJECT_NAME.*\})?$", tag), "an exact tag, or this clone's own"
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert service["mem_limit"]
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert ("healthcheck" in service) != (name in ONE_SHOT)
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
    assert service["networks"] == ["xflow"]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"preflight"}))
def test_a_service_waits_for_what_it_needs(name: str) -> None:
    conditions = {needed: each["condition"] for needed, each in SERVICES[name]["depends_on"].items()}
    assert conditions
    for needed, condition in conditions.items():
        assert condition == ("service_completed_successfully" if needed in ONE_SHOT else "service_healthy")


def test_a_one_shot_is_waited_for_so_that_up_wait_ends() -> None:
    """Compose v2 takes the clean end of a one shot for a failure unless a service waits for it to complete."""
    awaited = {needed for service in SERVICES.values() for needed in service.get("depends_on", {})}
    assert awaited >= ONE_SHOT


SECRETS = list(SERVICES["preflight"]["environment"])


@pytest.mark.parametrize(
    "bad", ["", "abc123", "changeme-changeme-changeme", "with space in a password", "MyPassword1234567"]
)
def test_preflight_refuses_what_can_be_guessed(bad: str) -> None:
    good = {name: f"{number:02d}kJ8vQ2xLw9ZtR4mNb7" for number, name in enumerate(SECRETS)}
    assert preflight(good).returncode == 0
    done = preflight({**good, "AIRFLOW_PASSWORD": bad})
    assert done.returncode == 1
    assert "AIRFLOW_PASSWORD" in done.stderr
    assert not bad or bad not in done.stderr


def test_preflight_refuses_one_password_for_two() -> None:
    good = {name: f"{number:02d}kJ8vQ2xLw9ZtR4mNb7" for number, name in enumerate(SECRETS)}
    done = preflight({**good, "AIRFLOW_PASSWORD": good["AWS_ACCESS_KEY_ID"]})
    assert (done.returncode, "AIRFLOW_PASSWORD" in done.stderr) == (1, True)


def preflight(secrets: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["sh", REPOSITORY / "docker" / "check_secrets.sh"]
    return subprocess.run(
        command, env={"PATH": os.environ["PATH"], **secrets}, capture_output=True, text=True, check=False
    )


def test_every_secret_that_is_made_is_checked() -> None:
    """The list stands in three files, of which two run where the third is not."""
    made = re.search(r'readonly SECRETS="([^"]+)"', (REPOSITORY / "scripts" / "environment.sh").read_text())
    checked = re.search(r"names='([^']+)'", (REPOSITORY / "docker" / "check_secrets.sh").read_text())
    assert made
    assert checked
    assert set(made[1].split()) == set(checked[1].split()) == set(SECRETS)


def test_the_prediction_service_is_told_no_key_but_hashes() -> None:
    told = str(SERVICES["serving"]["environment"])
    assert "${XFLOW_SERVING_KEY_SHA256:?" in told
    for secret in ("XFLOW_SERVING_KEY", "XFLOW_BOARD_PASSWORD", "XFLOW_MART_PASSWORD", "XFLOW_AIRFLOW_JWT_SECRET"):
        assert f"${{{secret}}}" not in told
        assert f"${{{secret}:" not in told
    assert "env_file" not in SERVICES["serving"]


def test_the_prediction_service_ends_before_the_mart() -> None:
    """Compose's order of stopping is that of what runs and depends directly."""
    assert "greenplum" in SERVICES["serving"]["depends_on"]
    grace = int(SERVICES["serving"]["stop_grace_period"].removesuffix("s"))
    assert grace > 30, "that of requests, and time for the log"


def test_the_prediction_service_is_told_every_setting_in_both_stacks() -> None:
    """Natively limits and proxies are a person's own lines of .env, which every server sees."""
    told = SERVICES["serving"]["environment"]
    assert [name for name in SERVING.values() if name not in told] == []
    native = (REPOSITORY / "scripts" / "native" / "serving.sh").read_text()
    own = [name for name in SERVING.values() if any(part in name for part in ("_MOST_", "_LOG_", "_PROXIES"))]
    assert [name for name in SERVING.values() if name not in native] == own
    example = (REPOSITORY / ".env.example").read_text()
    assert [name for name in SERVING.values() if f"\n{name}=" not in example] == []

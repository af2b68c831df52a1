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


def composes() -> list[pytest.param]:
    """Compose v2, which is the plugin of the client, and docker-compose 1.29."""
    plugin = ["docker", "compose"]
    has_plugin = shutil.which("docker") and not subprocess.call(
        [*plugin, "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return [
        pytest.param(command, id=name, marks=pytest.mark.skipif(not there, reason=f"{name} is not installed here"))
        for name, command, there in (
            ("v2", plugin, has_plugin),
            ("1.29", ["docker-compose"], shutil.which("docker-compose")),
        )
    ]


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .env as start.sh writes it."""
    home = tmp_path_factory.mktemp("env")
    environment = {"PATH": os.environ["PATH"], "XFLOW_HOME": str(home), "XFLOW_ENV_FILE": str(home / "env")}
    subprocess.run([REPOSITORY / "start.sh", "env", "--native"], env=environment, check=True, capture_output=True)
    return home / "env"


def run_compose(command: list[str], env: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | variables
    return subprocess.run(
        [*command, "--env-file", str(env), *arguments],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("profiles", ["", "gpu"])
@pytest.mark.parametrize("overlays", [(), ("development",), ("git",)], ids=["baked", "development", "git"])
@pytest.mark.parametrize("command", composes())
def test_every_combination_that_is_named_is_read(
    command: list[str], env: Path, overlays: tuple[str, ...], profiles: str
) -> None:
    """Files are merged before they are judged: each may be valid alone and both together not."""
    files = ":".join(["docker-compose.yml", *(f"docker/compose.{name}.yml" for name in overlays)])
    variables = {"COMPOSE_FILE": files, "COMPOSE_PROFILES": profiles, "XFLOW_DAGS_REPOSITORY": "file:///dags.git"}
    done = run_compose(command, env, "config", "--services", **variables)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) | {"worker-gpu"} == NEEDED | {"preflight"}


@pytest.mark.parametrize("command", composes())
def test_without_passwords_nothing_starts(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    done = run_compose(command, tmp_path / "empty", "config")
    assert done.returncode
    assert "run ./start.sh env first" in done.stderr


def empty_lists(part: object, path: str = "") -> list[str]:
    """Return where a document has a list without entries."""
    if isinstance(part, dict):
        return [found for name, each in part.items() for found in empty_lists(each, f"{path}/{name}")]
    if isinstance(part, list):
        return [found for each in part for found in empty_lists(each, path)] if part else [path]
    return []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_list_is_empty(path: Path) -> None:
    """Over an anchor's list an empty one vanishes when files are merged, and Compose v2 refuses what is left."""
    assert empty_lists(yaml.safe_load(path.read_text())) == []
    assert empty_lists({"services": {"greenplum": {"cap_drop": []}}}) == ["/services/greenplum/cap_drop"]


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


SECRETS = [name for name in SERVICES["preflight"]["environment"] if name != "XFLOW_EXTERNAL_STORES"]


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


def test_preflight_takes_the_keys_of_another_s3_as_they_are() -> None:
    good = {name: f"{number:02d}kJ8vQ2xLw9ZtR4mNb7" for number, name in enumerate(SECRETS)}
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "XFLOW_MLFLOW_S3_ACCESS_KEY", "XFLOW_MLFLOW_S3_SECRET_KEY")
    given = {**good, **dict.fromkeys(keys, "abc/+=")}
    assert preflight(given).returncode == 1
    assert preflight({**given, "XFLOW_EXTERNAL_STORES": "greenplum,s3"}).returncode == 0
    assert preflight({**given, "XFLOW_EXTERNAL_STORES": "s3", "XFLOW_REDIS_PASSWORD": ""}).returncode == 1


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

"""The containers of the whole stack, and what tests do to them. They run with ``--way docker`` alone."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from xflow.settings import REPOSITORY, read_env_file

HEALTHY_SECONDS = 300


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what lies here, with the reason, where the whole stack is not one of containers."""
    if config.getoption("--way") == "docker":
        return
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="containers are tested by `make test-containers`"))


class Containers:
    """The containers of one Compose project."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = read_env_file(home / "env")
        self.project = self.environment["COMPOSE_PROJECT_NAME"]

    def image(self, name: str) -> str:
        """Return this project's image of Airflow or MLflow."""
        return f"xflow/{name}:0.1.0-{self.project}"

    def docker(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=600)
        assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def start_sh(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("XFLOW_")}
        environment |= {"XFLOW_HOME": str(self.home), "XFLOW_ENV_FILE": str(self.home / "env")}
        command = [REPOSITORY / "start.sh", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)

    def all(self, service: str = "") -> list[dict]:
        """Return what the engine knows of every container, or of a service's."""
        filters = [f"label=com.docker.compose.project={self.project}", "label=com.docker.compose.oneoff=False"]
        if service:
            filters.append(f"label=com.docker.compose.service={service}")
        ids = self.docker("ps", "-aq", *(part for each in filters for part in ("--filter", each))).split()
        return json.loads(self.docker("inspect", *ids)) if ids else []

    def running(self, service: str = "") -> list[dict]:
        return [each for each in self.all(service) if each["State"]["Running"]]

    @property
    def services(self) -> list[str]:
        """Return the services that run, stores first."""
        return sorted({each["Config"]["Labels"]["com.docker.compose.service"] for each in self.running()})

    def execute(self, service: str, *command: str, check: bool = True) -> str:
        return self.docker("exec", self.running(service)[0]["Id"], *command, check=check)

    def set(self, **lines: str) -> None:
        """Change lines of .env."""
        env = self.home / "env"
        kept = [line for line in env.read_text().splitlines() if line.partition("=")[0] not in lines]
        env.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in lines.items()), ""]))

    def change(self, **lines: str) -> None:
        """Change lines of .env, as a person would, and bring the stack up with them."""
        self.set(**lines)
        done = self.start_sh("up")
        assert done.returncode == 0, done.stderr

    def compose_up(self) -> None:
        """Bring the stack up with Compose alone, on docker-compose.yml alone, as start.sh does from then on."""
        self.set(COMPOSE_FILE="docker-compose.yml")
        commit = subprocess.run(
            ["git", "-C", REPOSITORY, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        variables = {name: value for name, value in os.environ.items() if not name.startswith("XFLOW_")}
        done = subprocess.run(
            [*("docker", "compose", "--env-file", self.home / "env"), *("up", "-d", "--build", "--wait"),
             *("--scale", f"worker={read_env_file(self.home / 'env')['XFLOW_WORKERS']}")],
            cwd=REPOSITORY, env=variables | {"XFLOW_GIT_COMMIT": commit}, capture_output=True, text=True, check=False,
            timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-5_000:]

    def await_healthy(self, service: str = "") -> None:
        deadline = time.monotonic() + HEALTHY_SECONDS
        while True:
            states = {each["Name"]: each["State"].get("Health", {}).get("Status") for each in self.running(service)}
            if states and set(states.values()) == {"healthy"}:
                return
            assert time.monotonic() < deadline, states
            time.sleep(1)


@pytest.fixture(scope="session")
def containers(whole_stack_home: Path) -> Containers:
    """Return the containers of the whole stack."""
    return Containers(whole_stack_home)

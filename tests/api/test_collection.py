"""The Postman collection, run by newman against the running service."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from serving_world import LIMITS, SERIES, VACANCIES, World

pytestmark = pytest.mark.services

HERE = Path(__file__).parent
NEWMAN = HERE / "node_modules" / "newman" / "bin" / "newman.js"


@pytest.fixture(scope="module")
def newman() -> list[str]:
    node = shutil.which("node")
    if node is None or not NEWMAN.is_file():
        told = "newman is not installed: ./start.sh install --dev does it where npm is"
        assert not os.environ.get("XFLOW_CI"), told
        pytest.skip(told)
    return [node, str(NEWMAN)]


def test_the_collection_passes(world: World, newman: list[str], tmp_path: Path) -> None:
    variables = {
        "baseUrl": world.url,
        "adminKey": world.key,
        "seriesPipeline": SERIES,
        "vacanciesPipeline": VACANCIES,
        "seriesId": "s1",
        "mostRows": LIMITS["ROWS"],
        "mostBytes": LIMITS["BYTES"],
    }
    given = [part for name, value in variables.items() for part in ("--env-var", f"{name}={value}")]
    files = [HERE / "xflow.postman_collection.json", "-e", HERE / "xflow.postman_environment.json"]
    report = ["-r", "json", "--reporter-json-export", tmp_path / "report.json", "--timeout-request", "60000"]
    done = subprocess.run(
        [*newman, "run", *files, *given, *report], capture_output=True, text=True, timeout=240, check=False
    )
    run = json.loads((tmp_path / "report.json").read_text())["run"]
    failed = [f"{each['source']['name']}: {each['error']['test']}: {each['error']['message']}" for each in _named(run)]
    assert not failed, "\n".join(failed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run["stats"]["requests"]["total"] > 70
    assert run["stats"]["assertions"]["total"] > 200


def _named(run: dict) -> list[dict]:
    """Return the failures of a run, also those without a test or a request of their own."""
    empty = {"source": {"name": ""}, "error": {"test": "", "message": ""}}
    return [
        {part: empty[part] | (failure.get(part) or {}) for part in ("source", "error")} for failure in run["failures"]
    ]

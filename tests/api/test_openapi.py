"""Requests made from the service's own description: what it says about itself is true, and nothing makes it fail."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from serving_world import World

pytestmark = pytest.mark.services

EXAMPLES = 20
SEED = 1


def test_what_the_service_says_of_itself_is_true(world: World, tmp_path: Path) -> None:
    command = [
        Path(sys.executable).with_name("schemathesis"),
        *("--config-file", Path(__file__).with_name("schemathesis.toml")),
        "run",
        f"{world.url}/openapi.json",
        *("--header", f"Authorization: Bearer {world.key}"),
        *("--max-examples", str(EXAMPLES), "--seed", str(SEED)),
        *("--phases", "examples,coverage,fuzzing"),
        *("--request-timeout", "30", "--continue-on-failure", "--no-color"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    generated = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert generated, done.stdout[-3_000:]
    assert int(generated[1]) > 300
    assert "Unresolvable" not in done.stdout, done.stdout[-5_000:]

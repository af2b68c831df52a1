"""The prediction service in a stack of its own: started with nothing else, told no key, restarted when it must be."""

import hashlib
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_start_sh import Stack, listeners, process_lives

pytestmark = pytest.mark.services

UP = ("up", "--native", "--services", "serving")
NEW = ("XFLOW_SERVING_KEY", "XFLOW_BOARD_PASSWORD")
SECRETS = (*NEW, "XFLOW_MART_PASSWORD", "AIRFLOW_PASSWORD", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The service alone: no mart, no feature store, no MLflow."""
    made = Stack(tmp_path_factory.mktemp("serving"))
    up(made)
    yield made
    assert made.run("reset", "--yes").returncode == 0


def up(stack: Stack) -> int:
    """Bring the service up; return its process."""
    done = stack.run(*UP)
    assert done.returncode == 0, done.stdout + done.stderr
    return stack.pid("serving")


def lives(stack: Stack) -> bool:
    with urllib.request.urlopen(f"{stack.variables['XFLOW_SERVING_URL']}/health/live", timeout=30) as answer:
        return answer.status == 200


def test_it_starts_alone_on_loopback_and_a_second_up_leaves_it(stack: Stack) -> None:
    pid = stack.pid("serving")
    assert lives(stack)
    assert listeners(pid) == {"0100007F"}
    done = stack.run(*UP)
    assert f"Board    {stack.variables['XFLOW_SERVING_URL']}" in done.stdout
    assert stack.pid("serving") == pid


def test_its_process_is_told_hashes_and_no_key(stack: Stack) -> None:
    told = Path(f"/proc/{stack.pid('serving')}/environ").read_text()
    assert [name for name in SECRETS if stack.variables[name] in told] == []
    for name in NEW:
        assert f"{name}_SHA256={hashlib.sha256(stack.variables[name].encode()).hexdigest()}\0" in told


def test_a_changed_line_restarts_it_and_a_killed_one_comes_back(stack: Stack) -> None:
    before = stack.pid("serving")
    with (stack.home / ".env").open("a") as file:
        file.write("XFLOW_SERVING_MOST_ROWS=7\n")
    changed = up(stack)
    assert (process_lives(before), changed != before) == (False, True)
    assert "XFLOW_SERVING_MOST_ROWS=7\0" in Path(f"/proc/{changed}/environ").read_text()
    os.kill(changed, signal.SIGKILL)
    assert up(stack) != changed
    assert lives(stack)


def test_an_env_file_of_an_earlier_version_gets_the_new_lines(stack: Stack) -> None:
    def ours(name: str) -> bool:
        return "SERVING" in name or "BOARD" in name

    before, env = stack.variables, stack.home / ".env"
    env.write_text("".join(line for line in env.read_text().splitlines(keepends=True) if not ours(line)))
    assert stack.run("env").returncode == 0
    after = stack.variables
    assert set(before) - set(after) == {"XFLOW_SERVING_MOST_ROWS"}
    assert [name for name in NEW if len(after[name]) < 16 or after[name] == before[name]] == []
    assert {name: after[name] for name in before if not ours(name)} == {
        name: value for name, value in before.items() if not ours(name)
    }

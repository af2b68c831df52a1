"""The .env that start.sh writes: the stack's own stores, or those that a person names, alike in both ways."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from xflow.settings import REPOSITORY, read_env_file

OTHER = "postgresql://loader:pass%2Fword@mart.example:5432/dwh?sslmode=require"
PLACE = OTHER.rpartition("@")[2]
Fill = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    """Change lines of .env, drop those that are None, and let start.sh fill the file."""

    def run(**lines: str | None) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "env"
        before = file.read_text().splitlines() if file.exists() else []
        kept = [line for line in before if line.partition("=")[0] not in lines]
        file.write_text("\n".join([*kept, *(f"{name}={text}" for name, text in lines.items() if text), ""]))
        environment = {"PATH": os.environ["PATH"], "XFLOW_HOME": str(tmp_path), "XFLOW_ENV_FILE": str(file)}
        command = [REPOSITORY / "start.sh", "env", "--native"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def told(tmp_path: Path) -> dict[str, str]:
    return read_env_file(tmp_path / "env")


def test_the_stacks_own_stores_are_there_from_the_start_and_come_back(fill: Fill, tmp_path: Path) -> None:
    assert fill().returncode == 0
    own = told(tmp_path)
    assert own["XFLOW_EXTERNAL_STORES"] == ""
    assert own["XFLOW_GREENPLUM_DSN"].startswith(f"postgresql://xflow:{own['XFLOW_MART_PASSWORD']}@127.0.0.1:")
    assert own["XFLOW_STACK_GREENPLUM_DSN"].endswith("@greenplum:5432/xflow")
    assert fill(XFLOW_STACK_GREENPLUM_DSN=OTHER).returncode == 0
    assert fill(XFLOW_STACK_GREENPLUM_DSN=None).returncode == 0
    assert told(tmp_path) == own


def test_another_mart_is_that_of_loader_reader_and_service(fill: Fill, tmp_path: Path) -> None:
    assert fill(XFLOW_STACK_GREENPLUM_DSN=OTHER).returncode == 0
    found = told(tmp_path)
    assert found["XFLOW_EXTERNAL_STORES"] == "greenplum"
    assert found["XFLOW_GREENPLUM_DSN"] == found["XFLOW_STACK_GREENPLUM_DSN"] == OTHER
    assert found["XFLOW_READER_DSN"] == f"postgresql://xflow_reader:{found['XFLOW_READER_PASSWORD']}@{PLACE}"
    service = f"postgresql://xflow_serving:{found['XFLOW_SERVING_DB_PASSWORD']}@{PLACE}"
    assert found["XFLOW_SERVING_DSN"] == found["XFLOW_STACK_SERVING_DSN"] == service
    third = OTHER.replace("mart.example", "other.example")
    assert fill(XFLOW_STACK_GREENPLUM_DSN=third).returncode == 0
    moved = told(tmp_path)
    assert {name for name in found if moved[name] != found[name]} == {name for name in found if name.endswith("_DSN")}
    mine = OTHER.replace("loader", "service")
    assert fill(XFLOW_STACK_SERVING_DSN=mine, XFLOW_STACK_GREENPLUM_DSN=OTHER).returncode == 0
    assert told(tmp_path)["XFLOW_SERVING_DSN"] == mine


def test_another_s3_and_tarantool_keep_their_keys_as_they_are(fill: Fill, tmp_path: Path) -> None:
    lines = {
        "XFLOW_STACK_S3_ENDPOINT": "https://s3.example", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "a/b+c=",
        "XFLOW_MLFLOW_S3_ACCESS_KEY": "key", "XFLOW_MLFLOW_S3_SECRET_KEY": "a/b+c=",
        "XFLOW_STACK_TARANTOOL_URI": "tarantool://me:secret@features.example:3301",
    }  # fmt: skip
    assert fill(**lines).returncode == 0
    found = told(tmp_path)
    assert {name: found[name] for name in lines} == lines
    assert found["XFLOW_EXTERNAL_STORES"] == "s3,tarantool"
    assert found["XFLOW_S3_ENDPOINT"] == lines["XFLOW_STACK_S3_ENDPOINT"]
    assert found["XFLOW_TARANTOOL_URI"] == lines["XFLOW_STACK_TARANTOOL_URI"]
    refused = fill(XFLOW_STACK_S3_ENDPOINT=None)
    assert refused.returncode
    assert "AWS_ACCESS_KEY_ID must be 16 or more" in refused.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"XFLOW_GREENPLUM_DSN": OTHER}, "Write it as XFLOW_STACK_GREENPLUM_DSN"),
        ({"XFLOW_S3_ENDPOINT": "https://s3.example"}, "Write it as XFLOW_STACK_S3_ENDPOINT"),
        ({"XFLOW_TARANTOOL_URI": "tarantool://a:b@c:1"}, "Write it as XFLOW_STACK_TARANTOOL_URI"),
        ({"XFLOW_STACK_GREENPLUM_DSN": "host=mart user=xflow"}, "must look like postgresql://user:password@host"),
        ({"XFLOW_STACK_GREENPLUM_DSN": "postgresql://loader:x@mart.example"}, "must look like postgresql://"),
        ({"XFLOW_STACK_S3_ENDPOINT": "s3.example:9000"}, "must look like https://host:port"),
        ({"XFLOW_STACK_S3_ENDPOINT": "https://s3.example/bucket"}, "must look like https://host:port"),
        ({"XFLOW_STACK_TARANTOOL_URI": "features.example:3301"}, "must look like tarantool://"),
    ],
)
def test_an_address_that_would_be_lost_or_cannot_be_is_refused(
    fill: Fill, tmp_path: Path, line: dict[str, str], said: str
) -> None:
    assert fill().returncode == 0
    before = told(tmp_path)
    refused = fill(**line)
    assert refused.returncode
    assert said in refused.stderr
    assert told(tmp_path) == before | line

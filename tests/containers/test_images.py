"""The two images: small, run by a plain user, and complete."""

import json

import pytest

pytestmark = pytest.mark.e2e

AIRFLOW, MLFLOW = "airflow", "mlflow"

# Says nothing unless it fails, or a library finds no place for its cache.
WORK = """
import warnings
warnings.simplefilter("error")
import matplotlib.figure, numpy, xgboost
matplotlib.figure.Figure().savefig("/tmp/figure.png")
rows = numpy.random.default_rng(0).random((1000, 5))
xgboost.train({"device": "cpu"}, xgboost.QuantileDMatrix(rows[:, 1:], rows[:, 0]), 5)
warnings.simplefilter("ignore")
import etna.models, evidently, mlflow, xflow.runner
"""


def run(containers, image: str, *command: str) -> str:
    """Run a command in an image as strictly as an engine can."""
    strict = ["--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
    return containers.docker("run", *strict, containers.image(image), *command)


@pytest.mark.parametrize(("image", "gigabytes"), [(AIRFLOW, 3.0), (MLFLOW, 1.0)])
def test_an_image_is_small_and_says_what_it_is_of(containers, image, gigabytes):
    found = json.loads(containers.docker("image", "inspect", containers.image(image)))[0]
    assert found["Size"] < gigabytes * 1e9
    assert found["Config"]["User"] == "1000:0"
    assert found["Config"]["Entrypoint"] == ["tini", "--"]
    labels = found["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == "0.1.0"
    assert labels["org.opencontainers.image.revision"] not in {"", "unknown"}


@pytest.mark.parametrize("image", [AIRFLOW, MLFLOW])
def test_an_image_has_nothing_to_build_with_and_no_secrets_of_the_checkout(containers, image):
    found = run(containers, image, "sh", "-c", "command -v gcc cc make uv; ls -A /opt/xflow; find /opt -name '.env*'")
    assert set(found.split()) <= {"dags", "docker", "scripts", "pyproject.toml", "uv.lock", "README.md"}


def test_what_tasks_need_works_without_a_gpu_and_with_nothing_to_write_but_tmp(containers):
    assert run(containers, AIRFLOW, "sh", "-c", 'exec python -c "$0" 2>&1', WORK) == ""


@pytest.mark.parametrize("image", [AIRFLOW, MLFLOW])
def test_no_process_compiles_the_standard_library_or_a_package_anew(containers, image):
    code = (
        "import email.parser, ipaddress, click; print(email.parser.__cached__, ipaddress.__cached__, click.__cached__)"
    )
    cached = run(containers, image, "python", "-c", code).split()
    assert sorted(run(containers, image, "ls", *cached).split()) == sorted(cached)


def test_the_command_line_and_git_are_there(containers):
    assert run(containers, AIRFLOW, "airflow", "version").strip() == "3.3.2"
    assert "collect" in run(containers, AIRFLOW, "xflow", "--help")
    assert run(containers, AIRFLOW, "git", "--version").startswith("git version")

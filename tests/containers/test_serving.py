"""The prediction service as a container: it comes back with the champion, also while MLflow is away."""

import os
import signal
import time
import uuid

import pytest
from test_restarts import HORIZON, PIPELINE, series

from xflow.errors import XflowError
from xflow.serving_rest import ServingRest

pytestmark = pytest.mark.e2e

RUN = uuid.uuid4().hex[:8]
BACK_SECONDS = 300
HISTORY = [float(100 + month % 12) for month in range(48)]


@pytest.fixture(scope="module")
def service(containers) -> ServingRest:
    return ServingRest(containers.environment["XFLOW_SERVING_URL"], containers.environment["XFLOW_SERVING_KEY"])


@pytest.fixture(scope="module")
def version(stack_of, tmp_path_factory, service) -> str:
    """Train and promote; return the version that answers when the deployment is over."""
    stack = stack_of(PIPELINE)
    uri = stack.upload(tmp_path_factory.mktemp("input"), "tests/serving.parquet", series(9))
    stack.await_dag(f"{PIPELINE}_deploy")
    assert stack.run("train", f"serving-{RUN}", input_uri=uri, horizon=HORIZON, trials=1) == "success"
    champion = str(stack.mlflow.get_model_version_by_alias(PIPELINE, "champion").version)
    assert stack.run("deploy", f"serving-{RUN}") == "success"
    assert answering(service) == champion
    return champion


def answering(service: ServingRest) -> str:
    return str(service.call("GET", f"/v1/models/{PIPELINE}")["version"])


def forecast(service: ServingRest) -> list[float]:
    asked = {"series": [{"id": "s", "start": "2020-01-01", "values": HISTORY}], "horizon": HORIZON}
    answer = service.call("POST", f"/v1/series/{PIPELINE}/forecast", asked)
    return answer["forecasts"][0]["forecast"]


def await_answer(service: ServingRest, version: str) -> None:
    deadline = time.monotonic() + BACK_SECONDS
    while True:
        try:
            if answering(service) == version:
                return
        except XflowError as error:
            said = str(error)
        else:
            said = "no model answers yet"
        assert time.monotonic() < deadline, said
        time.sleep(1)


def kill(containers) -> None:
    """As by the kernel when memory is short; the engine starts it again."""
    (before,) = containers.running("serving")
    os.kill(before["State"]["Pid"], signal.SIGKILL)
    containers.await_healthy("serving")
    deadline = time.monotonic() + BACK_SECONDS
    while not (after := containers.running("serving")) or after[0]["RestartCount"] == before["RestartCount"]:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_killed_service_comes_back_with_the_champion(containers, service, version):
    before = forecast(service)
    kill(containers)
    await_answer(service, version)
    assert forecast(service) == before


def test_it_comes_back_while_mlflow_is_away(containers, service, version):
    before = forecast(service)
    mlflow = [each["Id"] for each in containers.running("mlflow")]
    containers.docker("stop", *mlflow)
    try:
        containers.docker("restart", *(each["Id"] for each in containers.running("serving")))
        await_answer(service, version)
        assert forecast(service) == before
        kill(containers)
        await_answer(service, version)
    finally:
        containers.docker("start", *mlflow)
        containers.await_healthy("mlflow")


def test_it_writes_out_its_log_before_it_ends(stack_of, containers, service, version):
    """Nothing is lost on a clean stop: what was answered until then stands in the mart."""
    stack = stack_of(PIPELINE)
    count = "select count(*) from mart.served_prediction where pipeline = %s"
    ((before,),) = stack.rows(count, PIPELINE)
    for _ in range(20):
        forecast(service)
    containers.docker("stop", "--time", "45", *(each["Id"] for each in containers.running("serving")))
    ((after,),) = stack.rows(count, PIPELINE)
    containers.docker("start", *(each["Id"] for each in containers.all("serving")))
    containers.await_healthy("serving")
    assert after - before == 20

"""The doctor at a prediction service that runs: its key, and what answers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from test_doctor_services import examined

from xflow.doctor_probe import State
from xflow.settings import Settings, read_env_file

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def serving(stack: Settings, stack_home: Path, run_start_sh: Callable[..., None]) -> Settings:
    """Where everything is, with a prediction service that runs."""
    run_start_sh(stack_home, "up", "--services", "serving")
    found = read_env_file(stack_home / "env")
    return replace(stack, serving_url=found["XFLOW_SERVING_URL"], serving_key=found["XFLOW_SERVING_KEY"])


def test_the_prediction_service_tells_what_answers_and_takes_the_key(serving: Settings) -> None:
    found = examined(serving)["Serving"]
    assert found.details["key"] == "accepted"
    assert found.state is State.OK or "version" in found.reason or "waits for" in found.reason
    assert examined(replace(serving, serving_key=""))["Serving"].details["key"].startswith("not tried")


def test_a_wrong_key_of_the_prediction_service_is_refused_and_hidden(serving: Settings) -> None:
    found = examined(replace(serving, serving_key="hush-hush"))["Serving"]
    assert (found.state, "Check XFLOW_SERVING_KEY" in found.reason) == (State.REFUSED, True)
    assert "hush-hush" not in found.reason

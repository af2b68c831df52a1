"""The board inside Airflow, as Airflow's own plugins manager finds it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

PAGE = "http://127.0.0.1:18000"
FOUND = """
import json
from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse
from airflow.plugins_manager import get_plugin_info
plugins = {each["name"]: each["external_views"] for each in get_plugin_info(["name", "external_views"])}
print("found", json.dumps([ExternalViewResponse(**each).model_dump() for each in plugins["xflow_board"]]))
"""


def test_airflow_shows_the_board_in_a_frame_of_its_navigation(airflow_environment: dict[str, str]) -> None:
    environment = os.environ | airflow_environment | {"XFLOW_SERVING_PAGE": PAGE}
    done = subprocess.run([sys.executable, "-c", FOUND], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("found ")]
    (view,) = json.loads(line.removeprefix("found "))
    assert (view["href"], view["url_route"], view["nav_top_level"]) == (PAGE, "board", True)
    assert view["icon"].startswith("data:image/svg+xml,%3Csvg"), "no server is asked for it"


def test_there_is_no_entry_where_nobody_said_where_the_board_is(
    plugin: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XFLOW_SERVING_PAGE", raising=False)
    board = plugin("xflow_board").XflowBoard
    board.on_load()
    assert board.external_views == []

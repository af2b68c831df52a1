"""What a collection's runner decides by itself: when a snapshot was taken, and who may not ask."""

from types import SimpleNamespace

import pytest

from xflow.adapters.memory import MemoryMart
from xflow.collect_runner import CollectRunner
from xflow.errors import ConfigInvalid
from xflow.pipeline import load
from xflow.refs import RunKey
from xflow.settings import Settings, pipelines_folder

MORNING, EVENING, NEXT_DAY = "2026-11-21T06:00:00", "2026-11-21T23:59:00", "2026-11-22T00:01:00"


@pytest.fixture
def run():
    pipeline = load(pipelines_folder() / "vacancies.yaml")
    settings = Settings(*["unused"] * 9)
    key = RunKey(pipeline="vacancies", kind="collect", run_id="r")
    made = CollectRunner(settings, pipeline, key, bundle="xflow@0123abcd")
    made.mart, made.history = MemoryMart(), SimpleNamespace(prepare=lambda: None)
    return made


@pytest.mark.parametrize(
    ("state", "again", "taken"),
    [
        ("running", EVENING, MORNING),
        ("failed", EVENING, MORNING),
        ("failed", NEXT_DAY, NEXT_DAY),
        ("success", NEXT_DAY, MORNING),
    ],
)
def test_a_repeated_run_keeps_its_time_while_its_snapshot_is_of_that_day(run, state, again, taken):
    assert run.start(MORNING) == MORNING
    run.mart.note_run(run.key, {"state": state})
    assert run.start(again) == taken
    assert run.mart.run(run.key)["as_of"] == taken
    assert (run.mart.run(run.key)["state"], run.mart.run(run.key)["bundle"]) == ("running", "xflow@0123abcd")


def test_nobody_collects_without_a_contact(run):
    run.start(MORNING)
    with pytest.raises(ConfigInvalid, match=r"hh\.ru wants the address of whoever collects"):
        run.collect(MORNING)
    assert run.mart.run(run.key)["state"] == "failed"


def test_a_pipeline_of_series_has_nothing_to_collect(run):
    series = load(pipelines_folder() / "tourism_monthly.yaml")
    with pytest.raises(ConfigInvalid, match="tourism_monthly is no pipeline of vacancies"):
        CollectRunner(run.settings, series, run.key).section  # noqa: B018

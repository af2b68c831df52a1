"""A collection on the real stores: verified, and its planted faults found."""

from pathlib import Path

import pytest
from audit_inputs import vacancy_pipeline
from audit_world import World, faults, flipped, states
from collecting import AGENT, NOW, spread

from hh_server import HhServer
from xflow.collect_runner import CollectRunner
from xflow.domain.audit import State
from xflow.refs import RunKey

pytestmark = pytest.mark.services


@pytest.fixture
def world(stores, key, tmp_path: Path) -> World:
    with HhServer(spread(8)) as server:
        section = {"url": server.url, "user_agent": AGENT, "queries": [{}], "requests_per_second": 10, "details": 3}
        config = vacancy_pipeline(key.pipeline)
        config = type(config).model_validate(config.model_dump() | {"collect": section | {"window_days": 3}})
        made = World(stores, config, tmp_path, {})
        run = CollectRunner(stores, config, RunKey(pipeline=key.pipeline, kind="collect", run_id="c one"))
        taken = run.start(NOW.isoformat())
        snapshot, update = run.collect(taken), run.update_history()
        made.delivery = run.deliver(update)
        run.finish(snapshot, made.delivery)
        made.snapshot = snapshot
    return made


def test_a_collection_and_its_faults(world):
    found = world.verify("collect")
    assert states(found) == {State.OK}, found.checks
    assert {check.what for check in found.checks} >= {"raw responses", "vacancies listed", "history", "delivery"}
    part = world.store.list(world.snapshot["prefix"])[0]
    with world.changed_object(part.uri, flipped(world.store.get(part))):
        assert part.uri in faults(world.verify("collect"))["raw responses"]
    with world.changed_object(f"{world.snapshot['prefix']}_manifest.json", None):
        assert "is gone" in faults(world.verify("collect"))["snapshot"]
    with world.changed_object(world.delivery["train"]["uri"], None):
        assert [*faults(world.verify("collect"))] == ["delivery"]
    with world.changed_rows(
        "UPDATE {p}_snapshot SET snapshot_id = 'x'", "UPDATE {p}_snapshot SET snapshot_id = 'c-one'"
    ):
        assert [*faults(world.verify("collect"))] == ["history"]

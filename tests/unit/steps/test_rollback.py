"""Which version a person puts into service, and that a run that stops half-way heals when it is repeated."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_models import TwoTargets, small_pipeline, small_version
from xflow.adapters.memory_promotions import MemoryPromotions
from xflow.adapters.memory_registry import MemoryRegistry
from xflow.environments import environment
from xflow.errors import ChampionMissing, ConfigInvalid, ModelIncompatible, ModelMissing, ServiceUnavailable, XflowError
from xflow.promotion_ports import PromotionRecord
from xflow.refs import ModelVersionRef, RunKey
from xflow.steps.judge import judge
from xflow.steps.rollback import Order, Swap, put_into_service


def rollback(**changes: Any) -> Order:
    return Order(**{"action": "rollback", "reason": "sells the wrong thing", "by": "anna"} | changes)


def key(run_id: str = "r1", pipeline: str = "demo") -> RunKey:
    return RunKey(pipeline=pipeline, kind="rollback", run_id=run_id)


class World:
    """A registry and a ledger in which versions were promoted one after the other."""

    def __init__(self, promoted: int = 2, place: str = "prod", made: Any = None) -> None:
        self.pipeline = small_pipeline(made=made) if made else small_pipeline()
        self.registry, self.ledger = MemoryRegistry(environment(place)), MemoryPromotions()
        for target in self.pipeline.targets:
            for number in range(1, promoted + 1):
                self.promote(target, small_version(self.registry, self.pipeline.model_name(target), number))

    def promote(self, target: str, version: ModelVersionRef) -> None:
        """Promote as a training does."""
        before = self.registry.champion(version.name)
        self.registry.promote(version, before)
        self.ledger.record(
            PromotionRecord(
                pipeline="demo", model_name=version.name, target=target, run_key=f"demo/train/{version.version}",
                action="judge", outcome="promoted", version=version.version,
                champion_before=before.version if before else "", champion_after=version.version,
                environment=self.registry.environment.name, alias=self.registry.environment.champion, reason="better",
            )
        )  # fmt: skip

    def put(self, order: Order | None = None, run_id: str = "r1", **stores: Any) -> list[Swap]:
        stores = {"registry": self.registry, "ledger": self.ledger} | stores
        return put_into_service(key(run_id), self.pipeline, order or rollback(), "0123abcd", **stores)

    def serves(self, target: str = "") -> tuple[str, str]:
        """Return the numbers of the version that serves and of the one before."""
        name, where = self.pipeline.model_name(target), self.registry.environment
        return tuple(self.registry.version(name, f"@{alias}").version for alias in (where.champion, where.previous))

    @property
    def written(self) -> list[PromotionRecord]:
        return [row for row in self.ledger.rows if row.action != "judge"]


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("place", ["dev", "staging", "prod"])
def test_the_version_that_served_before_serves_again_and_the_decision_is_kept(place: str) -> None:
    world = World(place=place)
    assert world.put() == [Swap(name="demo", target="", before="2", after="1", reason="sells the wrong thing")]
    assert world.serves() == ("1", "2")
    (row,) = world.written
    assert (row.action, row.outcome, row.version) == ("rollback", "promoted", "1")
    assert (row.champion_before, row.champion_after) == ("2", "1")
    assert (row.decided_by, row.reason, row.environment) == ("anna", "sells the wrong thing", place)
    assert (row.run_key, row.git_commit) == ("demo/rollback/r1", "0123abcd")
    assert row.decided_at is not None
    assert world.ledger.champion_at("demo", place, row.decided_at) == "1"


def test_a_second_rollback_takes_the_first_one_back(world: World) -> None:
    world.put()
    world.put(run_id="r2")
    assert world.serves() == ("2", "1")


def test_a_version_is_named_by_number_or_alias() -> None:
    world = World(promoted=4)
    world.put(rollback(version="1"))
    assert world.serves() == ("1", "4")
    world.registry.stage(world.registry.version("demo", "3"))
    world.put(rollback(action="promote", version="@staging"), "r2")
    assert world.serves() == ("3", "1")
    assert [row.action for row in world.written] == ["rollback", "promote"]


def test_in_production_what_is_promoted_by_hand_is_staged_too(world: World) -> None:
    world.put(rollback(action="promote", version="1"))
    assert world.registry.version("demo", "@staging").version == "1"


def test_the_first_version_of_all_can_be_promoted_by_hand() -> None:
    world = World(promoted=0)
    small_version(world.registry, "demo", 1)
    assert world.put(rollback(action="promote", version="1"))[0].before == ""
    assert world.registry.champion("demo").version == "1"


def test_a_version_that_serves_stays_and_nothing_is_written(world: World) -> None:
    (swap,) = world.put(rollback(version="2"))
    assert not swap.moved
    assert world.serves() == ("2", "1")
    assert world.written == []


@pytest.mark.parametrize(
    ("order", "error", "said"),
    [
        (rollback(reason=""), ConfigInvalid, "say why"),
        (rollback(reason=" \n"), ConfigInvalid, "say why"),
        (rollback(version="9"), ModelMissing, "9"),
        (rollback(version="@nobody"), ModelMissing, "@nobody"),
        (rollback(target="age"), ConfigInvalid, "no target 'age'"),
        (rollback(version="3"), ModelIncompatible, "cannot serve"),
    ],
)
def test_what_cannot_serve_is_refused_before_anything_is_written(
    world: World, order: Order, error: type[XflowError], said: str
) -> None:
    small_version(world.registry, "demo", 1, levels=(0.5,))  # version 3, of another configuration
    with pytest.raises(error, match=said):
        world.put(order)
    assert world.serves() == ("2", "1")
    assert world.written == []


def test_without_a_version_before_it_says_so() -> None:
    with pytest.raises(ModelMissing, match="no version served before"):
        World(promoted=1).put()


def test_without_a_champion_there_is_nothing_to_roll_back() -> None:
    with pytest.raises(ChampionMissing, match="none to roll back"):
        World(promoted=0).put()


def test_an_alias_that_an_interrupted_hand_left_on_the_champion_is_no_rollback(world: World) -> None:
    world.registry.aliases["demo", "previous"] = "2"
    with pytest.raises(ModelMissing, match="Name the version"):
        world.put()


def test_all_models_of_a_pipeline_are_rolled_back_or_the_named_one() -> None:
    world = World(made=TwoTargets)
    world.put(rollback(target="salary"))
    assert (world.serves("salary"), world.serves("demand")) == (("1", "2"), ("2", "1"))
    world.put(run_id="r2")
    assert (world.serves("salary"), world.serves("demand")) == (("2", "1"), ("1", "2"))


def test_a_number_is_of_one_model() -> None:
    world = World(made=TwoTargets)
    with pytest.raises(ConfigInvalid, match="salary, demand"):
        world.put(rollback(version="1"))
    world.put(rollback(version="1", target="demand"))
    assert (world.serves("salary"), world.serves("demand")) == (("2", "1"), ("1", "2"))


def test_one_model_that_cannot_be_rolled_back_keeps_all_where_they_are() -> None:
    world = World(made=TwoTargets)
    del world.registry.aliases["demo_demand", "previous"]
    with pytest.raises(ModelMissing, match="demo_demand"):
        world.put()
    assert world.serves("salary") == ("2", "1")
    assert world.written == []


class Fragile:
    """A store whose calls fail from a given one on."""

    def __init__(self, store: Any, calls: list[str], stop_at: int) -> None:
        self._store, self._calls, self._stop_at = store, calls, stop_at

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in ("record", "promote", "stage"):
            return found

        def call(*arguments: Any) -> Any:
            self._calls.append(name)
            if len(self._calls) > self._stop_at:
                raise ServiceUnavailable("gone")
            return found(*arguments)

        return call


@pytest.mark.parametrize("made", [None, TwoTargets])
@pytest.mark.parametrize("stop_at", range(5))
def test_a_run_that_is_cut_short_is_finished_by_repeating_it(made: Any, stop_at: int) -> None:
    world, calls = World(made=made), list[str]()
    stores = {name: Fragile(getattr(world, name), calls, stop_at) for name in ("registry", "ledger")}
    writes = 2 * len(world.pipeline.targets)
    if stop_at < writes:
        with pytest.raises(ServiceUnavailable):
            world.put(**stores)
    else:
        world.put(**stores)
    swaps = world.put()
    assert all(swap.moved and (swap.before, swap.after) == ("2", "1") for swap in swaps)
    assert {world.serves(target) for target in world.pipeline.targets} == {("1", "2")}
    assert len(world.written) == len(world.pipeline.targets)


def test_the_same_run_again_later_does_not_undo_what_was_decided_since(world: World) -> None:
    world.put()
    world.put(run_id="r2")
    (swap,) = world.put()
    assert not swap.moved
    assert world.serves() == ("2", "1")
    assert len(world.written) == 2


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["rollback", "promote"]), st.sampled_from([None, "1", "2", "3"])), max_size=6
    )
)
def test_registry_and_ledger_always_agree(steps: list[tuple[Any, str | None]]) -> None:
    world = World(promoted=3)
    for number, (action, version) in enumerate(steps):
        world.put(rollback(action=action, version=version), f"run-{number}")
        last = world.ledger.rows[-1].decided_at
        assert last is not None
        assert world.serves()[0] == world.ledger.champion_at("demo", "prod", last)
        assert len(set(world.serves())) == 2


def judged(world: World, version: str) -> Any:
    plan = SimpleNamespace(target="", holdout_hash="h", feature_set=SimpleNamespace(id="set"))
    found = world.registry.version("demo", version)
    return judge(world.pipeline, plan, found, feature_store=None, registry=world.registry, ledger=world.ledger)


def test_a_training_that_is_repeated_does_not_bring_a_version_back_that_was_rolled_back(world: World) -> None:
    world.put()
    verdict = judged(world, "2")
    assert verdict.outcome == "refused"
    assert "rolled back by anna (sells the wrong thing)" in verdict.reason
    assert world.serves() == ("1", "2")


@pytest.mark.parametrize("back", [rollback(), rollback(action="promote", version="2")], ids=["rollback", "promote"])
def test_a_version_that_a_person_brings_back_stays_when_its_training_is_repeated(world: World, back: Order) -> None:
    world.put()
    world.put(back, "r2")
    assert judged(world, "2").outcome == "promoted"
    assert judged(world, "2").champion == "2"

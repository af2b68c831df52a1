"""A champion whose files are gone: the training that would replace it goes on, and everything else says what helps."""

import itertools
import pickle

import pytest
from test_model_steps import HORIZON, NAIVE, XGB, judged_by, key, pipeline, predict, train, world  # noqa: F401

from small_cohorts import small_cohorts
from xflow.errors import ModelDamaged, ModelIncompatible, ServiceUnavailable
from xflow.steps.plan import plan
from xflow.steps.rollback import Order, put_into_service

NUMBERS = itertools.count()
WEAK = XGB | {"params": {"trees": 2, "depth": 1}}


@pytest.fixture
def damaged(world):  # noqa: F811
    """Two versions, of which the second served until its files were lost."""
    train(world, pipeline([NAIVE, WEAK]))
    world.registry.promote(world.registry.version("demo", "1"), None)
    train(world, pipeline([NAIVE, WEAK | {"name": "weak"}]), "two")
    world.registry.promote(world.registry.version("demo", "2"), world.registry.version("demo", "1"))
    lost = world.registry.version("demo", "2")
    world.kept = world.registry.models.pop(lost.mlflow_run_id)
    return world


def test_the_challenger_is_judged_by_the_floor_alone(damaged):
    _, _, judged = train(damaged, pipeline(), "three")
    assert (judged.promoted, judged.champion) == (True, "3"), judged.reason
    row = damaged.ledger.rows[-1]
    why = "not compared, the champion, version 2, cannot be loaded (demo version 2: its files are gone or damaged): "
    assert row.reason.startswith(f"{why}holdout mase ")
    assert "against the floor's" in row.reason
    assert (row.outcome, row.champion_before, row.champion_after) == ("promoted", "2", "3")
    assert row.challenger_score is not None
    assert row.champion_score is None
    assert judged.figures["holdout_champion_loaded"] == 0.0
    assert judged.figures["holdout_mase_challenger"] < judged.figures["holdout_mase_floor"]
    assert damaged.registry.notes["demo", "3"]["decision"].startswith("wins: not compared, the champion, version 2")
    assert damaged.registry.version("demo", "@previous").version == "1"  # and not the one that is lost


def test_a_challenger_below_the_floor_replaces_not_even_a_lost_champion(damaged):
    planned = plan(pipeline(), damaged.set, HORIZON, 2, feature_store=damaged.features)
    worse = damaged.registry.version("demo", "1").model_copy(update={"metrics": {"holdout_mase_floor": 0.0}})
    verdict = judged_by(damaged, pipeline(), planned, worse)
    assert verdict.outcome == "kept"
    assert "does not beat the floor's 0.0000; the champion, version 2, cannot be loaded (demo" in verdict.reason
    assert verdict.champion_damage.startswith("the champion, version 2, cannot be loaded")
    assert verdict.figures["holdout_champion_loaded"] == 0.0


def test_a_registry_that_is_away_is_no_lost_champion(damaged, monkeypatch):
    def away(version):
        raise ServiceUnavailable("MLflow does not answer")

    monkeypatch.setattr(damaged.registry, "load", away)
    with pytest.raises(ServiceUnavailable):
        train(damaged, pipeline(), "three")


def test_a_prediction_says_what_helps(damaged):
    with pytest.raises(ModelDamaged) as caught:
        predict(damaged, pipeline())
    assert str(caught.value) == (
        "demo version 2: its files are gone or damaged. Put version 1, which served before, back: xflow rollback demo "
        '--reason "..."; or put another version into service: xflow promote demo --to VERSION --reason "..."; or train '
        "again: demo_train, or xflow train demo."
    )


def put(world, version=None, action="rollback"):  # noqa: F811
    order = Order(action, "why", "ann", version)
    return put_into_service(
        key("rollback", f"order {next(NUMBERS)}"), pipeline(), order, "c", registry=world.registry, ledger=world.ledger
    )


def test_a_rollback_from_it_works_and_one_to_it_is_refused(damaged):
    assert put(damaged)[0].after == "1"
    with pytest.raises(ModelDamaged, match=r"demo version 2: its files .* Name another version; or train again"):
        put(damaged)
    with pytest.raises(ModelDamaged, match="Name another version"):
        put(damaged, "2", "promote")
    assert damaged.registry.champion("demo").version == "1"
    assert predict(damaged, pipeline())[0].rows


def test_a_champion_that_an_earlier_release_pickled_gives_way(world):  # noqa: F811
    """It loads, and lacks what a model knows today."""
    train(world, pipeline([NAIVE, WEAK]))
    run = world.registry.version("demo", "1").mlflow_run_id
    model = pickle.loads(world.registry.models[run])
    del model.__dict__["intervals"]
    world.registry.models[run] = pickle.dumps(model)
    _, _, judged = train(world, pipeline(), "two")
    assert judged.promoted
    assert "replaces version 1, which cannot serve any more (made by another version of xFlow" in judged.reason


def test_a_model_of_another_kind_under_the_name_is_told(world):  # noqa: F811
    """As two pipelines leave it there whose models had one name."""
    train(world, pipeline([NAIVE, WEAK]))
    world.registry.models[world.registry.version("demo", "1").mlflow_run_id] = pickle.dumps(small_cohorts("salary"))
    with pytest.raises(ModelIncompatible, match=r"demo version 1 was made for another kind of pipeline.*Train again"):
        predict(world, pipeline())
    assert train(world, pipeline(), "two")[2].promoted


def test_the_same_run_again_finds_its_version_serving(damaged):
    for _ in range(2):
        assert train(damaged, pipeline(), "three")[2].promoted
    assert [row.champion_after for row in damaged.ledger.rows].count("3") == 1

"""A training with columns known ahead, the drift gate on: it needs no more of their future than its input has."""

import io
import logging

import numpy as np
import pandas as pd
import pytest
from trainings import INPUT, NAIVE, World, pipeline, table

from xflow.adapters.memory import MemoryMart
from xflow.domain.drift_series import profile
from xflow.errors import ConfigInvalid, ContractViolated
from xflow.refs import RunKey
from xflow.schema import series_tables
from xflow.steps.check_contract import check_contract
from xflow.steps.drift_reference import read_reference
from xflow.steps.kinds.read_panel import read_panel
from xflow.steps.plan import plan
from xflow.steps.write_features import write_features

HORIZON = 6
XGB = {"name": "xgb", "kind": "global_xgb", "params": {"trees": 60, "depth": 3, "min_child_weight": 1.0}}


def config(candidates=(NAIVE, XGB), exogenous=("promo",)):
    found = pipeline(candidates)
    return found.model_copy(update={"input": found.input.model_copy(update={"exogenous": exogenous})})


def series(ahead, months=60, n=9):
    """Return series whose values a promotion lifts; `ahead` months of it are known after each one's last value."""
    rng = np.random.default_rng(3)
    frames = []
    for i in range(n):
        more = ahead[i % len(ahead)]
        promo = rng.integers(0, 2, months + more).astype(float)
        t = np.arange(months)
        values = (
            (50 + 10 * i + t + 5 * np.sin(t / 12 * 2 * np.pi))
            * (1 + 0.4 * promo[:months])
            * rng.normal(1, 0.01, months)
        )
        when = pd.date_range("2019-01-01", periods=months + more, freq="MS")
        value = np.append(values, np.full(more, np.nan))
        frames.append(pd.DataFrame({"series_id": f"s{i}", "timestamp": when, "value": value, "promo": promo}))
    sink = io.BytesIO()
    pd.concat(frames).to_parquet(sink, index=False)
    return sink.getvalue()


def world_of(ahead):
    world = World()
    world.mart = MemoryMart()
    world.mart.prepare("demo", series_tables(("promo",), (0.8, 0.95)))
    world.store.put(INPUT, series(ahead))
    return world


@pytest.mark.parametrize("ahead", [(0,), (HORIZON,), (0, 2, HORIZON)], ids=["nothing", "a horizon", "some"])
def test_a_training_needs_no_future_of_its_columns(ahead):
    world = world_of(ahead)
    made = world.train(config=config(), whole=True)
    reference = read_reference(world.registry, made.version.mlflow_run_id).frame
    assert len(reference) == 9
    assert np.isfinite(reference[["forecast", "width", "size", "level"]]).all(axis=None)


def test_a_series_whose_columns_are_known_is_described_from_its_end():
    world = world_of((0, HORIZON))
    made = world.train(config=config(), whole=True)
    panel, _ = read_panel(world.features, made.features)
    model = world.registry.load(made.version)
    found = profile(panel, model)
    known = np.arange(1, 9, 2)
    alone = profile(panel.select(known), model)
    pd.testing.assert_frame_equal(found.iloc[known].reset_index(drop=True), alone)
    earlier = profile(panel.select(np.array([0])).head(HORIZON), model)
    assert found["forecast"].iloc[0] == earlier["forecast"].iloc[0]


def planned(world, config, horizon=None):
    key = RunKey(pipeline="demo", kind="train", run_id="one")
    checked = check_contract(key, config, "in/", None, store=world.store, mart=world.mart)
    made = write_features(key, config, checked, store=world.store, features=world.features, code_hash="", force=True)
    return plan(config, made, horizon, 1, feature_store=world.features)


def test_the_plan_says_which_candidates_ignore_the_columns(caplog):
    with caplog.at_level(logging.WARNING):
        planned(world_of((0,)), config())
    assert "input.exogenous promo: used by xgb alone, ignored by naive" in caplog.text


def test_the_registry_keeps_which_candidates_use_the_columns():
    world = world_of((0,))
    world.train(config=config(), whole=True)
    (run,) = [each for each in world.registry.runs.values() if each["params"]]
    assert (run["params"]["exogenous"], run["params"]["exogenous_used_by"]) == ("promo", "xgb")


def test_a_horizon_past_the_bound_is_refused_before_anything_is_tuned():
    with pytest.raises(ConfigInvalid, match="horizon 1000000000: from 1 to 10000 steps"):
        planned(world_of((0,)), config(), 10**9)


def test_too_few_series_to_replace_a_champion_are_told_early(caplog):
    world = World()  # four series
    with caplog.at_level(logging.WARNING):
        planned(world, pipeline())
    assert "4 series: a new version of fewer than 8 can never show that it is better" in caplog.text


@pytest.mark.parametrize(
    ("months", "words"),
    [
        (20, "4 of 4 series .* The longest has 20: bring more history, or set model.min_train to 8 or less"),
        (9, "The longest has 9: bring more history, or set model.horizon to 4 or less"),
    ],
)
def test_series_that_are_all_too_short_are_not_to_be_rejected(months, words):
    world = World()
    world.store.put(INPUT, table(months=months))
    config = pipeline()
    config = config.model_copy(update={"contract": config.contract.model_copy(update={"min_length": 3})})
    with pytest.raises(ContractViolated, match=words):
        planned(world, config)

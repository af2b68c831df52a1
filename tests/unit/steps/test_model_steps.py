"""Plan, tune, select, fit, promote and forecast over the fakes, on series that start and end apart."""

import io
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from xflow.adapters.memory import MemoryFeatures, MemoryMart, MemoryStore
from xflow.adapters.memory_promotions import MemoryPromotions
from xflow.adapters.memory_registry import MemoryRegistry
from xflow.domain.panel import period_starts
from xflow.environments import environment
from xflow.errors import (
    ChampionMissing,
    ContractViolated,
    FeatureSetMissing,
    FloorNotBeaten,
    ModelIncompatible,
)
from xflow.origin import origin_of
from xflow.pipeline import Pipeline
from xflow.pipeline_base import PromotionPolicy
from xflow.ports import SeriesBlock
from xflow.refs import Approval, CheckedInput, ModelVersionRef, ObjectRef, RunKey
from xflow.schema import series_tables
from xflow.steps.fit import fit
from xflow.steps.judge import judge
from xflow.steps.load_predictions import load_predictions
from xflow.steps.plan import plan
from xflow.steps.predict import predict as predict_step
from xflow.steps.promote import close_run, promote, register
from xflow.steps.select import select
from xflow.steps.tune import tune

HORIZON, SERIES = 6, 8
XGB = {"name": "global_xgb", "kind": "global_xgb", "params": {"trees": 40, "depth": 3, "min_child_weight": 1.0}}
NAIVE = {"name": "seasonal_naive", "kind": "seasonal_naive"}


def pipeline(candidates=(NAIVE, XGB), **model) -> Pipeline:
    section = {"seasonality": 12, "horizon": HORIZON, "folds": 2, "trials": 2, "candidates": list(candidates)} | model
    return Pipeline.model_validate(
        {
            "pipeline": "demo",
            "description": "Generated series.",
            "input": {"train": "input/demo/train/", "predict": "input/demo/predict/"},
            "contract": {"frequency": "M", "min_length": 40},
            "model": section,
        }
    )


def lenient() -> Pipeline:
    return pipeline().model_copy(update={"promotion": PromotionPolicy(confidence=0.7)})


def blocks() -> list[SeriesBlock]:
    """Return seasonal series with a trend: what the seasonal naive misses and a tree can learn."""
    rng = np.random.default_rng(5)
    made = []
    for i in range(SERIES):
        months = 60 + 3 * i
        t = np.arange(months)
        values = 100 * (1 + i) * (1 + 0.01 * t) * (1 + 0.2 * np.sin(2 * np.pi * t / 12)) * rng.normal(1, 0.01, months)
        made.append(SeriesBlock(f"s{i}", 500 + 7 * i, values, np.zeros((months, 0)), 1000 + i))
    return made


def key(kind, run_id="one"):
    return RunKey(pipeline="demo", kind=kind, run_id=run_id)


CODE = {"git_commit": "0123abcd", "dag_bundle": "xflow@4567"}
CHECKED = CheckedInput(
    objects=(ObjectRef(uri="s3://memory/input", etag="e", size=1),),
    verdict=ObjectRef(uri="s3://memory/verdict", etag="e", size=1),
    rows_in=1, rows_accepted=1, rows_rejected=0, entities=SERIES, as_of="2024-01-01T00:00:00",
)  # fmt: skip

MADE_OF = {"checked": CHECKED, "origin": origin_of(pipeline())}


@pytest.fixture
def world():
    found = SimpleNamespace(
        store=MemoryStore(),
        mart=MemoryMart(),
        features=MemoryFeatures(),
        registry=MemoryRegistry(),
        ledger=MemoryPromotions(),
    )
    found.mart.prepare("demo", series_tables((), (0.8, 0.95)))
    found.set = found.features.write(key("train"), {"frequency": "M", "exogenous": ""}, blocks())
    return found


def judged_by(world, config, planned, version):
    stores = {"feature_store": world.features, "registry": world.registry, "ledger": world.ledger}
    return judge(config, planned, version, **stores)


def train(world, config, run_id="one", approval=None):
    run = key("train", run_id)
    planned = plan(config, world.set, HORIZON, 2, feature_store=world.features)
    stores = {"store": world.store, "feature_store": world.features}
    scores = [tune(run, config, planned, c.name, **stores) for c in config.model.candidates]
    chosen = select(run, config, planned, scores, CODE, registry=world.registry, **stores)
    fitted = fit(run, config, planned, chosen, CODE, registry=world.registry, **MADE_OF, **stores)
    version = register(run, config, planned, fitted, CODE, registry=world.registry)
    verdict = judged_by(world, config, planned, version)
    judged = promote(run, config, verdict, approval, CODE, registry=world.registry, ledger=world.ledger)
    close_run(run, [judged], mart=world.mart)
    return chosen, fitted, judged


def predict(world, config, run_id="one", horizon=HORIZON, models=None):
    run = key("predict", run_id)
    made = predict_step(
        run, config, CHECKED, world.set, horizon, "commit",
        store=world.store, feature_store=world.features, registry=world.registry, ledger=MemoryPromotions(),
        models=models,
    )  # fmt: skip
    load_predictions(run, config, made, store=world.store, mart=world.mart)
    return made, world.mart.rows[str(run), "demo_prediction"]


def test_training_beats_the_floor_and_makes_the_first_champion(world):
    chosen, fitted, judged = train(world, pipeline())
    assert chosen.score < chosen.floor.score
    assert judged.promoted
    assert world.registry.champion("demo").version == "1"
    assert fitted.metrics["holdout_mase"] < fitted.metrics["holdout_mase_floor"]
    assert 0 < fitted.metrics["holdout_coverage_80"] <= fitted.metrics["holdout_coverage_95"] <= 1
    run = world.registry.runs["demo/train/one"]
    assert run["tags"] == {**CODE, "kind": "train"}
    assert CODE.items() <= world.registry.notes["demo", "1"].items()
    drawn = {"forecast_against_actual", "error_by_horizon", "residuals", "candidates", "promotion"}
    assert drawn == set(run["figures"])
    for figure in run["figures"].values():
        png = io.BytesIO()
        figure.savefig(png)
        assert png.getbuffer().nbytes > 10_000


def test_a_model_no_better_than_the_floor_fails_and_leaves_no_model(world):
    with pytest.raises(FloorNotBeaten, match="No model was registered"):
        train(world, pipeline(candidates=[NAIVE]))
    assert world.registry.versions == {}
    assert ("demo/train/one", "seasonal_naive") in world.registry.candidates


def test_an_equal_challenger_does_not_replace_the_champion(world):
    train(world, pipeline())
    _, _, judged = train(world, pipeline(), "two")
    assert (judged.promoted, judged.version, judged.champion) == (False, "2", "1")
    assert world.registry.champion("demo").version == "1"


def test_a_decision_is_in_the_ledger_the_tags_and_a_picture(world):
    _, fitted, judged = train(world, pipeline())
    (row,) = world.ledger.decisions("demo", "prod")
    assert (row.action, row.outcome, row.version, row.champion_before, row.champion_after) == (
        "judge", "promoted", "1", "", "1",
    )  # fmt: skip
    assert (row.run_key, row.decided_by, row.git_commit) == ("demo/train/one", "policy", "0123abcd")
    assert row.holdout_hash == world.registry.notes["demo", "1"]["holdout_hash"]
    assert row.challenger_score == pytest.approx(fitted.metrics["holdout_mase"])
    assert json.loads(row.policy)["confidence"] == 0.95
    assert world.registry.notes["demo", "1"]["decision"] == f"wins: {judged.reason}"
    train(world, pipeline(), "two")
    kept = world.ledger.decisions("demo", "prod")[-1]
    assert (kept.outcome, kept.champion_before, kept.champion_after, kept.units) == ("kept", "1", "1", SERIES)
    assert kept.difference == kept.lower == kept.upper == 0
    assert world.registry.aliases["demo", "challenger"] == "2"


def test_the_same_run_again_adds_nothing_to_the_ledger(world):
    for _ in range(2):
        train(world, pipeline())
    assert len(world.ledger.rows) == 1


def test_a_run_that_ended_between_the_alias_and_the_ledger_is_repeated(world):
    train(world, pipeline())
    (first,) = world.ledger.rows
    world.ledger.rows.clear()
    assert train(world, pipeline())[2].promoted
    (row,) = world.ledger.rows
    assert (row.outcome, row.champion_after) == ("promoted", "1")
    assert row.reason == first.reason
    assert row.challenger_score == pytest.approx(first.challenger_score, rel=1e-5)


def test_a_champion_that_saw_the_holdout_is_not_compared(world):
    """Judged as of an earlier date, the champion of today would know the answers."""
    train(world, pipeline())
    earlier = [SeriesBlock(b.series_id, b.start, b.values[:-1], b.exogenous, 1) for b in blocks()]
    world.set = world.features.write(key("train", "then"), {"frequency": "M", "exogenous": ""}, earlier)
    _, _, judged = train(world, pipeline(), "then")
    assert (judged.promoted, judged.champion) == (False, "1")
    assert "fitted on values of the holdout in 8 of 8 series (s0, s1, s2, s3, s4)" in judged.reason
    assert world.ledger.rows[-1].outcome == "refused"
    assert world.registry.champion("demo").version == "1"


def test_one_series_that_the_champion_saw_further_is_enough_to_refuse(world):
    train(world, pipeline())
    one = [replace(b, values=b.values[:-2]) if b.series_id == "s3" else b for b in blocks()]
    world.set = world.features.write(key("train", "one less"), {"frequency": "M", "exogenous": ""}, one)
    assert "in 1 of 8 series (s3)" in train(world, pipeline(), "then")[2].reason


def test_a_model_that_is_better_on_every_series_replaces_the_champion(world):
    train(world, pipeline([NAIVE, XGB | {"params": {"trees": 2, "depth": 1}}]))
    _, _, judged = train(world, lenient(), "two")
    assert (judged.promoted, judged.champion) == (True, "2"), judged.reason
    row = world.ledger.rows[-1]
    assert row.upper < 0
    assert row.lower <= row.difference <= row.upper
    assert world.registry.aliases["demo", "previous"] == "1"
    assert world.registry.aliases["demo", "staging"] == "2"


@pytest.mark.parametrize("name", ["dev", "staging"])
def test_elsewhere_than_in_production_the_alias_of_the_environment_moves(world, name):
    world.registry.environment = environment(name)
    assert train(world, pipeline())[2].promoted
    assert set(world.registry.aliases) == {("demo", "challenger"), ("demo", name)}
    assert world.ledger.rows[-1].alias == name


def test_a_version_that_a_person_rejects_stays_a_challenger_and_staged(world):
    said = Approval(approved=False, by="ann", note="holidays")
    _, _, judged = train(world, pipeline(), approval=said)
    assert not judged.promoted
    assert judged.reason.startswith("rejected by ann (holidays): first model")
    assert world.registry.champion("demo") is None
    assert world.registry.aliases == {("demo", "challenger"): "1", ("demo", "staging"): "1"}
    row = world.ledger.rows[-1]
    assert (row.outcome, row.champion_after, row.decided_by) == ("rejected", "", "ann")


def test_the_champions_run_again_leaves_staged_what_won_last(world):
    train(world, pipeline([NAIVE, XGB | {"params": {"trees": 2, "depth": 1}}]))
    train(world, lenient(), "two", approval=Approval(approved=False, by="ann"))
    assert (world.registry.aliases["demo", "champion"], world.registry.aliases["demo", "staging"]) == ("1", "2")
    train(world, pipeline([NAIVE, XGB | {"params": {"trees": 2, "depth": 1}}]))
    assert world.registry.aliases["demo", "staging"] == "2"


def test_a_version_that_a_person_approves_serves(world):
    _, _, judged = train(world, pipeline(), approval=Approval(approved=True, by="ann"))
    assert judged.promoted
    assert (world.ledger.rows[-1].decided_by, world.ledger.rows[-1].champion_after) == ("ann", "1")


def test_a_version_that_was_rolled_back_does_not_come_back_by_repeating_its_run(world):
    train(world, pipeline([NAIVE, XGB | {"params": {"trees": 2, "depth": 1}}]))
    assert train(world, lenient(), "two")[2].promoted
    row = world.ledger.rows[-1]
    back = {"action": "rollback", "version": "1", "champion_before": "2", "champion_after": "1", "run_key": "by hand"}
    world.ledger.record(row.model_copy(update=back | {"reason": "wrong unit", "decided_by": "bob", "decided_at": None}))
    world.registry.promote(world.registry.version("demo", "1"), world.registry.version("demo", "2"))
    _, _, judged = train(world, lenient(), "two")
    assert (judged.promoted, judged.champion) == (False, "1")
    assert "rolled back by bob (wrong unit)" in judged.reason


def test_a_holdout_that_is_not_the_frozen_one_is_refused(world):
    train(world, pipeline())
    planned = plan(pipeline(), world.set, HORIZON, 2, feature_store=world.features)
    version = ModelVersionRef(name="demo", version="9", mlflow_run_id="demo/train/one")
    with pytest.raises(FeatureSetMissing, match="was frozen"):
        judged_by(world, pipeline(), planned.model_copy(update={"holdout_hash": "0" * 64}), version)


def test_the_same_run_again_keeps_version_and_champion(world):
    first = train(world, pipeline())
    again = train(world, pipeline())
    assert again[1] == first[1]
    assert again[2].promoted
    assert world.registry.versions["demo"] == ["demo/train/one"]


def test_the_same_run_with_other_data_makes_a_model_of_that_data(world):
    train(world, pipeline())
    grown = [replace(block, values=2 * block.values + 7) for block in blocks()]
    world.set = world.features.write(key("train"), {"frequency": "M", "exogenous": ""}, grown)
    _, fitted, judged = train(world, pipeline())
    assert judged.version == "2"
    assert fitted.mlflow_run_id != "demo/train/one"


def test_the_holdout_is_seen_by_no_step_before_the_judgement(world):
    def changed():
        for block in blocks():
            values = block.values.copy()
            values[-HORIZON:] *= 3
            yield SeriesBlock(block.series_id, block.start, values, block.exogenous, block.origin_row_id)

    chosen, _, _ = train(world, pipeline())
    world.set = world.features.write(key("train", "other"), {"frequency": "M", "exogenous": ""}, changed())
    other, _, _ = train(world, pipeline(), "other")
    assert (other.scores, other.weights) == (chosen.scores, chosen.weights)
    first, second = (world.registry.load(version_of(world, number)) for number in ("1", "2"))
    history, _ = panel_of(world).split_last(HORIZON)
    np.testing.assert_array_equal(first.forecast(history, HORIZON).bounds, second.forecast(history, HORIZON).bounds)


def version_of(world, number):
    return world.registry.champion("demo").model_copy(update={"version": number})


def panel_of(world):
    from xflow.steps.kinds.read_panel import read_panel

    return read_panel(world.features, world.set)[0]


def test_every_series_is_forecast_from_its_own_end_and_linked_to_its_last_row(world):
    train(world, pipeline())
    _, rows = predict(world, pipeline())
    assert len(rows) == SERIES * HORIZON
    for block in blocks():
        mine = [row for row in rows if row["series_id"] == block.series_id]
        steps = np.arange(block.start + len(block.values), block.start + len(block.values) + HORIZON)
        assert [row["timestamp"] for row in mine] == list(period_starts(steps, "M").astype("datetime64[us]").tolist())
        assert [row["step"] for row in mine] == [1, 2, 3, 4, 5, 6]
        assert {row["input_row_id"] for row in mine} == {block.origin_row_id}
    assert len({row["prediction_id"] for row in rows}) == len(rows)
    for row in rows:
        assert row["lower_95"] <= row["lower_80"] <= row["forecast"] <= row["upper_80"] <= row["upper_95"]


def test_forecasts_from_as_of_all_start_in_one_month(world):
    config = pipeline(origin="as_of")
    train(world, config)
    _, rows = predict(world, config)
    assert {row["timestamp"].isoformat() for row in rows if row["step"] == 1} == {"2024-02-01T00:00:00"}


def test_the_manifest_names_every_part_with_its_content(world):
    train(world, pipeline())
    made, rows = predict(world, pipeline())
    manifest = json.loads(world.store.get(made.manifest))
    assert manifest["rows"] == len(rows)
    assert [model["version"] for model in manifest["models"]] == ["1"]
    part = ObjectRef.model_validate(manifest["parts"][0])
    assert pq.read_table(io.BytesIO(world.store.get(part))).num_rows == part.rows == len(rows)


def test_predicting_again_replaces_what_was_there(world):
    train(world, pipeline())
    assert predict(world, pipeline()) == predict(world, pipeline())
    assert len(world.store.list("predictions/demo/one/")) == 1


def test_the_versions_that_the_drift_gate_looked_at_predict_whatever_serves_by_then(world):
    train(world, pipeline([NAIVE, XGB | {"params": {"trees": 2, "depth": 1}}]))
    looked_at = {"": world.registry.champion("demo")}
    assert train(world, lenient(), "two")[2].promoted
    made, rows = predict(world, pipeline(), models=looked_at)
    assert {model.version for model in made.models} == {row["model_version"] for row in rows} == {"1"}
    assert {model.version for model in predict(world, pipeline(), models={})[0].models} == {"2"}


def test_predicting_without_a_champion_says_what_to_run(world):
    with pytest.raises(ChampionMissing, match="Run demo_train first"):
        predict(world, pipeline())


def test_a_champion_for_other_levels_is_refused(world):
    train(world, pipeline())
    with pytest.raises(ModelIncompatible, match="Train again"):
        predict(world, pipeline(levels=[0.5]))


def test_a_champion_that_the_pipeline_left_behind_gives_way_to_a_new_model(world):
    train(world, pipeline())
    changed = pipeline(levels=[0.5])
    _, _, judged = train(world, changed, "two")
    assert (judged.promoted, judged.champion) == (True, "2")
    assert "replaces version 1" in judged.reason
    made, _ = predict(world, changed)
    assert [model.version for model in made.models] == ["2"]


def test_series_too_short_for_the_horizon_are_named(world):
    with pytest.raises(ContractViolated, match="s0"):
        plan(pipeline(), world.set, 48, 2, feature_store=world.features)


def test_an_unknown_parameter_is_named(world):
    with pytest.raises(ValidationError, match="tree is no parameter of it"):
        pipeline(candidates=[NAIVE, XGB | {"params": {"tree": 4}}])


@pytest.mark.parametrize("values", [np.full(60, 5.0), np.tile(np.arange(12.0), 5)], ids=["constant", "one season"])
def test_series_that_never_change_are_refused_before_anything_is_tuned(world, values):
    same = [SeriesBlock(f"s{i}", 500, values, np.zeros((60, 0)), i) for i in range(3)]
    world.set = world.features.write(key("train", "flat"), {"frequency": "M", "exogenous": ""}, same)
    with pytest.raises(ContractViolated, match="nothing to learn"):
        train(world, pipeline(), "flat")

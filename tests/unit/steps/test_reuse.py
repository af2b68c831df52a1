"""An unchanged training takes over features and scores; whatever they depend on makes it compute again."""

import io
import json
import logging

import pyarrow.parquet as pq
import pytest
from trainings import INPUT, NAIVE, SMALL, WIDE, World, pipeline, table

from xflow.errors import FeatureSetMissing
from xflow.origin import origin_of
from xflow.refs import RunKey
from xflow.steps import tune as tune_step
from xflow.steps.check_contract import check_contract
from xflow.steps.reuse import RECORD
from xflow.steps.write_features import write_features


@pytest.fixture
def world(monkeypatch):
    made = World()
    of = tune_step.model_kind

    def counted(config):
        kind = of(config)
        tune = kind.tune

        def counting(*args):
            made.tuned += 1
            return tune(*args)

        kind.tune = counting
        return kind

    monkeypatch.setattr(tune_step, "model_kind", counted)
    return made


def test_an_unchanged_training_computes_nothing_twice_and_gives_the_same_model(world, caplog):
    caplog.set_level(logging.INFO)
    first = world.train(whole=True)
    assert (world.tuned, first.reused, first.features.id) == (3, {}, "demo/train/one")
    second = world.train("two", whole=True)
    assert world.tuned == 3
    assert second.features == first.features
    assert second.new == 0
    assert second.reused == dict.fromkeys(("naive", "small", "wide"), "demo/train/one")
    assert [s.model_copy(update={"reused_from": ""}) for s in second.scores] == first.scores
    assert second.fitted.metrics == first.fitted.metrics
    predictions = [
        world.registry.artifact(run.fitted.mlflow_run_id, "holdout_predictions.parquet") for run in (first, second)
    ]
    assert predictions[0] == predictions[1]
    assert "feature set reused from run demo/train/one" in caplog.text
    assert "wide: score reused from run demo/train/one" in caplog.text


def test_what_was_reused_stands_in_the_registry(world):
    world.train()
    second = world.train("two", whole=True)
    run = second.fitted.mlflow_run_id
    assert world.registry.runs[run]["tags"]["reused_from"] == "demo/train/one"
    assert world.registry.candidates[run, "wide"]["params"]["reused_from"] == "demo/train/one"
    seconds = {score.name: score.seconds for score in second.scores}
    assert world.registry.candidates[run, "wide"]["metrics"]["seconds"] == seconds["wide"]


def test_the_same_run_again_is_not_said_to_reuse_itself(world):
    first, again = world.train(whole=True), world.train(whole=True)
    assert (again.features, again.scores, again.reused) == (first.features, first.scores, {})
    assert "reused_from" not in world.registry.runs[again.fitted.mlflow_run_id]["tags"]


def test_the_same_run_again_by_other_code_makes_a_version_of_its_own(world):
    config = pipeline()
    first = world.train(whole=True, config=config)
    other = origin_of(config).model_copy(update={"code_hash": "other"})
    again = world.train(whole=True, config=config, origin=other)
    assert (first.version.version, again.version.version) == ("1", "2")
    manifest = json.loads(world.registry.artifact(again.fitted.mlflow_run_id, "manifest.json"))
    assert manifest["origin"]["code_hash"] == "other"


def test_another_search_space_computes_that_candidate_alone(world):
    first = world.train()
    second = world.train("two", pipeline([NAIVE, SMALL, WIDE | {"search": {"depth": [2, 3]}}]))
    assert world.tuned == 4
    assert set(second.reused) == {"naive", "small"}
    assert second.features == first.features


def test_other_trials_matter_only_to_what_is_searched(world):
    world.train()
    assert set(world.train("two", pipeline(trials=3)).reused) == {"naive", "small"}


@pytest.mark.parametrize(
    "model", [{"seed": 1}, {"metric": "mae"}, {"horizon": 5}, {"folds": 2}], ids=lambda model: next(iter(model))
)
def test_what_all_scores_depend_on_computes_all_scores(world, model):
    first = world.train()
    second = world.train("two", pipeline(**model))
    assert second.reused == {}
    assert second.features == first.features


def test_what_no_score_depends_on_computes_none(world):
    world.train()
    second = world.train("two", pipeline(levels=[0.5], origin="as_of"))
    assert len(second.reused) == 3


def test_one_changed_byte_of_the_input_computes_everything(world):
    world.train()
    world.store.put(INPUT, table(bump=0.001))
    second = world.train("two")
    assert (second.reused, second.features.id, world.tuned) == ({}, "demo/train/two", 6)


def test_the_same_content_in_another_place_is_the_same_input(world):
    world.train()
    world.store.put("in/moved.parquet", world.store.objects.pop(world.store.uri(INPUT)))
    assert len(world.train("two").reused) == 3


def test_other_code_computes_everything(world):
    origin = origin_of(pipeline())
    world.train(origin=origin)
    second = world.train("two", origin=origin.model_copy(update={"code_hash": "other"}))
    assert (second.reused, second.features.id, world.tuned) == ({}, "demo/train/two", 6)


def test_another_kind_of_machine_computes_the_scores(world):
    origin = origin_of(pipeline())
    world.train(origin=origin)
    other = origin.model_copy(update={"machine": {**origin.machine, "device": "cuda"}})
    second = world.train("two", origin=other)
    assert (second.reused, second.features.id) == ({}, "demo/train/one")


def test_force_computes_everything_and_a_later_run_takes_that(world):
    first = world.train(whole=True)
    forced = world.train("two", force=True, whole=True)
    assert (forced.reused, forced.features.id, world.tuned) == ({}, "demo/train/two", 6)
    assert forced.fitted.metrics == first.fitted.metrics
    assert set(world.train("three").reused.values()) == {"demo/train/two"}


@pytest.mark.parametrize("part", [RECORD, ".npy"])
@pytest.mark.parametrize("damage", ["gone", "cut", "other"])
def test_a_damaged_score_is_computed_again_and_is_whole_then(world, caplog, part, damage):
    first = world.train()
    for uri in [uri for uri in world.store.objects if "/cache/" in uri and uri.endswith(part)]:
        if damage == "gone":
            del world.store.objects[uri]
        else:
            content = world.store.objects[uri]
            world.store.objects[uri] = content[: len(content) // 2] if damage == "cut" else b"{}"
    second = world.train("two")
    assert (second.reused, world.tuned) == ({}, 6)
    assert [score.score for score in second.scores] == [score.score for score in first.scores]
    assert (damage == "gone" and part == RECORD) == ("is damaged and is computed again" not in caplog.text)
    assert len(world.train("three").reused) == 3


def test_a_damaged_feature_set_is_written_again(world, caplog, monkeypatch):
    world.train()
    read = world.features.read

    def broken(ref):
        if ref.id == "demo/train/one":
            raise FeatureSetMissing("damaged")
        return read(ref)

    monkeypatch.setattr(world.features, "read", broken)
    assert world.train("two").features.id == "demo/train/two"
    assert "is not taken over: damaged" in caplog.text
    assert world.train("three").features.id == "demo/train/two"


def test_a_run_again_keeps_its_own_features_though_others_were_made_since(world):
    first = world.train()
    world.train("two", force=True)
    assert world.train().features == first.features


def test_two_runs_at_once_leave_one_entry(world):
    first = world.train()
    entry = {uri: content for uri, content in world.store.objects.items() if "/cache/" in uri}
    second = world.train("two", force=True)
    again = {uri: content for uri, content in world.store.objects.items() if "/cache/" in uri}
    assert entry.keys() == again.keys()
    assert [s.oof for s in first.scores] == [s.oof for s in second.scores]
    for uri in entry:
        if uri.endswith(".json"):
            assert json.loads(again[uri])["run"] == "demo/train/two"


def test_runs_leave_no_arrays_of_their_own_that_a_later_one_would_miss(world):
    first = world.train(whole=True)
    world.store.delete("runs/demo/train/one/")
    second = world.train("two", whole=True)
    assert second.reused
    assert second.chosen.score == first.chosen.score


def test_predictions_and_repeated_trainings_take_nothing_over(world):
    key = RunKey(pipeline="demo", kind="predict", run_id="one")
    checked = check_contract(key, pipeline(), "in/", None, store=world.store, mart=world.mart)
    ref = write_features(key, pipeline(), checked, store=world.store, features=world.features)
    assert "_fingerprint" not in world.features.read(ref)[0]
    assert pq.ParquetFile(io.BytesIO(world.store.get(checked.verdict))).metadata.num_rows == checked.rows_in

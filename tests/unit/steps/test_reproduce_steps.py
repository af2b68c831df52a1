"""A model is trained again from its manifest: what equals, what differs and by how much, and what is in the way."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from trainings import INPUT, World, pipeline, table

from xflow.adapters.memory import MemoryMart
from xflow.adapters.memory_registry import MemoryRegistry
from xflow.errors import NotReproducible
from xflow.refs import RunKey
from xflow.steps.kinds.holdout import table_bytes, table_hash
from xflow.steps.manifest import DIGEST, HOLDOUT, Manifest, read_manifest
from xflow.steps.reproduce import compare, manifest_of, pinned_objects, retrain, surroundings

SECOND = "in/tables.parquet"


@pytest.fixture(scope="module")
def trained():
    world = World()
    world.store.put(SECOND, table(series=2, first=10))
    world.run = world.train(whole=True)
    world.logged = dict(world.registry.files)
    return world


@pytest.fixture
def world(trained):
    """The trained world, whose objects and artifacts are put back after the test."""
    objects = dict(trained.store.objects)
    yield trained
    trained.store.objects, trained.registry.files = objects, dict(trained.logged)


def reproduced(world):
    version = world.run.version
    then = manifest_of(version, registry=world.registry)
    key = RunKey(pipeline="demo", kind="reproduce", run_id="one")
    mart = MemoryMart()
    again, predictions, planned = retrain(
        key, then, pinned_objects(then, store=world.store), then.origin,
        store=world.store, feature_store=world.features, mart=mart, registry=MemoryRegistry(),
    )  # fmt: skip
    return compare(
        version, then, again, predictions, planned, feature_store=world.features, registry=world.registry
    )  # fmt: skip


def rewrite(world, change):
    """Change the manifest, and give it the hash that fits."""
    run_id = world.run.version.mlflow_run_id
    document = json.loads(world.registry.artifact(run_id, "manifest.json"))
    del document[DIGEST]
    change(document)
    content = Manifest.model_validate(document).document()
    world.registry.log_files(run_id, {"manifest.json": json.dumps(content).encode()})


def test_the_same_comes_out_bit_for_bit(world):
    found = reproduced(world)
    assert (found.differences, found.exact, found.equal, found.surroundings) == ((), True, True, ())
    assert found.figures["holdout_mase"] == (world.run.fitted.metrics["holdout_mase"],) * 2
    assert len(found.figures) == len(world.run.fitted.metrics)


def test_the_manifest_holds_all_that_the_training_depended_on(world):
    manifest = manifest_of(world.run.version, registry=world.registry)
    assert [ref.uri for ref in manifest.checked.objects] == [
        "s3://memory/in/series.parquet",
        "s3://memory/in/tables.parquet",
    ]
    assert all(ref.sha256 and ref.etag and ref.size for ref in manifest.checked.objects)
    assert (manifest.checked.rows_in, manifest.checked.as_of) == (6 * 48, "2022-12-01T00:00:00")
    assert manifest.configuration == pipeline()
    assert (manifest.plan.horizon, manifest.plan.trials, manifest.plan.target) == (6, 2, "")
    assert manifest.metrics == world.run.fitted.metrics
    assert manifest.origin.packages["xgboost"]
    assert {"cpu", "cores", "threads", "platform", "device", "python"} <= manifest.origin.machine.keys()
    kept = pq.read_table(io.BytesIO(world.registry.artifact(world.run.version.mlflow_run_id, HOLDOUT)))
    assert (kept.num_rows, manifest.holdout_rows) == (6 * 6, 6 * 6)
    assert table_hash(kept) == manifest.holdout_sha256


def test_what_was_asked_of_the_training_is_asked_again():
    world = World()
    config = pipeline(horizon=4, trials=1)
    world.run = world.train("asked", config, as_of="2022-06-01", whole=True)
    then = manifest_of(world.run.version, registry=world.registry)
    assert (then.checked.asked_as_of, then.plan.horizon) == ("2022-06-01", 4)
    assert reproduced(world).exact


def test_a_figure_that_differs_is_named_with_how_much(world):
    rewrite(world, lambda each: each["metrics"].update(holdout_mase=each["metrics"]["holdout_mase"] * 2))
    found = reproduced(world)
    assert not found.equal
    assert [(each.what, each.size) for each in found.differences] == [("metrics.holdout_mase", 0.5)]


def test_another_member_is_named(world):
    rewrite(world, lambda each: each["selection"]["members"][0]["params"].update(trees=9))
    (found,) = reproduced(world).differences
    assert (found.what, found.then, found.now) == ("selection.members.0.params.trees", "9", "8")


def test_the_worst_prediction_that_differs_is_named(world):
    run_id = world.run.version.mlflow_run_id
    kept = pq.read_table(io.BytesIO(world.registry.artifact(run_id, HOLDOUT)))
    forecast = kept.column("forecast").to_numpy().copy()
    forecast[8:10] *= (2, 1.5)
    other = kept.set_column(2, "forecast", pa.array(forecast))
    rewrite(world, lambda each: each.update(holdout_sha256=table_hash(other)))
    world.registry.log_files(run_id, {HOLDOUT: table_bytes(other)})
    assert [(each.what, each.size) for each in reproduced(world).differences] == [
        (f"{what}: forecast of s1, 3 (the worst of 2 of 36)", 0.5)
        for what in ("predictions for the holdout", "registered model on the holdout")
    ]


def test_a_registered_model_that_is_another_than_was_logged_is_found(world):
    other = world.train("other", pipeline(seed=3), whole=True).fitted
    models, mine = world.registry.models, world.run.version.mlflow_run_id
    models[mine], kept = models[other.mlflow_run_id], models[mine]
    found = reproduced(world)
    models[mine] = kept
    assert not found.equal
    assert {each.what.partition(":")[0] for each in found.differences} == {"registered model on the holdout"}


def test_a_difference_of_the_last_digits_is_equal_but_not_exact(world):
    rewrite(world, lambda each: each["metrics"].update(holdout_mae=each["metrics"]["holdout_mae"] * (1 + 1e-12)))
    found = reproduced(world)
    assert (found.equal, found.exact) == (True, False)


def test_objects_that_changed_or_went_are_all_named(world):
    then = manifest_of(world.run.version, registry=world.registry)
    world.store.put(INPUT, table(bump=1.0))
    del world.store.objects[world.store.uri(SECOND)]
    with pytest.raises(NotReproducible) as caught:
        pinned_objects(then, store=world.store)
    said = str(caught.value)
    assert "2 of 2 input objects" in said
    assert "in/series.parquet has changed" in said
    assert "in/tables.parquet has gone" in said


def test_the_same_content_written_again_will_do_and_what_was_added_is_not_read(world):
    world.store.objects = dict(world.store.objects)
    world.store.put("in/added.parquet", table(series=1, first=20))
    assert reproduced(world).exact


def test_other_code_packages_or_machine_are_said_and_go_on(world):
    origin = manifest_of(world.run.version, registry=world.registry).origin
    other = origin.model_copy(
        update={"code_hash": "x", "git_commit": "y", "machine": {**origin.machine, "threads": "64"}}
    )
    found = surroundings(manifest_of(world.run.version, registry=world.registry), other)
    assert {each.what: each.now for each in found} == {"code_hash": "x", "machine.threads": "64"}


def test_a_model_without_a_manifest_says_so(world):
    del world.registry.files[world.run.version.mlflow_run_id, "manifest.json"]
    with pytest.raises(NotReproducible, match=r"demo version 1: it has no manifest: .* Train the model again"):
        manifest_of(world.run.version, registry=world.registry)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[:100], "damaged: JSONDecodeError"),
        (lambda text: text.replace(b'"rows_in": 288', b'"rows_in": 289'), "does not match the hash"),
        (lambda text: b"[]", "damaged"),
        (lambda text: b"{}", "damaged: KeyError"),
        (lambda text: b"\xff", "damaged"),
        (lambda text: b'{"digest": "", "layout": 99}', "is of layout 99, this code reads 1"),
    ],
)
def test_a_damaged_manifest_says_so(world, damage, said):
    text = world.registry.artifact(world.run.version.mlflow_run_id, "manifest.json")
    with pytest.raises(NotReproducible, match=said):
        read_manifest("demo version 1", damage(text))


@pytest.mark.parametrize("content", [None, b"no parquet", "other"])
def test_damaged_predictions_say_so(world, content):
    run_id = world.run.version.mlflow_run_id
    if content == "other":
        kept = pq.read_table(io.BytesIO(world.registry.artifact(run_id, HOLDOUT)))
        content = table_bytes(kept.slice(0, 12))
    if content is None:
        del world.registry.files[run_id, HOLDOUT]
    else:
        world.registry.log_files(run_id, {HOLDOUT: content})
    with pytest.raises(NotReproducible, match="predictions for the holdout"):
        reproduced(world)


def test_a_configuration_of_other_code_names_its_commit(world):
    manifest = manifest_of(world.run.version, registry=world.registry)
    other = manifest.model_copy(update={"pipeline": {**manifest.pipeline, "later": 1}})
    with pytest.raises(NotReproducible, match=r"Check out that commit"):
        _ = other.configuration

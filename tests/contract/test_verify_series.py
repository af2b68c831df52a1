"""A forecasting run on the real stores: verified, explained, and every planted fault found and named."""

import json

import pytest
from audit_inputs import series_objects, series_pipeline
from audit_world import World, faults, flipped, states
from typer.testing import CliRunner

from xflow import cli
from xflow.domain.audit import Audit, State
from xflow.errors import ConfigInvalid
from xflow.refs import RunKey
from xflow.settings import ENVIRONMENT
from xflow.steps.verify_models import verify_features

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def world(stack, tmp_path_factory) -> World:
    name = f"t_audit_{id(stack) % 10**8}"
    made = World(stack, series_pipeline(name), tmp_path_factory.mktemp("pipelines"), series_objects())
    made.train()
    made.manifest = made.predict()
    return made


@pytest.fixture
def command(world, monkeypatch):
    """Return the command line on the world's stores."""
    for attribute, variable in ENVIRONMENT.items():
        monkeypatch.setenv(variable, getattr(world.settings, attribute))
    monkeypatch.setenv("XFLOW_PIPELINES", str(world.folder))
    return lambda *arguments: CliRunner().invoke(cli.app, [*arguments])


def parts(world) -> list[str]:
    return [ref.uri for ref in world.store.list(world.manifest["prefix"])]


def inputs(world) -> list[str]:
    return [ref.uri for ref in world.store.list(world.config.input.train)]


def test_runs_without_a_fault(world):
    for kind, place in (("predict", "predictions against S3"), ("train", "figures of the training")):
        found = world.verify(kind)
        assert states(found) == {State.OK}, found.checks
        assert place in {check.what for check in found.checks}
        assert {check.place for check in found.checks} == {"S3", "Greenplum", "Tarantool", "MLflow"}


def test_the_chain_of_a_prediction_leads_to_the_training_input(world):
    chosen = world.ids("series_id = 's4' AND step = 2")[0]
    found = world.verify(prediction=chosen)
    assert found.prediction_id == chosen
    names = ["prediction", "input row", "raw object", "feature set", "model version", "training run"]
    assert [link.what for link in found.chain] == [*names, "training input", "training input"]
    links = {link.what: link for link in found.chain}
    last = 60 + 63 + 66 + 69 + 72 - 1
    assert links["raw object"].where == inputs(world)[1]
    assert (links["raw object"].facts["row"], links["input row"].facts["row_id"]) == (str(last - 200), str(last))
    assert links["training run"].where == str(world.trained.key)
    with pytest.raises(ConfigInvalid, match="has no prediction 0-0"):
        world.checks("chain", prediction="0-0")


def test_a_changed_byte_of_a_part(world):
    uri = parts(world)[0]
    (ref,) = world.store.list(uri)
    with world.changed_object(uri, flipped(world.store.get(ref))):
        found = faults(world.checks("output"))
    assert [*found] == ["part"]
    assert uri in found["part"]


def test_a_part_or_the_manifest_that_is_gone_and_a_stranger_beside_them(world):
    uri = parts(world)[0]
    with world.changed_object(uri, None):
        assert f"{uri} is gone" in faults(world.checks("output"))["part"]
    prefix = world.manifest["prefix"]
    with world.changed_object(f"{prefix}_manifest.json", None):
        assert f"{prefix}_manifest.json is gone" in faults(world.checks("output"))["manifest"]
    world.store.put(f"{prefix}other.parquet", b"x")
    try:
        assert "other.parquet" in faults(world.checks("output"))["parts"]
    finally:
        world.store._client.delete_object(
            Bucket=world.settings.s3_bucket, Key=f"{prefix}other.parquet".partition(f"{world.settings.s3_bucket}/")[2]
        )


def test_a_manifest_that_names_another_model(world):
    uri = f"{world.manifest['prefix']}_manifest.json"
    (ref,) = world.store.manifests(world.manifest["prefix"])
    document = json.loads(world.store.get(ref))
    document["models"][0]["version"] = "77"
    with world.changed_object(uri, json.dumps(document).encode()):
        assert "77" in faults(world.checks("output"))["manifest"]
    for content in (b"not JSON", b"{}"):
        with world.changed_object(uri, content):
            assert "no manifest any more" in faults(world.checks("output"))["manifest"]


@pytest.mark.parametrize("content", ["flipped", "longer", "gone"])
def test_an_input_object_that_was_replaced(world, content):
    uri = inputs(world)[1]
    (ref,) = world.store.list(uri)
    before = world.store.get(ref)
    with world.changed_object(uri, {"flipped": flipped(before), "longer": before + b"x", "gone": None}[content]):
        found = world.checks("input", "chain", prediction=world.ids("series_id = 's4'")[0])
    assert {*faults(found)} == {"input object", "chain of the prediction"}
    assert uri in faults(found)["input object"]
    assert "input rows against S3" in {check.what for check in found.checks if check.state is State.OPEN}


def test_the_same_bytes_written_again_are_no_fault(world):
    uri = inputs(world)[0]
    (ref,) = world.store.list(uri)
    with world.changed_object(uri, world.store.get(ref)):
        assert states(world.checks("input", "chain")) == {State.OK}


@pytest.mark.parametrize(
    ("table", "condition", "rows", "against"),
    [
        ("prediction", "series_id = 's1' AND step = 3", "predictions", "predictions against S3"),
        ("input", "row_id = 17", "accepted rows", "input rows against S3"),
    ],
)
def test_a_row_of_the_mart_that_was_deleted(world, table, condition, rows, against):
    own = f"FROM {{p}}_{table} WHERE run_key = '{world.predicted.key}' AND {condition}"
    world.sql(f"CREATE TABLE {{p}}_kept AS SELECT * {own}")
    with world.changed_rows(
        f"DELETE {own}", f"INSERT INTO {{p}}_{table} SELECT * FROM {{p}}_kept; DROP TABLE {{p}}_kept"
    ):
        found = faults(world.checks("input", "output"))
    assert rows in found
    assert found[against].startswith("1 rows missing: ")


def test_a_row_of_the_mart_that_is_there_twice(world):
    own = f"run_key = '{world.predicted.key}' AND series_id = 's1' AND step = 3"
    world.sql(f"CREATE TABLE {{p}}_kept AS SELECT * FROM {{p}}_prediction WHERE {own}")
    back = f"DELETE FROM {{p}}_prediction WHERE {own}; INSERT INTO {{p}}_prediction SELECT * FROM {{p}}_kept"
    with world.changed_rows("INSERT INTO {p}_prediction SELECT * FROM {p}_kept", f"{back}; DROP TABLE {{p}}_kept"):
        found = faults(world.checks("output"))
    assert "1 rows too many" in found["predictions against S3"]


def test_a_forecast_that_was_edited_in_its_last_digit(world):
    chosen = world.ids("series_id = 's2' AND step = 5")[0]
    ((value,),) = world.sql("SELECT forecast FROM {p}_prediction WHERE prediction_id = %s", chosen)
    edit = "UPDATE {p}_prediction SET forecast = %s WHERE prediction_id = %s"
    world.sql(edit, value * (1 + 1e-15), chosen)
    try:
        audit = world.checks("output")
        explained = world.explain(chosen)
        world.sql(edit, value * 1.01, chosen)
        other = world.explain(chosen)
    finally:
        world.sql(edit, value, chosen)
    found = faults(audit)
    assert [*found] == ["predictions against S3"]
    assert f"prediction_id {chosen}: forecast is" in found["predictions against S3"]
    assert explained.agrees
    assert not other.agrees


def test_an_input_row_that_was_edited(world):
    ((row_id, value),) = world.sql(
        "SELECT i.row_id, i.value FROM {p}_input i JOIN {p}_prediction p ON p.run_key = i.run_key"
        " AND p.input_row_id = i.row_id ORDER BY length(p.prediction_id), p.prediction_id LIMIT 1"
    )
    edit = f"UPDATE {{p}}_input SET value = %s WHERE row_id = {row_id} AND run_key = '{world.predicted.key}'"
    world.sql(edit, 1.0)
    try:
        found = faults(world.checks("input", "chain"))
    finally:
        world.sql(edit, value)
    assert {*found} == {"input rows against S3", "chain of the prediction"}
    assert f"value is 1.0, not {value}" in found["chain of the prediction"]


def test_rejected_rows_that_were_deleted_or_edited(world):
    key = world.predicted.key
    with world.changed_rows(
        f"UPDATE mart.rejected_row SET bad_value = 'other' WHERE run_key = '{key}'",
        f"UPDATE mart.rejected_row SET bad_value = 'null' WHERE run_key = '{key}'",
    ):
        assert [*faults(world.checks("input"))] == ["rejected rows against S3"]
    with world.changed_rows(
        f"UPDATE mart.rejected_row SET run_key = 'away' WHERE run_key = '{key}'",
        "UPDATE mart.rejected_row SET run_key = %s WHERE run_key = 'away'".replace("%s", f"'{key}'"),
    ):
        found = faults(world.checks("input"))
    assert found["rejected rows"] == "ledger 1, counted 0"
    assert states(world.checks("input")) == {State.OK}


def test_a_verdict_that_was_cleared_away_is_no_fault(world):
    uri = world.store.uri(f"{world.predicted.key.work_prefix}verdict.parquet")
    with world.changed_object(uri, None):
        assert states(world.checks("input")) == {State.OK, State.PURGED}


def test_a_feature_set_with_a_series_less(world):
    features = world.predicted.features
    ref = features.ready(str(world.predicted.key))
    facts, blocks = features.read(ref)
    kept = [*blocks]
    features.write(world.predicted.key, facts, kept[:-1])
    try:
        found = faults(world.checks("features"))
    finally:
        assert features.write(world.predicted.key, facts, kept) == ref
        assert features.publish(ref, facts["as_of"])
    assert [*found] == ["checksum of the feature set"]


def test_a_feature_set_that_is_gone_by_policy_and_one_that_is_not(world):
    chosen = world.ids("series_id = 's3'")[0]
    before = world.explain(chosen)
    features, mart = world.predicted.features, world.predicted.mart
    ref = features.ready(str(world.predicted.key))
    facts, blocks = features.read(ref)
    kept = [*blocks]
    features.retract(ref.id)
    features.purge(world.predicted.key.job, 0)
    try:
        assert "only 0 later sets" in faults(world.checks("features"))["feature set"]
        for key in (RunKey(pipeline=world.name, kind="predict", run_id=f"later {n}") for n in range(5)):
            mart.start_run(key, {"state": "failed", "feature_set": str(key)})
            world.sql(
                "UPDATE mart.run SET kind = 'predict', started_at = now() + interval '1 day' WHERE run_key = %s",
                str(key),
            )
        audit = Audit("", "", tuple(verify_features(world.audited(), [ref])))
        world.sql("DELETE FROM mart.run WHERE pipeline = %s AND run_id LIKE 'later%%'", world.name)
        again = world.explain(chosen)
    finally:
        assert features.write(world.predicted.key, facts, kept) == ref
        assert features.publish(ref, facts["as_of"])
    assert states(audit) == {State.PURGED}
    assert again.features_from.startswith("the run's input objects")
    assert again.agrees
    assert repr(again.why) == repr(before.why)  # a NaN does not equal itself


def test_a_model_version_that_is_missing(world):
    edit = "UPDATE {p}_prediction SET model_version = %s"
    world.sql(edit, "99")
    try:
        with world.changed_rows(
            *(f"UPDATE mart.run SET model_version = '{v}' WHERE run_key = '{world.predicted.key}'" for v in ("99", "1"))
        ):
            found = faults(world.verify())
            with pytest.raises(Exception, match="version 99 is gone from the registry") as refused:
                world.explain(world.ids()[0])
    finally:
        world.sql(edit, "1")
    assert "version 99 is not in the registry" in found[f"model {world.name}"]
    assert "Predict again" in str(refused.value)


def test_a_training_whose_figures_or_holdout_differ(world):
    ((metrics,),) = world.sql("SELECT metrics FROM mart.run WHERE run_key = %s", str(world.trained.key))
    wrong = json.dumps(json.loads(metrics) | {"holdout_mase": 0.0})
    world.trained.mart.note_run(world.trained.key, {"metrics": wrong})
    try:
        assert "holdout_mase: ledger 0.0" in faults(world.verify("train"))["figures of the training"]
        world.trained.mart.note_run(world.trained.key, {"metrics": "{}"})
        assert "have none in common" in faults(world.verify("train"))["figures of the training"]
    finally:
        world.trained.mart.note_run(world.trained.key, {"metrics": metrics})
    ((held,),) = world.sql("SELECT DISTINCT holdout_hash FROM mart.promotion WHERE model_name = %s", world.name)
    edit = "UPDATE mart.promotion SET holdout_hash = '{}' WHERE model_name = %s"
    with world.changed_rows(edit.format("other"), edit.format(held), world.name):
        assert "other" in faults(world.verify("train"))[f"decision about {world.name}"]


@pytest.mark.parametrize(("state", "said"), [("running", "still in progress since"), ("failed", "the run failed at")])
def test_a_run_that_is_in_progress_or_failed_says_so(world, state, said):
    world.predicted.mart.note_run(world.predicted.key, {"state": state, "message": "predict: it broke"})
    try:
        found = world.verify()
        with pytest.raises(Exception, match=f"is {state}"):
            world.explain(world.ids()[0])
    finally:
        world.predicted.mart.note_run(world.predicted.key, {"state": "success", "message": None})
    assert [check.what for check in found.checks] == ["ledger"]
    assert said in faults(found)["ledger"]


def test_the_audit_leaves_the_ledger_alone(world):
    before = world.sql("SELECT * FROM mart.run WHERE pipeline = %s", world.name)
    with pytest.raises(ConfigInvalid):
        world.runner(str(world.predicted.key)).explain("0-0")
    assert world.sql("SELECT * FROM mart.run WHERE pipeline = %s", world.name) == before


def test_every_forecast_is_explained_as_it_was_made(world):
    for chosen in (world.ids("step = 1")[0], world.ids("step = 6")[-1]):
        found = world.explain(chosen)
        assert found.agrees
        assert found.why.sums_hold
        assert sum(found.why.components.values()) == pytest.approx(found.prediction["forecast"])
        assert found.features_from == f"feature set {world.predicted.key}"


def test_the_command_line(world, command):
    chosen = world.ids()[3]
    explained = command("explain", chosen, "--json")
    assert (explained.exit_code, json.loads(explained.stdout)["prediction"]["prediction_id"]) == (0, chosen)
    with world.changed_object(parts(world)[0], None):
        shown = command("verify", "p one", "--pipeline", world.name, "--prediction", chosen)
    assert (shown.exit_code, "1 of " in shown.stdout, f"prediction {chosen}" in shown.stdout) == (1, True, True)
    assert command("verify", "nobody").exit_code == 1
    assert command("explain", "0123456789ab-1").exit_code == 1

"""The model registry on a real MLflow server."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from small_cohorts import small_cohorts, small_rows
from xflow.adapters.mlflow_model import wrap
from xflow.adapters.mlflow_registry import MlflowRegistry
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.forecaster import Forecaster
from xflow.domain.intervals import Conformal
from xflow.domain.panel import Panel
from xflow.environments import PRODUCTION, environment
from xflow.errors import AccessDenied, ModelMissing, ServiceUnavailable
from xflow.refs import ModelVersionRef

pytestmark = pytest.mark.services

HORIZON = 6


def panel() -> Panel:
    values = 10 + np.arange(60.0) % 12
    return Panel.from_series("M", ["a", "b"], [600, 610], [values, 3 * values[:40]])


def forecaster() -> Forecaster:
    members = {"seasonal_naive": (1.0, build_candidate("seasonal_naive", {}, Setting(12, HORIZON)))}
    intervals = Conformal.fit(np.random.default_rng(0).normal(size=(300, HORIZON)), (0.8, 0.95))
    return Forecaster.fit(panel(), members, intervals, 12, HORIZON)


@pytest.fixture(scope="module")
def registry(stack):
    return MlflowRegistry(stack.mlflow_uri, stack.mlflow_username, stack.mlflow_password)


def logged(registry, key):
    run_id = registry.open_run(key, {"horizon": HORIZON}, {"kind": "train"})
    example = panel().tail(24).to_frame()
    documents, files = {"plan": {"horizon": HORIZON}}, {"notes/a.txt": b"1"}
    uri = registry.log_model(run_id, forecaster(), example, {"holdout_mase": 1.0}, {}, documents, files)
    return run_id, uri


def test_a_run_key_has_one_run(registry, key):
    assert registry.open_run(key, {"a": 1}, {}) == registry.open_run(key, {"a": 1}, {})


def test_a_run_repeated_with_other_parameters_gets_a_model_and_a_version_of_its_own(registry, key):
    first = registry.open_run(key, {"checksum": "one", "horizon": 6}, {})
    second = registry.open_run(key, {"checksum": "two", "horizon": 6}, {})
    assert second != first
    assert registry.open_run(key, {}, {}) == second
    assert registry._client.get_run(first).data.tags["xflow.replaced_run_key"] == str(key)


def test_a_run_whose_opening_was_cut_short_gets_the_rest_of_its_parameters(registry, key):
    run_id = registry.open_run(key, {"horizon": 6}, {})
    assert registry.open_run(key, {"horizon": 6, "trials": 2}, {}) == run_id
    assert registry._client.get_run(run_id).data.params == {"horizon": "6", "trials": "2"}


def test_a_repeated_run_is_of_the_code_that_makes_its_model(registry, key):
    def tags(run_id):
        return registry._client.get_run(run_id).data.tags

    run_id = registry.open_run(key, {"horizon": HORIZON}, {"dag_bundle": "xflow@1", "kind": "train"})
    assert registry.open_run(key, {}, {"dag_bundle": "xflow@2"}) == run_id
    assert (tags(run_id)["dag_bundle"], tags(run_id)["kind"]) == ("xflow@2", "train")
    assert logged(registry, key)[0] == run_id
    assert registry.open_run(key, {}, {"dag_bundle": "xflow@3"}) == run_id
    assert tags(run_id)["dag_bundle"] == "xflow@2"


def test_repeating_a_candidate_replaces_it(registry, key):
    run_id = registry.open_run(key, {}, {})
    for score in (2.0, 1.0):
        registry.log_candidate(run_id, "theta", {"log": True}, {"backtest_mase": score}, [{"mase": score}, {"mase": 9}])
    children = registry._client.search_runs(
        [registry._client.get_run(run_id).info.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'"
    )
    assert [child.data.metrics["backtest_mase"] for child in children] == [1.0]
    assert children[0].data.params == {"log": "True"}
    folds = registry._client.get_metric_history(children[0].info.run_id, "fold_mase")
    assert [(fold.step, fold.value) for fold in folds] == [(0, 1.0), (1, 9.0)]


def test_a_model_comes_back_as_it_was_logged(registry, key):
    run_id, uri = logged(registry, key)
    version = registry.register(key.pipeline, run_id, uri, {"run_key": str(key)}, "what it is")
    loaded = registry.load(version)
    want, got = forecaster().forecast(panel(), HORIZON), loaded.forecast(panel(), HORIZON)
    np.testing.assert_array_equal(got.mean, want.mean)
    np.testing.assert_array_equal(got.bounds, want.bounds)


def test_experiment_model_and_version_say_what_they_are(registry, key):
    version = registry.register(key.pipeline, *logged(registry, key), {}, "what it is")
    registry.challenge(version, "better", {"holdout_mase_challenger": 0.9})
    found = registry._client.get_model_version(key.pipeline, version.version)
    assert (found.description, found.run_id) == ("what it is", version.mlflow_run_id)
    assert found.tags == {"decision": "better", "holdout_mase_challenger": "0.9"}
    assert key.pipeline in registry._client.get_registered_model(key.pipeline).description
    tags = registry._client.get_experiment_by_name(key.pipeline).tags
    assert key.pipeline in tags["mlflow.note.content"]


def test_runs_and_candidates_say_what_they_are_and_what_made_them(registry, key):
    predict = key.model_copy(update={"kind": "predict"})
    run_id = registry.open_run(predict, {}, {"git_commit": "abc"})
    registry.log_candidate(run_id, "theta", {}, {}, [])
    found = registry._client.get_run(run_id)
    (child,) = registry._runs(found.info.experiment_id, f"tags.`mlflow.parentRunId` = '{run_id}'")
    assert "drift" in found.data.tags["mlflow.note.content"]
    assert found.data.tags["mlflow.source.name"] == f"xflow predict {key.pipeline}"
    assert found.data.tags["mlflow.source.git.commit"] == "abc"
    assert "candidate" in child.data.tags["mlflow.note.content"]


def test_logging_a_model_prints_nothing(registry, key, capfd):
    registry.register(key.pipeline, *logged(registry, key), {}, "")
    assert capfd.readouterr() == ("", "")


def test_the_logged_model_predicts_long_frames(registry, key):
    import mlflow

    _, uri = logged(registry, key)
    made = mlflow.pyfunc.load_model(uri).predict(panel().to_frame(), params={"horizon": 3})
    assert list(made["series_id"]) == ["a"] * 3 + ["b"] * 3
    assert list(made["step"]) == [1, 2, 3] * 2
    assert (made["lower_95"] <= made["lower_80"]).all()


ELSEWHERE = """
import sys
from pathlib import Path

sys.path = [entry for entry in sys.path if not (Path(entry) / "xflow").exists()]
import mlflow
import pandas as pd

model = mlflow.pyfunc.load_model(sys.argv[1])
model.predict(pd.read_parquet(sys.argv[2])).to_parquet(sys.argv[3])
import xflow

print(xflow.__file__)
"""


@pytest.mark.parametrize("kind", ["series", "vacancies"])
def test_a_logged_model_predicts_where_xflow_is_not_installed(registry, key, tmp_path, kind):
    import mlflow

    model = forecaster() if kind == "series" else small_cohorts("salary")
    rows = panel().to_frame() if kind == "series" else small_rows()
    uri = registry.log_model(registry.open_run(key, {}, {}), model, rows.tail(24), {}, {}, {}, {})
    folder = mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / "model"))
    rows.to_parquet(tmp_path / "rows.parquet")
    files = [folder, tmp_path / "rows.parquet", tmp_path / "made.parquet"]
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *map(str, files)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.split()[-1]).is_relative_to(folder)
    pd.testing.assert_frame_equal(pd.read_parquet(files[2]), wrap(model).predict(None, rows))


def test_a_model_with_exogenous_columns_takes_them_from_long_frames(registry, key):
    import mlflow

    frame = panel().to_frame()
    frame["price"] = np.arange(len(frame), dtype=float)
    known = Panel.from_frame(frame, "M", ["price"]).head(HORIZON)
    members = {"seasonal_naive": (1.0, build_candidate("seasonal_naive", {}, Setting(12, HORIZON)))}
    model = Forecaster.fit(known, members, forecaster().intervals, 12, HORIZON)
    uri = registry.log_model(registry.open_run(key, {}, {}), model, known.tail(24).to_frame(), {}, {}, {}, {})
    made = mlflow.pyfunc.load_model(uri).predict(known.to_frame())
    np.testing.assert_array_equal(made["forecast"], model.forecast(known, HORIZON).mean.ravel())


def test_logging_and_registering_again_changes_nothing(registry, key):
    first, second = logged(registry, key), logged(registry, key)
    assert first == second
    versions = {registry.register(key.pipeline, *first, {}, "").version for _ in range(2)}
    assert len(versions) == 1


def test_a_new_model_has_no_champion_and_promotion_moves_the_aliases(registry, key):
    assert registry.champion(key.pipeline) is None
    old = registry.register(key.pipeline, *logged(registry, key), {}, "")
    assert registry.champion(key.pipeline) is None
    registry.promote(old, None)
    newer = key.model_copy(update={"run_id": "second"})
    new = registry.register(key.pipeline, *logged(registry, newer), {}, "")
    registry.challenge(new, "better", {"holdout_mase_challenger": 0.9})
    registry.promote(new, old)
    champion = registry.champion(key.pipeline)
    assert champion is not None
    assert champion.version == new.version
    aliases = registry._client.get_registered_model(key.pipeline).aliases
    assert {name: str(number) for name, number in aliases.items()} == {
        "champion": new.version,
        "challenger": new.version,
        "previous": old.version,
    }


def test_versions_are_found_by_number_and_by_alias(registry, key):
    made = registry.register(key.pipeline, *logged(registry, key), {"holdout_hash": "abc"}, "")
    registry.stage(made)
    assert registry.version(key.pipeline, made.version) == registry.version(key.pipeline, "@staging") == made
    assert registry.tags(made)["holdout_hash"] == "abc"
    for absent in ("99", "@previous", "@champion", "latest"):
        with pytest.raises(ModelMissing, match=absent):
            registry.version(key.pipeline, absent)
    assert registry.champion(key.pipeline) is None


@pytest.mark.parametrize(("name", "previous"), [("dev", "dev_previous"), ("staging", "staging_previous")])
def test_an_environment_serves_by_an_alias_of_its_own(registry, key, name, previous):
    first = registry.register(key.pipeline, *logged(registry, key), {}, "")
    second = registry.register(key.pipeline, *logged(registry, key.model_copy(update={"run_id": "second"})), {}, "")
    registry.promote(first, None)
    registry.environment = environment(name)
    assert registry.champion(key.pipeline) is None
    registry.promote(first, None)
    registry.promote(second, first)
    assert registry.champion(key.pipeline) == second
    assert registry.version(key.pipeline, f"@{previous}") == first
    registry.environment = PRODUCTION
    assert registry.champion(key.pipeline) == first


def test_files_of_a_run_are_read_back_and_replaced(registry, key):
    run_id, _ = logged(registry, key)
    assert registry.artifact(run_id, "notes/a.txt") == b"1"
    registry.log_files(run_id, {"notes/a.txt": b"2", "b.txt": b"3"})
    assert (registry.artifact(run_id, "notes/a.txt"), registry.artifact(run_id, "b.txt")) == (b"2", b"3")
    assert json.loads(registry.artifact(run_id, "plan.json")) == {"horizon": HORIZON}
    for absent in ("c.txt", "notes", "other/a.txt"):
        with pytest.raises(ModelMissing, match=absent):
            registry.artifact(run_id, absent)


def test_what_a_run_was_opened_with_is_read_back(registry, key):
    run_id = registry.open_run(key, {"horizon": 6}, {"kind": "predict"})
    registry.log_metrics(run_id, {"drift": 0.25})
    facts = registry.facts(run_id)
    assert (facts["params"]["horizon"], facts["tags"]["kind"], facts["metrics"]) == ("6", "predict", {"drift": 0.25})
    with pytest.raises((ModelMissing, AccessDenied)):  # who is no administrator learns no more
        registry.facts("0" * 32)


@pytest.mark.parametrize(
    ("run_id", "said"),
    [
        ("asset_triggered__2026-11-21T23:14:20.363187+00:00_yBA28kDJ", "2026-11-21 23:14 asset triggered"),
        ("cli-20261121T231234030734", "2026-11-21 23:12 cli"),
        ("by/hand", "by-hand-"),
    ],
)
def test_a_run_is_named_by_its_kind_target_and_time(registry, key, run_id, said):
    named = key.model_copy(update={"run_id": run_id})
    opened = registry.open_run(named, {}, {}), registry.open_run(named, {}, {}, "salary")
    names = [registry._client.get_run(each).info.run_name for each in opened]
    assert names[0].startswith(f"{key.kind} {said}")
    assert names[1].startswith(f"{key.kind} salary {said}")


def test_an_absent_version_is_missing(registry, key):
    with pytest.raises(ModelMissing):
        registry.load(ModelVersionRef(name=key.pipeline, version="1", mlflow_run_id="none"))


def test_wrong_password_is_access_denied(stack, key, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "nobody")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "nothing")
    with pytest.raises(AccessDenied):
        MlflowRegistry(stack.mlflow_uri, stack.mlflow_username, "wrong").champion(key.pipeline)
    MlflowRegistry(stack.mlflow_uri, stack.mlflow_username, stack.mlflow_password)


def test_a_server_that_is_down_can_be_retried(stack, key, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = MlflowRegistry("http://127.0.0.1:9", stack.mlflow_username, stack.mlflow_password)
    with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:9"):
        registry.champion(key.pipeline)
    MlflowRegistry(stack.mlflow_uri, stack.mlflow_username, stack.mlflow_password)

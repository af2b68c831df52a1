"""Models of both kinds are trained again from their manifests, on the real stores, and nothing is left behind."""

import io
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import psycopg2
import pytest
from feature_blocks import signed_in
from mart_rows import EXACT
from typer.testing import CliRunner

from xflow import cli
from xflow.errors import NotReproducible
from xflow.pipeline import KINDS
from xflow.refs import ModelVersionRef, RunKey
from xflow.reproduce_runner import ReproduceRunner
from xflow.steps.reproduce import manifest_of
from xflow.train_runner import TrainRunner

pytestmark = pytest.mark.services

NOW = datetime(2026, 10, 31, 6)
TRADES = (("убирать двор и подъезды, чистить снег", 40_000), ("проектировать узлы станков, вести чертежи", 240_000))
SERIES = {
    "contract": {"frequency": "M", "min_length": 30},
    "model": {
        "seasonality": 12, "horizon": 3, "folds": 1, "trials": 3, "floor": "naive",
        "candidates": [
            {"name": "naive", "kind": "seasonal_naive"},
            {"name": "xgb", "kind": "global_xgb", "params": {"trees": 10}, "search": {"depth": [2, 4]}},
        ],
    },
}  # fmt: skip
VACANCIES = {
    "kind": "vacancies",
    "model": {
        "folds": 2, "trials": 2, "demand": None, "salary": {"not_stated": "leave_out"},
        "candidates": [
            {"name": "majority", "kind": "majority"},
            {"name": "linear", "kind": "logistic", "params": {"chars": 0}, "search": {"C": [0.05, 5.0]}},
            {"name": "xgb", "kind": "xgb", "params": {"chars": 0, "components": 5, "trees": 5}},
        ],
    },
}  # fmt: skip


def pipeline(name, rest):
    places = {"train": f"{name}/train/", "predict": f"{name}/train/"}
    if rest.get("kind"):
        places["take"] = "all"
    document = {"pipeline": name, "description": "Generated.", "input": places, **rest}
    return KINDS[rest.get("kind", "forecasting")].model_validate(document)


def parquet(frame: pd.DataFrame) -> bytes:
    sink = io.BytesIO()
    frame.to_parquet(sink, index=False)
    return sink.getvalue()


def series(seed: int) -> bytes:
    rng, t = np.random.default_rng(seed), np.arange(42)
    times = pd.date_range("2020-01-01", periods=len(t), freq="MS")
    values = 100 * (1 + 0.02 * t) * (1 + 0.2 * np.sin(2 * np.pi * t / 12))
    made = [
        {"series_id": f"s{seed}-{i}", "timestamp": times, "value": values * rng.normal(1, 0.01, 42)} for i in (0, 1)
    ]
    return parquet(pd.concat(map(pd.DataFrame, made)))


def vacancies(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(80):
        duties, pay = TRADES[rng.integers(2)]
        words = [*duties.split(), *(f"слово{rng.integers(300)}" for _ in range(5))]
        rows.append(
            {
                "vacancy_id": f"{seed}-{i}",
                "snapshot_at": NOW,
                "responsibility": " ".join(rng.permutation(words)),
                "employer_id": f"e{seed}-{i // 4}",
                "salary_from": float(pay * rng.uniform(0.95, 1.05)),
                "salary_currency": "RUR",
                "published_at": NOW - timedelta(days=float(80 - i)),
            }
        )
    return parquet(pd.DataFrame(rows))


def tuned(run, checked, force=False):
    (target,) = run.pipeline.targets
    planned = run.plan(run.write_features(checked, force), target=target)
    return planned, [run.tune(planned, candidate, force) for candidate in run.candidates(target)]


class Trained:
    """A training on the real stores, up to the registered version."""

    def __init__(self, stack, name, rest, make):
        self.settings, self.config = stack, pipeline(name, rest)
        self.make = make
        run = TrainRunner(stack, self.config, RunKey(pipeline=name, kind="train", run_id="one"))
        self.run = run
        for number in (1, 2):
            run.store.put(f"{name}/train/part-{number}.parquet", make(number))
        checked = run.check_contract()
        run.load_mart(checked)
        planned, self.scores = tuned(run, checked)
        self.selection = run.select(planned, self.scores)
        self.version = run.register(planned, run.fit(planned, self.selection, checked))

    @property
    def uri(self):
        return f"models:/{self.version['name']}/{self.version['version']}"

    def left(self):
        """Return what reproductions would leave: ledger rows, objects, feature sets, runs, versions and aliases."""
        with psycopg2.connect(self.settings.greenplum_dsn, options=EXACT) as connection, connection.cursor() as cursor:
            cursor.execute("select run_key from mart.run where pipeline = %s order by 1", (self.config.name,))
            runs = cursor.fetchall()
        client, name = self.run.registry._client, self.version["name"]
        experiment = client.get_experiment_by_name(self.config.name).experiment_id
        store = self.run.store
        with signed_in(self.settings.tarantool_uri) as connection:
            sets = [row[1] for row in connection.select("feature_set") if self.config.name.encode() in row[1]]
        return {
            "ledger": runs,
            "objects": sorted(
                item["Key"] for item in store._below(self.settings.s3_bucket, f"runs/{self.config.name}/")
            ),
            "sets": sets,
            "mlflow": sorted(run.info.run_id for run in client.search_runs([experiment])),
            "versions": sorted(found.version for found in client.search_model_versions(f"name = '{name}'")),
            "aliases": client.get_registered_model(name).aliases,
        }


@pytest.fixture(scope="module", params=["series", "vacancies"])
def trained(request, stack, tmp_path_factory):
    rest, make = {"series": (SERIES, series), "vacancies": (VACANCIES, vacancies)}[request.param]
    name = f"t_{tmp_path_factory.mktemp('name').name[-2:]}{np.random.default_rng().integers(10**9)}"
    return Trained(stack, name.replace("-", "_"), rest, make)


def test_a_model_is_trained_again_bit_for_bit_whatever_its_file_says_and_leaves_nothing(
    trained, stack_home, tmp_path, monkeypatch
):
    (tmp_path / f"{trained.config.name}.yaml").write_text("another: configuration\n")
    monkeypatch.setenv("XFLOW_ENV_FILE", str(stack_home / "env"))
    monkeypatch.setenv("XFLOW_PIPELINES", str(tmp_path))
    before = trained.left()
    answer = CliRunner().invoke(cli.app, ["reproduce", trained.uri])
    assert answer.exit_code == 0, answer.output
    assert "equal bit for bit" in answer.output
    assert "2 input objects hold what it learned from" in answer.output
    assert trained.left() == before


def test_an_unchanged_training_takes_over_what_was_computed_and_the_ledger_says_so(trained):
    first = str(trained.run.key)
    run = TrainRunner(
        trained.settings, trained.config, RunKey(pipeline=trained.config.name, kind="train", run_id="two")
    )
    checked = run.check_contract()
    planned, scores = tuned(run, checked)
    assert planned["feature_set"]["id"] == first
    assert [score | {"reused_from": ""} for score in scores] == trained.scores
    assert {score["reused_from"] for score in scores} == {first}
    assert run.select(planned, scores)["score"] == trained.selection["score"]
    ledger = run.mart.run(run.key)
    assert (ledger["feature_set"], ledger["reused_from"]) == (first, first)
    planned, scores = tuned(run, checked, force=True)
    assert planned["feature_set"]["id"] == str(run.key)
    assert {score["reused_from"] for score in scores} == {""}
    assert [score["score"] for score in scores] == [score["score"] for score in trained.scores]
    assert run.mart.run(run.key)["reused_from"] is None


def test_input_that_changed_or_went_is_named_and_fails(trained, stack_home, monkeypatch):
    store, name = trained.run.store, trained.config.name
    store.put(f"{name}/train/part-1.parquet", trained.make(3))
    store._client.delete_object(Bucket=trained.settings.s3_bucket, Key=f"{name}/train/part-2.parquet")
    monkeypatch.setenv("XFLOW_ENV_FILE", str(stack_home / "env"))
    answer = CliRunner().invoke(cli.app, ["reproduce", trained.uri])
    assert answer.exit_code == 1
    assert "2 of 2 input objects" in answer.stderr
    assert "part-1.parquet has changed" in answer.stderr
    assert "part-2.parquet has gone" in answer.stderr


def test_a_damaged_manifest_is_said(trained):
    run = trained.run
    run.registry.log_files(trained.version["mlflow_run_id"], {"manifest.json": b'{"layout": 1'})
    with pytest.raises(NotReproducible, match="its manifest is damaged"):
        ReproduceRunner.of(trained.settings, trained.uri)


def test_a_model_of_before_manifests_is_said(trained):
    registry = trained.run.registry
    bare = registry.open_run(RunKey(pipeline=trained.config.name, kind="train", run_id="older"), {}, {})
    older = ModelVersionRef(name="demo", version="1", mlflow_run_id=bare)
    with pytest.raises(NotReproducible, match="demo version 1: it has no manifest"):
        manifest_of(older, registry=registry)

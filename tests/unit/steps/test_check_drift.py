"""The drift gate over the fakes, for series and for vacancies: what stops, what warns, what is left behind."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from xflow.adapters.memory import MemoryFeatures, MemoryMart, MemoryStore
from xflow.adapters.memory_registry import MemoryRegistry
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.drift import Column, Drift, Level
from xflow.domain.drift_tests import contingency
from xflow.domain.forecaster import Forecaster
from xflow.domain.intervals import Conformal
from xflow.domain.vacancies import candidates, splits
from xflow.domain.vacancies.cohorts import salary_labels
from xflow.domain.vacancies.features import NUMBERS, text_columns
from xflow.domain.vacancies.model import fit_model
from xflow.domain.vacancies.records import record_facts, to_blocks
from xflow.domain.vacancies.text import lemmas
from xflow.errors import DriftStop
from xflow.pipeline import Pipeline
from xflow.ports import SeriesBlock
from xflow.refs import CheckedInput, ObjectRef, RunKey
from xflow.steps.check_drift import check_drift
from xflow.steps.drift_reference import NAME, read_reference, reference_file
from xflow.steps.drift_report import run_report, to_html
from xflow.steps.kinds import Champion
from xflow.steps.kinds.cohort_data import identities
from xflow.steps.kinds.read_panel import read_panel
from xflow.vacancy_pipeline import SalaryTarget, VacancyPipeline

CODE = {"git_commit": "0123abcd"}
DUTIES = {
    "убирать двор и подъезды, чистить снег": 40_000,
    "проектировать узлы станков, вести чертежи": 120_000,
    "определять архитектуру сервисов, руководить разработкой": 260_000,
}


def checked(rows=0):
    where = ObjectRef(uri="s3://memory/input", etag="e", size=1)
    return CheckedInput(
        objects=(where,), verdict=where, rows_in=rows, rows_accepted=rows, rows_rejected=0, entities=1,
        as_of="2024-01-01T00:00:00",
    )  # fmt: skip


class World:
    """A pipeline with its services, and the first version of its model as the champion."""

    def __init__(self, name, config, facts, write):
        self.config, self.facts, self._write = config, facts, write
        self.store, self.mart = MemoryStore(), MemoryMart()
        self.features, self.registry = MemoryFeatures(), MemoryRegistry()
        self.key = RunKey(pipeline=name, kind="predict", run_id="scheduled__2026-11-21T10:00:00+00:00")
        self.mart.start_run(self.key, {})

    def write(self, data, run_id):
        key = RunKey(pipeline=self.key.pipeline, kind="train", run_id=run_id)
        return self.features.write(key, self.facts, self._write(data))

    def train(self, model, data, rows=0, with_reference=True):
        files = reference_file(self.config, model, self.write(data, "train"), checked(rows), self.features)
        name = self.key.pipeline
        key = RunKey(pipeline=name, kind="train", run_id="train")
        run_id = self.registry.open_run(key, {}, {})
        uri = self.registry.log_model(run_id, model, None, {}, {}, {}, files if with_reference else {})
        version = self.registry.register(name, run_id, uri, {}, "")
        self.champion = Champion(version, model)

    def gate(self, data, rows=0, target="", others=None, **policy):
        policy = self.config.drift.model_copy(update=policy)
        return check_drift(
            self.key, self.config.model_copy(update={"drift": policy}), checked(rows), self.write(data, "new"),
            {target: self.champion} | (others or {}), CODE,
            store=self.store, mart=self.mart, feature_store=self.features, registry=self.registry,
        )  # fmt: skip

    @property
    def ledger(self):
        return self.mart.run(self.key)


def series(n=24, change=lambda values, i: values):
    rng = np.random.default_rng(5)
    made = []
    for i in range(n):
        t = np.arange(72)
        values = 100 * (1 + i) * (1 + 0.01 * t) * (1 + 0.2 * np.sin(2 * np.pi * t / 12)) * rng.normal(1, 0.05, 72)
        values = change(values, i)
        made.append(SeriesBlock(f"s{i}", 500 + 72 - len(values), values, np.zeros((len(values), 0)), i))
    return made


@pytest.fixture
def forecasting():
    config = Pipeline.model_validate(
        {
            "pipeline": "demo",
            "description": "Generated series.",
            "input": {"train": "in/", "predict": "in/"},
            "contract": {"frequency": "M"},
            "model": {
                "seasonality": 12,
                "horizon": 6,
                "candidates": [{"name": "seasonal_naive", "kind": "seasonal_naive"}],
            },
        }
    )
    world = World("demo", config, {"frequency": "M", "exogenous": ""}, lambda blocks: blocks)
    panel, _ = read_panel(world.features, world.write(series(), "train"))
    members = {"naive": (1.0, build_candidate("seasonal_naive", {}, Setting(12, 6)))}
    intervals = Conformal.fit(np.random.default_rng(0).normal(size=(300, 6)), (0.8, 0.95))
    world.model = Forecaster.fit(panel.head(6), members, intervals, 12, 6)
    world.train(world.model, series(), rows=24 * 72)
    return world


def vacancies(n=400, seed=0):
    rng = np.random.default_rng(seed)
    picked = rng.integers(0, 3, n)
    words = [" ".join(f"слово{each}" for each in rng.integers(0, 300, 5)) for _ in range(n)]
    texts = [f"{list(DUTIES)[i]} {word}" for i, word in zip(picked, words, strict=True)]
    frame = pd.DataFrame({"vacancy_id": [f"{seed}-{i}" for i in range(n)], "row_id": np.arange(n)})
    frame["responsibility"], frame["responsibility_lemmas"] = texts, [lemmas(text) for text in texts]
    frame["experience_id"] = rng.choice(["noExperience", "between1And3"], n)
    frame["employer_id"] = [f"{seed}-{i // 2}" for i in range(n)]
    frame[list(NUMBERS)] = 0.0
    frame["salary_net"] = np.where(rng.random(n) < 0.8, np.array([*DUTIES.values()])[picked], np.nan)
    return frame


@pytest.fixture(scope="module")
def learned():
    """A model of the first 240 vacancies."""
    frame, labels = vacancies().head(240), None
    labels = salary_labels(frame, SalaryTarget(), SalaryTarget().boundaries)
    setting = candidates.Setting(("responsibility",), ("experience_id",), (), 0, "cpu")
    oof = np.zeros(labels.feasible.shape)
    for train, test in splits.folds(np.arange(240), labels.codes, 2, 0):
        fitted = candidates.build("logistic", {}, setting).fit(frame.iloc[train], labels.take(train))
        oof[test] = fitted.probabilities(frame.iloc[test])
    model = fit_model(
        {"logistic": (1.0, candidates.build("logistic", {}, setting))}, {"logistic": oof}, frame=frame, labels=labels,
        target="salary", boundaries=(), measure="", texts=("responsibility",), categories=("experience_id",),
    )  # fmt: skip
    return replace(model, learned=frozenset(identities(frame).ravel().tolist()))


@pytest.fixture
def jobs(learned):
    config = VacancyPipeline.model_validate(
        {
            "pipeline": "jobs",
            "kind": "vacancies",
            "description": "Made-up vacancies.",
            "input": {"train": "in/", "predict": "in/"},
            "model": {"candidates": [{"name": "majority", "kind": "majority"}]},
        }
    )
    facts = record_facts(NUMBERS, text_columns(("responsibility",), ("experience_id",)))
    world = World("jobs", config, facts, lambda frame: to_blocks(facts, frame))
    world.train(learned, vacancies())
    return world


def test_the_training_itself_is_no_drift(forecasting, jobs):
    for world, data in ((forecasting, series()), (jobs, vacancies())):
        found = world.gate(data, rows=24 * 72)
        assert (found.verdict, found.reason) == ("ok", "")
        assert found.figures == {
            "drift_columns": 0.0,
            "drift_smallest_p": 1.0,
            "drift_largest_share": 0.0,
            "drift_level": 0.0,
        }
        assert (world.ledger["drift"], world.ledger["metrics"]) == ("ok", found.figures)


def test_the_reference_says_nothing_of_what_the_model_learned_from(jobs):
    frame = read_reference(jobs.registry, "jobs/train/train").frame
    seen = frame["vacancy_id"].str.removeprefix("0-").astype(int) < 240
    assert len(frame) == 200
    assert frame.loc[seen, "cohort"].isna().all()
    assert frame.loc[~seen, "cohort"].notna().all()


def test_a_stop_leaves_report_figures_and_ledger_behind(forecasting):
    with pytest.raises(DriftStop) as stop:
        forecasting.gate(series(change=lambda values, _: values * 1000), rows=24 * 72)
    uri = "s3://memory/reports/demo/" + forecasting.key.slug + "/drift.html"
    for words in ("demo version 1", "moved", "100% moved", uri, "drift.gate: warn"):
        assert words in str(stop.value)
    page = forecasting.store.objects[uri]
    assert b"Drift of demo since demo version 1" in page
    assert len(page) > 1_000_000  # Evidently's page brings its scripts
    run = forecasting.registry.runs[str(forecasting.key)]
    assert run["tags"] == {**CODE, "kind": "predict", "drift": "stop"}
    assert run["metrics"]["drift_level"] == 2
    assert forecasting.registry.artifact(str(forecasting.key), "drift.html") == page
    assert forecasting.ledger["drift"] == "stop"
    assert forecasting.ledger["metrics"]["drift_largest_share"] == 1


def test_broken_vacancies_stop(jobs):
    frame = vacancies(seed=1)
    lost = np.arange(len(frame)) % 3 > 0
    frame["salary_net"] /= 1000
    frame["experience_id"] = "remote"
    frame.loc[lost, ["responsibility", "responsibility_lemmas"]] = ""
    with pytest.raises(DriftStop) as stop:
        jobs.gate(frame)
    for words in ("responsibility_words (missing values", "experience_id (new categories", "salary (range"):
        assert words in str(stop.value)


def test_the_level_of_the_pipeline_decides(forecasting):
    fault = series(change=lambda values, _: values * 1000)
    warned = forecasting.gate(fault, gate="warn", ignore=("level",))
    assert warned.verdict == forecasting.ledger["drift"] == "warn"
    assert "moved" in warned.reason
    assert "level (" not in warned.reason
    off = forecasting.gate(fault, gate="off")
    assert (off.verdict, off.reports, forecasting.ledger["drift"]) == ("", (), "")


def test_series_that_are_new_or_gone_and_values_that_were_filled_in_are_counted(forecasting):
    renamed = [replace(block, series_id=f"new{i}") for i, block in enumerate(series()[:20])]
    with pytest.raises(DriftStop) as stop:
        forecasting.gate(renamed, rows=int(20 * 72 * 0.4))
    for words in (
        "20 of 20 series were not in training",
        "24 of 24 series of the training are gone",
        "60.0% filled in",
    ):
        assert words in str(stop.value)


def test_a_champion_without_a_reference_is_not_checked(forecasting, caplog):
    forecasting.registry.files.clear()
    found = forecasting.gate(series(change=lambda values, _: values * 1000))
    assert (found.verdict, forecasting.ledger["drift"]) == ("", "")
    assert "demo version 1 has no drift reference" in caplog.text
    assert forecasting.store.objects == {}


def test_the_p_values_are_evidentlys_and_those_of_the_named_tests():
    rng = np.random.default_rng(0)
    old, new = (
        pd.DataFrame({"x": rng.normal(size=90) + i, "kind": rng.choice([*"abc", None], 90), "none": np.nan})
        for i in range(2)
    )
    old.loc[:5, "x"] = np.nan
    columns = [Column("x"), Column("kind", "category"), Column("none"), Column("absent")]
    found, page = run_report(old, new, columns, 0.01)
    assert found == {
        "x": pytest.approx(ks_2samp(old["x"].dropna(), new["x"]).pvalue),
        "kind": pytest.approx(contingency(old["kind"], new["kind"])),
    }
    assert "K-S p_value" in to_html(page, Drift(Level.OK), "a <title>", columns)
    nothing, page = run_report(old[["none"]], new[["none"]], columns, 0.01)
    assert (nothing, page) == ({}, None)
    assert "a &lt;title&gt;" in to_html(page, Drift(Level.OK), "a <title>", columns)


@pytest.mark.parametrize("n", [5, 7, 30])
def test_samples_a_single_step_apart_are_of_one_source_at_every_size(n):
    """SciPy's exact p-value of these sizes ends above 1, and Evidently gets the asymptotic one."""
    old = pd.DataFrame({"x": np.arange(n, dtype=float)})
    found, _ = run_report(old, old + 0.5, [Column("x")], 0.01)
    assert found["x"] == pytest.approx(1, abs=1e-4)


def test_each_champion_has_a_report_of_its_own_and_the_worst_verdict_counts(jobs, learned):
    other = SimpleNamespace(version=jobs.champion.version.model_copy(update={"mlflow_run_id": "none"}), model=learned)
    found = jobs.gate(vacancies(seed=1), target="salary", others={"demand": other})
    assert [each.rpartition("/")[2] for each in found.reports] == ["drift_salary.html"]
    assert (found.verdict, found.figures["salary_drift_level"]) == ("ok", 0)


def test_a_pipeline_that_never_looks_keeps_no_reference(forecasting):
    policy = forecasting.config.drift.model_copy(update={"gate": "off"})
    config = forecasting.config.model_copy(update={"drift": policy})
    features = forecasting.write(series(), "train")
    assert reference_file(config, forecasting.model, features, checked(), forecasting.features) == {}
    assert NAME in reference_file(forecasting.config, forecasting.model, features, checked(), forecasting.features)

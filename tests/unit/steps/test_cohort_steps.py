"""From flat vacancies to cohorts through the fakes of the ports: the same steps as for series."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from xflow.adapters.memory import MemoryFeatures, MemoryMart, MemoryStore
from xflow.adapters.memory_promotions import MemoryPromotions
from xflow.adapters.memory_registry import MemoryRegistry
from xflow.errors import (
    ChampionMissing,
    ConfigInvalid,
    ContractViolated,
    FloorNotBeaten,
    InputMissing,
    ModelIncompatible,
)
from xflow.origin import origin_of
from xflow.refs import FoldPlan, ModelVersionRef, Promotion, RunKey
from xflow.schema import vacancy_tables
from xflow.settings import REPOSITORY
from xflow.steps import input_objects
from xflow.steps.check_contract import check_contract
from xflow.steps.fit import fit
from xflow.steps.input_objects import downloaded
from xflow.steps.judge import judge
from xflow.steps.kinds import input_kind
from xflow.steps.kinds.cohort_data import identities
from xflow.steps.kinds.cohort_models import CohortModels
from xflow.steps.load_mart import load_mart
from xflow.steps.load_predictions import load_predictions
from xflow.steps.plan import plan
from xflow.steps.predict import predict
from xflow.steps.promote import close_run, promote, register
from xflow.steps.select import select
from xflow.steps.tune import tune
from xflow.steps.write_features import write_features
from xflow.vacancy_pipeline import FIELDS, SHOWN, VacancyPipeline

NOW = datetime(2026, 10, 31, 6)
WORDS = {
    "дворник": ("убирать двор и подъезды, чистить снег", 40_000, 3),
    "инженер": ("проектировать узлы станков, вести чертежи", 120_000, 14),
    "архитектор": ("определять архитектуру сервисов, руководить разработкой", 260_000, 26),
}
"""What a trade does, earns, and for how many days its vacancies live."""


def pipeline(**model) -> VacancyPipeline:
    candidates = [
        {"name": "majority", "kind": "majority"},
        {"name": "logistic", "kind": "logistic"},
        {"name": "aft", "kind": "aft", "targets": ["demand"], "params": {"components": 10, "trees": 20}},
    ]
    return VacancyPipeline.model_validate(
        {
            "pipeline": "jobs",
            "kind": "vacancies",
            "description": "Made-up vacancies.",
            "input": {"train": "in/", "predict": "in/"},
            "model": {"folds": 3, "trials": 1, "candidates": candidates, "demand": {"min_closed": 20}} | model,
        }
    )


def vacancies(count=360, seed=1, *, history=True, salaries=True, now=NOW) -> pa.Table:
    """Return vacancies of 60 days, as known at a time, whose words tell salary and lifetime; four to an employer."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        trade = list(WORDS)[rng.integers(3)]
        duties, pay, days = WORDS[trade]
        start = NOW - timedelta(days=60 * (count - i) / count)
        lived = timedelta(days=float(days * rng.uniform(0.7, 1.3)))
        shuffled = rng.permutation([*duties.split(), *(f"слово{rng.integers(400)}" for _ in range(6))])
        row = {
            "vacancy_id": f"{1000 + i}",
            "snapshot_at": now,
            "responsibility": " ".join(shuffled),
            "employer_id": f"e{i // 4}",
            "salary_from": float(pay * rng.uniform(0.95, 1.05)) if salaries and rng.random() < 0.8 else None,
            "salary_currency": "RUR",
            "published_at": start,
        }
        if history:
            row |= {"first_seen": start, "closed_at": start + lived if start + lived <= now else None}
        if start <= now:
            rows.append(row)
    return pa.Table.from_pylist(rows)


class World:
    """A pipeline with its services and one delivered table."""

    def __init__(self, config: VacancyPipeline, table: pa.Table):
        self.config = config
        self.store, self.mart = MemoryStore(), MemoryMart()
        self.features, self.registry, self.ledger = MemoryFeatures(), MemoryRegistry(), MemoryPromotions()
        self.plans = {}
        self.mart.prepare("jobs", vacancy_tables())
        self.put(table)

    def put(self, table: pa.Table, name="in/20261031.parquet") -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        self.store.put(name, sink.getvalue().to_pybytes())

    def features_of(self, key: RunKey, as_of=None):
        checked = check_contract(key, self.config, "in/", as_of, store=self.store, mart=self.mart)
        load_mart(key, self.config, checked, store=self.store, mart=self.mart)
        return checked, write_features(key, self.config, checked, store=self.store, features=self.features)

    def plan(self, target: str, run_id="one"):
        self.checked, made = self.features_of(RunKey(pipeline="jobs", kind="train", run_id=run_id))
        self.plans[run_id, target] = plan(self.config, made, None, 1, target=target, feature_store=self.features)
        return self.plans[run_id, target]

    def train(self, target: str, run_id="one"):
        key = RunKey(pipeline="jobs", kind="train", run_id=run_id)
        planned = self.plan(target, run_id)
        stores = {"store": self.store, "feature_store": self.features}
        names = [candidate.name for candidate in self.config.candidates(target)]
        scores = [tune(key, self.config, planned, name, **stores) for name in names]
        chosen = select(key, self.config, planned, scores, {}, registry=self.registry, **stores)
        made_of = {"checked": self.checked, "origin": origin_of(self.config)}
        fitted = fit(key, self.config, planned, chosen, {}, registry=self.registry, **made_of, **stores)
        version = register(key, self.config, planned, fitted, {}, registry=self.registry)
        return self.promote(key, planned, version)

    def promote(self, key: RunKey, planned: FoldPlan, version: ModelVersionRef) -> Promotion:
        stores = {"registry": self.registry, "ledger": self.ledger}
        verdict = judge(self.config, planned, version, feature_store=self.features, **stores)
        return promote(key, self.config, verdict, None, {}, **stores)

    def predict(self, run_id="one"):
        key = RunKey(pipeline="jobs", kind="predict", run_id=run_id)
        checked, made = self.features_of(key)
        found = predict(
            key, self.config, checked, made, None, "commit",
            store=self.store, feature_store=self.features, registry=self.registry, ledger=MemoryPromotions(),
        )  # fmt: skip
        load_predictions(key, self.config, found, store=self.store, mart=self.mart)
        return self.mart.rows[str(key), "jobs_prediction"]


@pytest.fixture(scope="module")
def trained() -> World:
    world = World(pipeline(), vacancies())
    key = RunKey(pipeline="jobs", kind="train", run_id="one")
    close_run(key, [world.train("salary"), world.train("demand")], mart=world.mart)
    return world


def test_each_target_gets_a_champion_that_reads_the_words(trained):
    for target in ("salary", "demand"):
        metrics = trained.registry.runs[f"jobs/train/one/{target}"]["metrics"]
        assert metrics["holdout_log_loss"] < metrics["holdout_log_loss_floor"]
        assert metrics["holdout_roc_auc"] > 0.8
        assert trained.registry.champion(f"jobs_{target}").version == "1"
    run = trained.mart.runs["jobs/train/one"]
    assert run["state"] == "success"
    assert run["model_name"] == "jobs_salary, jobs_demand"
    assert {"salary_holdout_log_loss", "demand_holdout_log_loss"} <= set(run["metrics"])


def test_every_accepted_vacancy_is_predicted_for_every_target_and_linked_to_its_row(trained):
    rows = trained.predict()
    assert len(rows) == 2 * 360
    linked = {row["row_id"]: row["vacancy_id"] for row in trained.mart.rows["jobs/predict/one", "jobs_input"]}
    for row in rows:
        assert linked[row["input_row_id"]] == row["vacancy_id"]
        shares = json.loads(row["probabilities"])
        assert sum(shares.values()) == pytest.approx(1)
        assert max(shares, key=shares.get) == row["cohort"]
    assert len({row["prediction_id"] for row in rows}) == len(rows)


BAD_LABELS = [
    {"salary_from": 200_000.0, "salary_to": 100_000.0},
    {"salary_from": float("inf")},
    {"salary_from": -5.0},
    {"salary_from": 5.0, "salary_currency": "XTS"},
    {"salary_from": 5.0, "salary_currency": None},
    {"salary_from": 300.0, "salary_mode": "HOUR"},
    {"published_at": datetime(2042, 1, 1)},
    {"closed_at": datetime(2020, 1, 1)},
]


def test_a_bad_label_keeps_no_vacancy_from_its_prediction(trained, caplog):
    rows = vacancies(40).to_pylist()
    for row, bad in zip(rows, BAD_LABELS):
        row.update(bad)
    rows[10]["responsibility"] = None
    world = World(pipeline(), pa.Table.from_pylist(rows, vacancy_tables().input.remove(0)))
    world.registry = trained.registry
    made = world.predict("labels")
    assert len({row["vacancy_id"] for row in made}) == len(rows) - 1
    run = world.mart.runs["jobs/predict/labels"]
    assert (run["rows_in"], run["rows_accepted"], run["rows_rejected"]) == (len(rows), len(rows) - 1, 1)
    for told in ("salary_out_of_range': 2", "currency_unknown': 2", "salary_not_monthly': 1", "published_ahead': 1"):
        assert told in caplog.text


def test_a_repeated_training_is_the_champion_already(trained):
    again = trained.train("salary")
    assert again.reason == "this version is the champion already"
    assert trained.registry.versions["jobs_salary"] == ["jobs/train/one/salary"]


@pytest.mark.parametrize("target", ["salary", "demand"])
def test_no_employer_and_no_vacancy_is_on_two_sides(target):
    world = World(pipeline(), vacancies())
    data = CohortModels(world.config).data(world.plan(target), world.features)
    assert not set(data.frame["employer_id"]) & set(data.holdout["employer_id"])
    assert not set(data.frame["vacancy_id"]) & set(data.holdout["vacancy_id"])
    for train, test in data.folds:
        assert not set(data.frame["employer_id"].iloc[train]) & set(data.frame["employer_id"].iloc[test])


def test_the_holdout_of_lifetimes_is_followed_to_the_last_boundary():
    world = World(pipeline(), vacancies())
    data = CohortModels(world.config).data(world.plan("demand"), world.features)
    assert data.holdout_labels.judged.all()
    assert (data.holdout["followed"] >= 20).all()
    assert (data.labels.upper == np.inf).any()  # those still open are learned from, too
    assert data.frame["followed"].min() < 1  # the youngest as well, of other employers


@pytest.mark.parametrize("target", ["salary", "demand"])
@pytest.mark.parametrize("history", [True, False])
def test_whoever_is_held_out_is_never_learned_from_later(target, history):
    """A month later the champion of then can be judged by nearly the whole holdout of now."""
    world = World(pipeline(), vacancies(800, now=NOW - timedelta(days=20), history=history))
    kind = CohortModels(world.config)
    then = kind.data(world.plan(target, "then"), world.features)
    world.put(vacancies(800, history=history), "in/20261106.parquet")
    now = kind.data(world.plan(target, "now"), world.features)
    learned = np.unique(identities(then.frame))
    known = np.isin(identities(now.holdout), learned).any(axis=1)
    assert not known.any()
    assert not np.isin(identities(now.frame), np.unique(identities(then.holdout))).any()
    assert len(now.frame) > len(then.frame)


def test_quantiles_are_of_what_is_learned_from_and_the_holdout_is_like_all_by_them():
    config = pipeline(demand=None, salary={"quantiles": 3})
    world = World(config, vacancies(1200))
    planned = world.plan("salary")
    kind = CohortModels(config)
    data = kind.data(planned, world.features)
    assert kind.holdout_hash(data) == planned.holdout_hash
    stated = data.frame["salary_net"].dropna()
    assert [(stated < each).mean() for each in planned.boundaries] == pytest.approx([1 / 3, 2 / 3], abs=0.02)
    shares = [labels.feasible.mean(axis=0) for labels in (data.holdout_labels, data.labels)]
    assert shares[0] == pytest.approx(shares[1], abs=0.05)


def test_without_a_history_the_target_is_the_age_and_says_so():
    world = World(pipeline(), vacancies(history=False))
    planned = world.plan("demand")
    assert planned.measure == "age"
    data = CohortModels(world.config).data(planned, world.features)
    assert data.labels.cohorts[0] == "age below 10 days"
    assert len(set(data.holdout_labels.codes.tolist())) > 1


def test_an_input_without_salaries_fails_that_target_alone():
    world = World(pipeline(), vacancies(salaries=False))
    with pytest.raises(ContractViolated, match="states a salary"):
        world.plan("salary")
    assert world.train("demand").promoted
    rows = world.predict()
    assert {row["target"] for row in rows} == {"demand"}


def test_one_cohort_alone_is_refused():
    table = vacancies()
    same = table.set_column(table.column_names.index("salary_from"), "salary_from", pa.array([50_000.0] * len(table)))
    with pytest.raises(ContractViolated, match="below 100k"):
        World(pipeline(), same).plan("salary")


def test_no_model_is_registered_that_does_not_beat_the_floor():
    floor_alone = pipeline(demand=None, candidates=[{"name": "majority", "kind": "majority"}])
    world = World(floor_alone, vacancies())
    with pytest.raises(FloorNotBeaten, match=r"jobs_salary: .* No model was registered"):
        world.train("salary")
    assert world.registry.versions == {}


@pytest.mark.parametrize(("target", "history"), [("salary", True), ("demand", True), ("salary", False)])
def test_a_model_is_never_judged_by_what_it_knows(target, history):
    """Days later the holdout is another one; the champion of then must not have learned from it."""
    world = World(pipeline(), vacancies(400, now=NOW - timedelta(days=6), history=history))
    champion = world.train(target, "then")
    assert champion.promoted
    world.put(vacancies(400, history=history), "in/20261106.parquet")
    kind, planned = CohortModels(world.config), world.plan(target, "now")
    data = kind.data(planned, world.features)
    model = world.registry.load(world.registry.champion(f"jobs_{target}"))
    first = kind.data(world.plans["then", target], world.features)
    known = set(first.frame["vacancy_id"]), set(first.frame["employer_id"])
    scored = np.isfinite(kind.errors(model, data))
    assert scored.any()
    assert not known[0] & set(data.holdout["vacancy_id"][scored])
    assert not known[1] & set(data.holdout["employer_id"][scored])


def test_a_vacancy_an_employer_or_a_text_that_a_model_learned_from_does_not_judge_it(trained):
    kind, planned = CohortModels(trained.config), trained.plans["one", "salary"]
    data = kind.data(planned, trained.features)
    model = trained.registry.load(trained.registry.champion("jobs_salary"))
    assert np.isfinite(kind.errors(model, data)).all()
    for column, known in enumerate(identities(data.holdout)[0].tolist()):
        scored = np.isfinite(kind.errors(replace(model, learned=model.learned | {known}), data))
        same = identities(data.holdout)[:, column] == known
        assert (scored == ~same).all()
        assert same.sum() == (4 if column == 1 else 1)  # an employer's four, one vacancy, one text


def test_a_changed_file_leaves_the_champion_behind(trained):
    other = World(pipeline(salary={"boundaries": [80_000]}), vacancies())
    other.registry = trained.registry
    with pytest.raises(ModelIncompatible, match="boundaries"):
        other.predict("other")


def test_no_champion_at_all():
    with pytest.raises(ChampionMissing, match="jobs_salary, jobs_demand"):
        World(pipeline(), vacancies(60)).predict()


def test_an_unknown_target():
    with pytest.raises(ConfigInvalid, match="no target 'age'"):
        World(pipeline(), vacancies(60)).plan("age")


def test_the_newest_delivery_alone_is_read():
    world = World(pipeline(), vacancies(40))
    world.put(vacancies(50), "in/20261101.parquet")
    checked, _ = world.features_of(RunKey(pipeline="jobs", kind="predict", run_id="new"))
    assert (len(checked.objects), checked.rows_in) == (1, 50)
    both = world.config.model_copy(update={"input": world.config.input.model_copy(update={"take": "all"})})
    world.config = both.model_copy(update={"contract": both.contract.model_copy(update={"max_rejected": 1.0})})
    checked, _ = world.features_of(RunKey(pipeline="jobs", kind="predict", run_id="all"))
    assert (len(checked.objects), checked.rows_in) == (2, 90)


@pytest.mark.parametrize(
    ("as_of", "rows"), [(None, 50), ("2026-10-31T06:00", 50), ("2026-10-31", 30), ("2026-10-29T06:00", 30)]
)
def test_an_earlier_as_of_reads_the_delivery_of_that_time(as_of, rows):
    world = World(pipeline(), vacancies(40))
    world.store.delete("in/")
    world.put(vacancies(30, now=datetime(2026, 10, 29, 6)), "in/20261029T060000-hourly.parquet")
    world.put(vacancies(50), "in/20261031T060000-hourly.parquet")
    key = RunKey(pipeline="jobs", kind="predict", run_id="then")
    assert world.features_of(key, as_of)[0].rows_in == rows
    with pytest.raises(InputMissing, match="no delivery was made up to 2026-10-29"):
        world.features_of(key, "2026-10-29")


def test_an_as_of_after_the_newest_snapshot_follows_nobody_beyond_it():
    world = World(pipeline(), vacancies(40))
    key = RunKey(pipeline="jobs", kind="train", run_id="late")
    (checked, then), (_, now) = world.features_of(key, "2027-06-01"), world.features_of(key)
    assert datetime.fromisoformat(checked.as_of) <= NOW
    assert then.checksum == now.checksum


def test_a_champion_of_other_quantiles_is_not_replaced_without_a_comparison():
    world = World(pipeline(demand=None, salary={"quantiles": 3}), vacancies())
    assert world.train("salary").promoted
    world.put(vacancies(seed=2))
    judged = world.train("salary", "two")
    assert (judged.promoted, judged.champion, judged.version) == (False, "1", "2")
    assert "errors of different cohorts cannot be compared" in judged.reason
    more = World(pipeline(demand=None, salary={"quantiles": 4}), vacancies())
    more.registry, more.ledger = world.registry, world.ledger
    assert more.train("salary", "four").promoted


def test_the_quantiles_of_the_guide_give_cohorts_of_equal_size_that_move_with_the_input():
    guide = (REPOSITORY / "research" / "guides" / "own_pipeline.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    document = next(made for each in blocks if (made := yaml.safe_load(each)).get("kind") == "vacancies")
    fast = {"candidates": document["model"]["candidates"][:2], "trials": 1, "demand": None}
    document = document | {"input": {"train": "in/", "predict": "in/"}, "model": document["model"] | fast}
    world = World(VacancyPipeline.model_validate(document), vacancies(800))
    assert world.train("salary").promoted
    model = world.registry.load(world.registry.champion("jobs_salary"))
    assert len(model.cohorts) == len(model.boundaries) + 1 == 4
    assert all(boundary % 100 == 0 for boundary in model.boundaries)
    data = CohortModels(world.config).data(world.plans["one", "salary"], world.features)
    counts = np.array([*data.labels.counts().values()])
    assert counts / counts.sum() == pytest.approx([0.25] * 4, abs=0.03)
    world.put(vacancies(800, seed=2))
    judged = world.train("salary", "two")
    assert (judged.promoted, judged.champion) == (False, "1")
    assert "the quantiles of this input are" in judged.reason


def test_flat_rows_of_duties_alone_are_trained_on_and_predicted(trained):
    assert trained.config.model.texts == SHOWN  # by default; the rows have one
    assert trained.config.model.categories == FIELDS
    assert len(trained.predict("bare")) == 2 * 360
    for target in ("salary", "demand"):
        metrics = trained.registry.runs[f"jobs/train/one/{target}"]["metrics"]
        assert metrics["holdout_log_loss_duties_alone"] == pytest.approx(metrics["holdout_log_loss"])


def test_all_fields_are_learned_from_and_the_figure_of_the_duties_alone_stands_beside():
    table = vacancies(600)
    pay = np.nan_to_num(np.array(table["salary_from"].to_pylist(), dtype=float))
    told = [
        ["noExperience", "between1And3", "between3And6", "moreThan6"][int(x > 1) + (x > 1e5) + (x > 2e5)] for x in pay
    ]
    same = ["делать что нужно" + f" раз{i} два{i} три{i}" for i in range(len(table))]
    rows = table.set_column(table.column_names.index("responsibility"), "responsibility", pa.array(same))
    world = World(pipeline(demand=None), rows.append_column("experience_id", pa.array(told)))
    assert world.train("salary").promoted
    metrics = world.registry.runs["jobs/train/one/salary"]["metrics"]
    assert metrics["holdout_log_loss"] < 0.3 < metrics["holdout_log_loss_duties_alone"]


def test_a_champion_of_lifetimes_outranks_ages_unless_the_file_asks_for_them(trained):
    other = World(pipeline(), vacancies(history=False))
    other.registry = trained.registry
    planned = other.plan("demand", "ages")
    assert planned.measure == "age"
    champion = trained.registry.load(trained.registry.champion("jobs_demand"))
    assert "the champion stays: it knows lifetimes" in CohortModels(other.config).outranks(champion, planned)
    asked = pipeline(demand={"measure": "age"})
    assert CohortModels(asked).outranks(champion, planned) is None
    assert "measure" in CohortModels(asked).mismatch(champion, planned)
    version = trained.registry.register("jobs_demand", "ages", "ages", {}, "")
    judged = other.promote(RunKey(pipeline="jobs", kind="train", run_id="ages"), planned, version)
    assert (judged.promoted, judged.champion) == (False, "1")


def test_a_horizon_is_refused(trained):
    key = RunKey(pipeline="jobs", kind="train", run_id="horizon")
    _, made = trained.features_of(key)
    with pytest.raises(ConfigInvalid, match="vacancies have none"):
        plan(trained.config, made, 3, 1, target="salary", feature_store=trained.features)


def test_long_texts_are_read_in_smaller_batches_with_the_same_outcome(monkeypatch):
    def outcome():
        world, key = World(pipeline(), vacancies(60)), RunKey(pipeline="jobs", kind="predict", run_id="batches")
        checked, made = world.features_of(key)
        kind = input_kind(world.config)
        with downloaded(world.store, checked.objects, kind.columns) as local:
            sizes = [batch.rows.num_rows for batch in local.batches()]
        return sizes, checked.rows_accepted, made.checksum

    whole, accepted, checksum = outcome()
    monkeypatch.setattr(input_objects, "BATCH_BYTES", 1_000)
    parts, *same = outcome()
    assert (whole, same) == ([60], [accepted, checksum])
    assert sum(parts) == 60
    assert max(parts) < 20

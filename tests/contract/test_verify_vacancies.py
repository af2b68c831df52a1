"""A cohort run on the real stores that stands on a collection: followed to the raw response, and explained."""

import json

import pytest
from audit_inputs import vacancy_pipeline
from audit_world import World, faults, flipped, states
from typer.testing import CliRunner

from xflow import cli
from xflow.adapters.vacancy_history import GreenplumHistory
from xflow.domain.audit import State
from xflow.sample_vacancies import write_month
from xflow.settings import ENVIRONMENT
from xflow.steps.deliver import deliver
from xflow.steps.update_history import update_history

pytestmark = pytest.mark.services

CANDIDATES = [
    {"name": "majority", "kind": "majority"},
    {"name": "logistic", "kind": "logistic", "params": {"chars": 3}},
    {"name": "xgb", "kind": "xgb", "params": {"chars": 0, "components": 10, "trees": 20}},
]


@pytest.fixture(scope="module")
def world(stack, tmp_path_factory) -> World:
    name = f"t_auditv_{id(stack) % 10**8}"
    config = vacancy_pipeline(name, candidates=CANDIDATES, demand=None, folds=2)
    made = World(stack, config, tmp_path_factory.mktemp("pipelines"), {})
    made.snapshots = write_month(made.store, name, vacancies=400, days=4)
    history = GreenplumHistory(stack.greenplum_dsn, name)
    update = update_history(name, store=made.store, history=history)
    deliver(config, update.newest, store=made.store, history=history)
    made.train()
    made.predict()
    return made


def test_a_prediction_is_followed_to_the_raw_response_that_told_of_it(world):
    chosen = world.ids()[5]
    found = world.verify(prediction=chosen)
    assert states(found) == {State.OK}, found.checks
    links = {link.what: link for link in found.chain}
    assert [*links][:6] == ["prediction", "input row", "raw object", "delivery", "raw response", "feature set"]
    vacancy, told = links["prediction"].facts["vacancy_id"], links["raw response"]
    assert told.facts["snapshot"] in {ref.snapshot_id for ref in world.snapshots}
    assert told.facts["taken_at"] <= links["input row"].facts["snapshot_at"]
    assert vacancy == links["input row"].facts["vacancy_id"]


def test_a_cohort_is_explained_by_words(world, monkeypatch):
    chosen = world.ids("cohort <> 'not stated'")[0]
    found = world.explain(chosen)
    assert found.agrees
    assert found.why.sums_hold
    assert found.why.cohort == found.prediction["cohort"]
    assert found.why.probabilities[found.why.cohort] == pytest.approx(found.prediction["probability"], abs=1e-6)
    words = {feature.name for feature, _ in found.why.reasons if feature.kind == "word"}
    assert words
    for attribute, variable in ENVIRONMENT.items():
        monkeypatch.setenv(variable, getattr(world.settings, attribute))
    monkeypatch.setenv("XFLOW_PIPELINES", str(world.folder))
    shown = CliRunner().invoke(cli.app, ["explain", chosen])
    assert shown.exit_code == 0, shown.output
    assert f"«{found.why.reasons[0][0].name}»" in shown.stdout or found.why.reasons[0][0].name in shown.stdout


def test_a_prediction_whose_probabilities_were_edited(world):
    chosen = world.ids()[2]
    ((before,),) = world.sql("SELECT probabilities FROM {p}_prediction WHERE prediction_id = %s", chosen)
    edit = "UPDATE {p}_prediction SET probabilities = %s WHERE prediction_id = %s"
    world.sql(edit, json.dumps(dict.fromkeys(json.loads(before), 0.2)), chosen)
    try:
        found, explained = faults(world.checks("output")), world.explain(chosen)
    finally:
        world.sql(edit, before, chosen)
    assert f"prediction_id {chosen}: probabilities is" in found["predictions against S3"]
    assert not explained.agrees


def test_features_are_made_again_from_the_input_or_said_to_be_gone(world):
    chosen = world.ids()[1]
    before = world.explain(chosen).why
    features = world.predicted.features
    ref = features.ready(str(world.predicted.key))
    facts, blocks = features.read(ref)
    kept = [*blocks]
    features.retract(ref.id)
    features.purge(world.predicted.key.job, 0)
    try:
        again = world.explain(chosen)
        (given,) = world.store.list(world.config.input.predict)
        with (
            world.changed_object(given.uri, flipped(world.store.get(given))),
            pytest.raises(Exception, match=f"cannot be made again: {given.uri} holds other content"),
        ):
            world.explain(chosen)
    finally:
        assert features.write(world.predicted.key, facts, kept) == ref
        assert features.publish(ref, facts["as_of"])
    assert again.features_from.startswith("the run's input objects")
    assert again.agrees
    assert again.why == before

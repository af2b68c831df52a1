"""Vacancies through Airflow's API: a generated month taken in, trained on, predicted; then the same runs again."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xflow.adapters.s3 import S3Store
from xflow.refs import RunKey
from xflow.sample_vacancies import write_month
from xflow.vacancy_pipeline import FIELDS, SHOWN

pytestmark = pytest.mark.e2e

PIPELINE = "vacancies"
RUN_ID = "e2e"
TARGETS = ("salary", "demand")


@pytest.fixture(scope="module")
def stack(stack_of):
    return stack_of(PIPELINE)


@pytest.fixture(scope="module")
def collected(stack):
    """Take a generated month in, as a collection that fetches nothing."""
    s = stack.settings
    snapshots = write_month(
        S3Store(s.s3_endpoint, s.s3_bucket, s.s3_access_key, s.s3_secret_key), PIPELINE, vacancies=900
    )
    state = stack.run("collect", RUN_ID, fetch=False)
    assert state == "success", [(t["task_id"], t["state"]) for t in stack.tasks("collect", RUN_ID)]
    stack.switch_off("collect")  # it begins every hour
    return snapshots


@pytest.fixture(scope="module")
def trained(stack, collected):
    stack.switch_on("deploy")
    state = stack.run("train", RUN_ID, trials=1)
    assert state == "success", [(t["task_id"], t["state"]) for t in stack.tasks("train", RUN_ID)]
    return RunKey(pipeline=PIPELINE, kind="train", run_id=RUN_ID)


@pytest.fixture(scope="module")
def predicted(stack, trained):
    state = stack.run("predict", RUN_ID)
    assert state == "success", [(t["task_id"], t["state"]) for t in stack.tasks("predict", RUN_ID)]
    return RunKey(pipeline=PIPELINE, kind="predict", run_id=RUN_ID)


def delivered(stack, kind: str) -> pa.Table:
    """Return the newest delivery to train or predict."""
    key = max(stack.objects(f"input/{PIPELINE}/{kind}/"))
    body = stack.s3.get_object(Bucket=stack.settings.s3_bucket, Key=key)["Body"].read()
    return pq.read_table(pa.BufferReader(body))


def test_the_history_knows_every_snapshot_and_every_vacancy_once(stack, collected):
    assert stack.rows("select count(*) from mart.vacancies_snapshot") == [(len(collected),)]
    ((rows, vacancies, closed),) = stack.rows(
        "select count(*), count(distinct vacancy_id), count(closed_at) from mart.vacancies_history"
    )
    assert rows == vacancies == delivered(stack, "train").num_rows
    assert 0 < closed < rows


def test_training_accounts_for_every_row(stack, trained):
    ((state, rows_in, accepted, rejected),) = stack.rows(
        "select state, rows_in, rows_accepted, rows_rejected from mart.run where run_key = %s", str(trained)
    )
    assert state == "success"
    assert rows_in == accepted + rejected == delivered(stack, "train").num_rows
    assert stack.counts("vacancies_input")[str(trained)] == accepted
    assert stack.counts("rejected_row")[str(trained)] == rejected > 0


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_has_a_champion_that_beats_the_floor(stack, trained, target):
    version = stack.mlflow.get_model_version_by_alias(f"{PIPELINE}_{target}", "champion")
    assert version.tags["run_key"] == str(trained)
    run = stack.mlflow.get_run(version.run_id)
    assert run.data.metrics["backtest_log_loss"] < run.data.metrics["backtest_log_loss_floor"]
    assert run.data.metrics["holdout_roc_auc"] > 0.5
    pictures = {artifact.path for artifact in stack.mlflow.list_artifacts(version.run_id, "figures")}
    assert {"figures/confusion.png", "figures/reliability.png"} <= pictures


def test_every_prediction_is_linked_to_its_vacancy(stack, predicted):
    ((accepted,),) = stack.rows("select rows_accepted from mart.run where run_key = %s", str(predicted))
    assert stack.counts("vacancies_prediction")[str(predicted)] == accepted * len(TARGETS)
    unlinked = stack.rows(
        "select count(*) from mart.vacancies_lineage where run_key = %s and input_responsibility is null",
        str(predicted),
    )
    assert unlinked == [(0,)]
    for cohort, probability, probabilities in stack.rows(
        "select cohort, probability, probabilities from mart.vacancies_prediction where run_key = %s limit 50",
        str(predicted),
    ):
        shares = json.loads(probabilities)
        assert sum(shares.values()) == pytest.approx(1)
        assert shares[cohort] == probability == max(shares.values())


def test_a_promotion_brings_the_champions_into_service_and_they_answer_as_the_batch_does(stack, predicted):
    stack.deployed([f"{PIPELINE}_{target}" for target in TARGETS])
    query = "select vacancy_id, target, cohort, probabilities from mart.vacancies_prediction where run_key = %s"
    batch = {(row[0], row[1]): (row[2], json.loads(row[3])) for row in stack.rows(query, str(predicted))}
    given = {row["vacancy_id"]: row for row in delivered(stack, "predict").to_pylist()}
    fields = (*SHOWN, *FIELDS)
    names = sorted({name for name, _ in batch})[:50]
    asked = [{"id": name} | {field: given[name][field] for field in fields} for name in names]
    answer = stack.service.call("POST", f"/v1/vacancies/predict?pipeline={PIPELINE}", {"vacancies": asked})
    assert len(answer["predictions"]) == len(asked) > 20
    for row in answer["predictions"]:
        for target in TARGETS:
            cohort, probabilities = batch[row["id"], target]
            assert row[target]["cohort"] == cohort
            assert row[target]["probabilities"] == pytest.approx(probabilities, abs=1e-9)


def test_the_same_runs_again_change_nothing(natively, stack, trained, predicted):
    tables = ["run", "vacancies_input", "vacancies_prediction", "rejected_row"]

    def picture():
        mine = {t: {k: n for k, n in stack.counts(t).items() if k in (str(trained), str(predicted))} for t in tables}
        versions = {target: stack.versions(f"{PIPELINE}_{target}") for target in TARGETS}
        predictions = stack.rows(
            "select vacancy_id, target, probabilities from mart.vacancies_prediction where run_key = %s order by 1, 2",
            str(predicted),
        )
        history = stack.rows("select count(*), max(last_seen) from mart.vacancies_history")
        deliveries = stack.objects(f"input/{PIPELINE}/")
        return mine, versions, predictions, history, deliveries

    before = picture()
    for kind in ("train", "predict"):
        assert stack.again(kind, RUN_ID) == "success"
    stack.switch_off("train")  # a collection would start one
    assert stack.again("collect", RUN_ID) == "success"
    stack.switch_off("collect")
    assert picture() == before

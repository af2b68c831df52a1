"""What comes after a promotion, through Airflow's API: rollback, a backfill, the monitor, and the audit of it all."""

import time
from datetime import datetime

import numpy as np
import pytest
from test_main_job import HORIZON, MONTHS, PIPELINE, series_table

from xflow.adapters.promotion_ledger import GreenplumPromotions
from xflow.audit_runner import AuditRunner
from xflow.pipeline import load
from xflow.promotion_ports import PromotionRecord
from xflow.refs import RunKey
from xflow.settings import pipelines_folder

pytestmark = pytest.mark.e2e

PAST = datetime(2020, 1, 1)


@pytest.fixture(scope="module")
def stack(natively, stack_of):
    return stack_of(PIPELINE)


def succeeds(stack, kind: str, run_id: str, **conf: object) -> RunKey:
    state = stack.run(kind, run_id, **conf)
    assert state == "success", [(t["task_id"], t["state"]) for t in stack.tasks(kind, run_id)]
    return RunKey(pipeline=PIPELINE, kind=kind, run_id=run_id)


@pytest.fixture(scope="module")
def uri(stack, tmp_path_factory) -> str:
    return stack.upload(tmp_path_factory.mktemp("input"), "tests/trust.parquet", series_table(MONTHS))


@pytest.fixture(scope="module")
def versions(stack, uri) -> tuple[str, str]:
    """Train twice; return a version that serves and another one."""
    for number in (1, 2):
        succeeds(stack, "train", f"trust-{number}", input_uri=uri, horizon=HORIZON, trials=1)
    serving = stack.mlflow.get_model_version_by_alias(PIPELINE, "champion").version
    other = next(version for version in sorted(stack.versions(), key=int) if version != serving)
    return str(serving), str(other)


def test_a_second_training_reuses_the_scores_and_keeps_the_champion(stack, versions):
    (row,) = stack.rows("select reused_from, message from mart.run where run_key = %s", f"{PIPELINE}/train/trust-2")
    assert row[0] in {f"{PIPELINE}/train/trust-1", f"{PIPELINE}/train/e2e"}
    decisions = stack.rows(
        "select run_key, outcome, champion_after from mart.promotion where model_name = %s", PIPELINE
    )
    assert (f"{PIPELINE}/train/trust-2", "kept", versions[0]) in decisions


def test_a_rollback_changes_who_predicts_and_a_second_one_takes_it_back(stack, versions, uri):
    serving, other = versions
    succeeds(stack, "rollback", "trust-there", reason="looks wrong", version=other)
    assert stack.mlflow.get_model_version_by_alias(PIPELINE, "champion").version == other
    predicted = succeeds(stack, "predict", "trust-other", input_uri=uri, horizon=HORIZON)
    query = "select distinct model_version from mart.tourism_monthly_prediction where run_key = %s"
    assert stack.rows(query, str(predicted)) == [(other,)]
    succeeds(stack, "rollback", "trust-back", reason="it was right")
    assert stack.mlflow.get_model_version_by_alias(PIPELINE, "champion").version == serving
    decided = stack.rows("select reason, decided_by, champion_after from mart.promotion where action = 'rollback'")
    assert {row[0] for row in decided} == {"looks wrong", "it was right"}
    assert {row[1] for row in decided} == {"admin"}


def test_a_rollback_without_a_reason_is_refused(stack, versions):
    with pytest.raises(Exception, match="reason"):
        stack.run("rollback", "trust-silent", reason="  ")


def test_a_backfill_predicts_with_the_champion_of_its_date(stack, versions, uri):
    _, other = versions
    said = {"pipeline": PIPELINE, "model_name": PIPELINE, "action": "promote", "outcome": "promoted", "reason": "then"}
    then = said | {"run_key": "long ago", "version": other, "champion_after": other, "alias": "champion"}
    ledger = GreenplumPromotions(stack.settings.greenplum_dsn)
    ledger.record(PromotionRecord.model_validate(then | {"environment": "prod", "decided_at": PAST}))
    dag_id = f"{PIPELINE}_predict"
    months = {"from_date": "2023-06-01T00:00:00Z", "to_date": "2023-06-30T00:00:00Z"}
    asked = {"dag_id": dag_id, **months, "dag_run_conf": {"input_uri": uri}, "max_active_runs": 1}
    stack.rest.call("POST", "/backfills", asked)
    run_id = None
    for _ in range(60):
        runs = stack.rest.call("GET", f"/dags/{dag_id}/dagRuns?limit=100")["dag_runs"]
        run_id = next((run["dag_run_id"] for run in runs if run["run_type"] == "backfill"), None)
        if run_id:
            break
        time.sleep(1)
    assert run_id is not None
    assert stack.wait(dag_id, run_id) == "success"
    key = RunKey(pipeline=PIPELINE, kind="predict", run_id=run_id)
    query = "select distinct model_version from mart.tourism_monthly_prediction where run_key = %s"
    assert stack.rows(query, str(key)) == [(other,)]
    (newest,) = stack.rows("select max(input_timestamp) from mart.tourism_monthly_lineage where run_key = %s", str(key))
    assert newest[0] == datetime(2023, 5, 1)


def test_the_monitor_holds_predictions_against_what_came_true(stack, versions, tmp_path, uri):
    succeeds(stack, "predict", "trust-before", input_uri=uri, horizon=HORIZON)
    later = stack.upload(tmp_path, "tests/later.parquet", series_table(MONTHS + HORIZON))
    succeeds(stack, "predict", "trust-later", input_uri=later, horizon=HORIZON)
    monitored = succeeds(stack, "monitor", "trust")
    found = stack.rows("select n, value from mart.realised where run_key = %s and slice = 'all'", str(monitored))
    assert found
    assert all(n > 0 and np.isfinite(value) for n, value in found)


def test_every_run_is_what_it_was(stack, versions):
    config = load(pipelines_folder() / f"{PIPELINE}.yaml")
    for kind, run_id in (("train", "trust-1"), ("predict", "trust-other")):
        key = RunKey(pipeline=PIPELINE, kind=kind, run_id=run_id)
        found = AuditRunner(stack.settings, config, key).verify()
        assert found.checks
        assert not found.faults

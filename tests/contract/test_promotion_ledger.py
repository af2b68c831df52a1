"""The ledger of promotions: the fake and the table in PostgreSQL."""

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from xflow.adapters.greenplum import GreenplumMart
from xflow.adapters.memory_promotions import MemoryPromotions
from xflow.adapters.promotion_ledger import SCHEMA, GreenplumPromotions
from xflow.promotion_ports import PromotionRecord


@pytest.fixture(params=["memory", pytest.param("greenplum", marks=pytest.mark.services)])
def ledger(request):
    if request.param == "memory":
        return MemoryPromotions()
    return GreenplumPromotions(request.getfixturevalue("stores").greenplum_dsn)


@pytest.fixture
def name():
    return f"t_{uuid.uuid4().hex[:12]}"


def decision(name, **changed) -> PromotionRecord:
    said = {
        "pipeline": name, "model_name": name, "run_key": f"{name}/train/one", "action": "judge", "outcome": "promoted",
        "version": "1", "champion_after": "1", "environment": "prod", "alias": "champion", "reason": "first model",
    }  # fmt: skip
    return PromotionRecord.model_validate(said | changed)


def test_a_decision_is_read_back_as_it_was_made_with_its_time(ledger, name):
    made = decision(
        name, metric="mase", champion_score=1.5, challenger_score=1.25, difference=-0.25, lower=-0.5, upper=-0.125,
        confidence=0.95, units=366, policy='{"confidence": 0.95}', figures="{}", holdout_hash="ab", feature_set="f",
        git_commit="c", decided_by="ann", target="salary",
    )  # fmt: skip
    assert ledger.record(made)
    (found,) = ledger.decisions(name, "prod")
    assert found.model_copy(update={"decided_at": None}) == made
    assert abs(found.decided_at - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=5)
    assert ledger.decisions(name, "staging") == []


def test_the_same_decision_of_a_run_is_written_once(ledger, name):
    assert ledger.record(decision(name))
    assert not ledger.record(decision(name, reason="again"))
    assert ledger.record(decision(name, outcome="kept"))
    assert ledger.record(decision(name))
    assert ledger.record(decision(name, run_key=f"{name}/train/two"))
    assert [row.outcome for row in ledger.decisions(name, "prod")] == ["promoted", "kept", "promoted", "promoted"]


def test_who_served_at_a_time_is_what_had_been_decided_by_then(ledger, name):
    days = [datetime(2026, 10, day) for day in (1, 5, 9, 12)]
    ledger.record(decision(name, decided_at=days[0]))
    second = {"version": "2", "champion_before": "1", "champion_after": "2", "run_key": "b"}
    ledger.record(decision(name, **second, decided_at=days[1]))
    ledger.record(
        decision(
            name, version="3", champion_before="2", champion_after="2", outcome="kept", run_key="c", decided_at=days[2]
        )
    )
    back = {"version": "1", "champion_before": "2", "champion_after": "1", "action": "rollback", "run_key": "d"}
    ledger.record(decision(name, **back, decided_at=days[3]))
    ledger.record(decision(name, environment="dev", alias="dev", version="9", champion_after="9", decided_at=days[2]))
    served = {at: ledger.champion_at(name, "prod", at) for at in (days[0] - timedelta(seconds=1), *days)}
    assert [*served.values()] == [None, "1", "2", "2", "1"]
    assert ledger.champion_at(name, "dev", days[3]) == "9"
    assert ledger.champion_at(f"{name}_other", "prod", days[3]) is None


@pytest.mark.services
def test_two_runs_at_once_both_leave_their_decision(stores, name):
    ledger = GreenplumPromotions(stores.greenplum_dsn)
    runs = [decision(name, run_key=str(i)) for i in range(6)]
    threads = [threading.Thread(target=ledger.record, args=(each,)) for each in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row.run_key for row in ledger.decisions(name, "prod")) == [str(i) for i in range(6)]


@pytest.mark.services
def test_the_readers_account_sees_every_column(stores, name):
    ledger = GreenplumPromotions(stores.greenplum_dsn)
    ledger.record(decision(name))
    with GreenplumMart(stores.greenplum_dsn).transaction("read") as cursor:
        cursor.execute("SELECT has_table_privilege('xflow_reader', 'mart.promotion', 'SELECT')")
        assert cursor.fetchone() == (True,)
        cursor.execute("SELECT * FROM mart.promotion LIMIT 0")
        assert [column.name for column in cursor.description] == ["decision_id", *SCHEMA.names]

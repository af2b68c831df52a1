"""Whether the predictions of a day are on S3: by the runs of the ledger and their manifests."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from mart_rows import TABLES

from xflow.adapters.greenplum import GreenplumMart
from xflow.adapters.s3 import S3Store
from xflow.adapters.started_runs import StartedRuns
from xflow.refs import RunKey
from xflow.settings import Settings
from xflow.steps.predictions_due import Due, predictions_due

pytestmark = pytest.mark.services
SOON = timedelta(minutes=1)

Start = Callable[..., None]


@pytest.fixture
def store(stores: Settings) -> S3Store:
    return S3Store(stores.s3_endpoint, stores.s3_bucket, stores.s3_access_key, stores.s3_secret_key)


@pytest.fixture
def start(stores: Settings, store: S3Store, key: RunKey) -> Start:
    """Start runs of predict, as of now; complete ones have a manifest."""
    mart = GreenplumMart(stores.greenplum_dsn)
    mart.prepare(key.pipeline, TABLES)

    def started(run_id: str, *, complete: bool = False, kind: str = "predict") -> None:
        run = RunKey.model_validate({"pipeline": key.pipeline, "kind": kind, "run_id": run_id})
        mart.start_run(run, {})
        store.put(f"predictions/{key.pipeline}/{run.slug}/part-0.parquet", b"rows")
        if complete:
            store.put(f"predictions/{key.pipeline}/{run.slug}/_manifest.json", b"{}")

    return started


@pytest.fixture
def due(stores: Settings, store: S3Store, key: RunKey) -> Callable[[datetime], Due]:
    runs = StartedRuns(stores.greenplum_dsn)
    return lambda deadline: predictions_due(key.pipeline, deadline, store=store, runs=runs)


def test_only_complete_predictions_count(start: Start, due: Callable[[datetime], Due], key: RunKey) -> None:
    deadline = datetime.now(UTC) + SOON
    assert due(deadline) == Due(since=deadline - timedelta(days=1), made=(), started=())
    start("manual__1")
    start("scheduled__2026-11-21T07:00:00+00:00")
    found = due(deadline)
    assert (found.made, found.started) == ((), ("manual__1", "scheduled__2026-11-21T07:00:00+00:00"))
    start("scheduled__2026-11-21T07:00:00+00:00", complete=True)
    (made,) = due(deadline).made
    assert f"predictions/{key.pipeline}/scheduled__2026-11-21T07" in made


def test_other_runs_do_not_count(start: Start, due: Callable[[datetime], Due]) -> None:
    start("backfill__2026-01-01", complete=True)
    start("backfill-2026-01-01T000000", complete=True)
    start("manual__1", complete=True, kind="train")
    start("cli-1")
    found = due(datetime.now(UTC) + SOON)
    assert (found.made, found.started) == ((), ())
    start("cli-2", complete=True)
    assert len(due(datetime.now(UTC) + SOON).made) == 1


def test_the_day_before_the_deadline_counts(start: Start, due: Callable[[datetime], Due]) -> None:
    start("manual__1", complete=True)
    now = datetime.now(UTC)
    for deadline, counts in ((now + SOON, 1), (now + timedelta(hours=23), 1), (now + timedelta(hours=25), 0)):
        assert len(due(deadline).made) == counts
    assert due(now - SOON).made == ()

"""Whether the predictions that were promised for a time are on S3."""

from datetime import datetime
from typing import Protocol

from xflow.domain.deadline import DAY
from xflow.errors import InputMissing
from xflow.ports import ObjectStore
from xflow.refs import Ref, RunKey
from xflow.schema import MANIFEST

BACKFILL, BY_HAND = ("backfill__", "backfill-"), "cli-"
"""What the ids of runs begin with: of Airflow's backfill and of the command line's, and of one by hand."""


class Runs(Protocol):
    """The ledger, by time."""

    def between(self, pipeline: str, kind: str, since: datetime, until: datetime) -> list[RunKey]:
        """Return the runs of one job that started in a time, oldest first."""


class Due(Ref):
    """What there is of the predictions that were due.

    Attributes
    ----------
    since
        The deadline before: what was started from then on counts.
    made
        Prefixes of the predictions that are complete on S3.
    started
        Ids of Airflow's runs, oldest first; Airflow itself notices when one of them is late.
    """

    since: datetime
    made: tuple[str, ...]
    started: tuple[str, ...]


def predictions_due(pipeline: str, deadline: datetime, *, store: ObjectStore, runs: Runs) -> Due:
    """Look for predictions of runs that started in the day before a deadline.

    Predictions are there when their manifest is, which is written last. Those of a backfill are for past dates and do
    not count.
    """
    since = deadline - DAY
    keys = [each for each in runs.between(pipeline, "predict", since, deadline) if not each.run_id.startswith(BACKFILL)]
    prefixes = [store.uri(f"predictions/{pipeline}/{key.slug}/") for key in keys]
    return Due(
        since=since,
        made=tuple(prefix for prefix in prefixes if _is_there(store, prefix + MANIFEST)),
        started=tuple(key.run_id for key in keys if not key.run_id.startswith(BY_HAND)),
    )


def _is_there(store: ObjectStore, uri: str) -> bool:
    try:
        store.list(uri)
    except InputMissing:
        return False
    return True

"""Which runs the ledger knows of a time."""

from datetime import UTC, datetime

from xflow.adapters.greenplum_server import GreenplumServer
from xflow.refs import RunKey

STARTED = """
SELECT run_id FROM mart.run WHERE pipeline = %s AND kind = %s AND started_at >= %s AND started_at < %s
ORDER BY started_at
"""


class StartedRuns(GreenplumServer):
    """Reads runs by when they started."""

    def between(self, pipeline: str, kind: str, since: datetime, until: datetime) -> list[RunKey]:
        """Return the runs of one job that started from `since` to before `until` (both with a zone), oldest first."""
        moments = [moment.astimezone(UTC).replace(tzinfo=None) for moment in (since, until)]
        with self.transaction("read mart.run") as cursor:
            cursor.execute(STARTED, (pipeline, kind, *moments))
            return [RunKey.model_validate({"pipeline": pipeline, "kind": kind, "run_id": i}) for (i,) in cursor]

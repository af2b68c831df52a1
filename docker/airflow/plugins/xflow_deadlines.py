"""A time of day as the deadline of a DAG run. Airflow's scheduler knows it by this plugin."""

from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk.definitions.deadline import BaseDeadlineReference

from xflow.domain.deadline import next_deadline

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(eq=False)
class TimeOfDay(BaseDeadlineReference):
    """The first time after a run was due at which the clock shows `at` in UTC; a backfill has no deadline."""

    at: str = "00:00"
    required_kwargs = frozenset({"dag_id", "run_id"})

    def serialize_reference(self) -> dict[str, Any]:
        """Return what the serialised DAG keeps."""
        return super().serialize_reference() | {"at": self.at}

    @classmethod
    def deserialize_reference(cls, reference_data: dict[str, Any]) -> "TimeOfDay":
        """Return the reference that the serialised DAG holds."""
        return cls(reference_data["at"])

    def _evaluate_with(self, *, session: "Session", dag_id: str, run_id: str) -> datetime | None:
        from airflow.models.dagrun import DagRun
        from airflow.utils.types import DagRunType
        from sqlalchemy import select

        facts = select(DagRun.run_type, DagRun.run_after).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        run_type, run_after = session.execute(facts).one()
        return None if run_type == DagRunType.BACKFILL_JOB else next_deadline(time.fromisoformat(self.at), run_after)


class XflowDeadlines(AirflowPlugin):
    """Makes the reference known."""

    name = "xflow_deadlines"
    deadline_references = [TimeOfDay]  # noqa: RUF012  # as Airflow's plugins declare them

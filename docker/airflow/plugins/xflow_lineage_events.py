"""Datasets of OpenLineage's events: the declared inlets and outlets of a task, with the addresses of the stores.

Airflow's OpenLineage provider asks for them, where a transport is configured; nothing imports this otherwise.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from airflow.providers.openlineage.extractors.base import BaseExtractor, OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset

from xflow.domain.datasets import Data, Places


class DeclaredData(BaseExtractor):
    """Takes what a task declares.

    What a parameter of the run may name instead is left to the event of the task's end, which knows the parameters:
    consumers add up the datasets of a run's events.
    """

    @classmethod
    def get_operator_classnames(cls) -> list[str]:
        """Return the classes of operators that this is for: tasks made by ``@task``."""
        return ["_PythonDecoratedOperator"]

    def _execute_extraction(self) -> OperatorLineage:
        return self._lineage(lambda data: None if data.unless else data)

    def extract_on_complete(self, task_instance: Any) -> OperatorLineage:
        """Return all that is declared, with what the run's parameters name."""
        given = task_instance.get_template_context()["params"]
        return self._lineage(lambda data: replace(data, name=given.get(data.unless) or data.name))

    def _lineage(self, chosen: Callable[[Data], Data | None]) -> OperatorLineage:
        places = _places()
        ends = []
        for declared in (self.operator.inlets, self.operator.outlets):
            data = (chosen(each) for each in declared if isinstance(each, Data))
            ends.append([places.identity(each) for each in data if each])
        reads, writes = ends
        return OperatorLineage(
            inputs=[InputDataset(*identity) for identity in reads],
            outputs=[OutputDataset(*identity) for identity in writes],
        )


def _places() -> Places:
    from xflow_connections import settings

    s = settings()
    return Places(bucket=s.s3_bucket, mart=s.greenplum_dsn, features=s.tarantool_uri, models=s.mlflow_uri)

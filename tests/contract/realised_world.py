"""A mart with predictions and outcomes as a test says them, and a monitor that looks at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg2
import pyarrow as pa
from mart_rows import select

from xflow.adapters.greenplum import GreenplumMart
from xflow.adapters.memory_registry import MemoryRegistry
from xflow.adapters.realised import GreenplumRealised
from xflow.monitor_ports import Monitored
from xflow.pipeline import AnyPipeline
from xflow.ports import TableRows
from xflow.refs import RunKey
from xflow.settings import Settings
from xflow.steps.kinds import input_kind
from xflow.steps.monitor import monitor

STARTED = datetime(2030, 1, 1)


@dataclass
class World:
    """One pipeline's mart; every run starts an hour after the one before."""

    stores: Settings
    pipeline: AnyPipeline
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    runs: int = 0

    def __post_init__(self) -> None:
        self.mart = GreenplumMart(self.stores.greenplum_dsn)
        self.tables = input_kind(self.pipeline).tables
        self.mart.prepare(self.pipeline.name, self.tables)
        self.realised = GreenplumRealised(self.stores.greenplum_dsn, self.pipeline.name)
        self.realised.prepare()

    def key(self, kind: Any, run_id: str) -> RunKey:
        return RunKey(pipeline=self.pipeline.name, kind=kind, run_id=run_id)

    def run(
        self,
        kind: str,
        run_id: str,
        rows: Sequence[Mapping[str, Any]] = (),
        predictions: Sequence[Mapping[str, Any]] = (),
        **facts: Any,
    ) -> RunKey:
        """Write a run with its accepted input rows and predictions; a row's id is its place."""
        key = self.key(kind, run_id)
        self.mart.start_run(key, {})
        loads = [
            ("input", self.tables.input, [{"row_id": i, **row} for i, row in enumerate(rows)]),
            (
                "prediction",
                self.tables.prediction,
                [{"prediction_id": f"p{i}", **p} for i, p in enumerate(predictions)],
            ),
        ]
        tables = [
            TableRows(f"{self.pipeline.name}_{name}", schema, [pa.RecordBatch.from_pylist(list(found), schema)])
            for name, schema, found in loads
        ]
        self.mart.load(key, tables, {"state": "success"} | facts)
        self._start(key)
        return key

    def reject(self, key: RunKey) -> None:
        """Say that a run has failed: nothing that it left counts."""
        self.mart.note_run(key, {"state": "failed"})

    def version(
        self, target: str = "", params: Mapping[str, str] | None = None, run: str = "", **figures: float
    ) -> str:
        """Register the next version of a model, of a training of that id, which serves from now on."""
        name = self.pipeline.model_name(target)
        run_id = f"{name}-{len(self.registry.versions.get(name, []))}"
        metrics = {f"holdout_{metric}": value for metric, value in figures.items()}
        self.registry.runs[run_id] = {"params": dict(params or {}), "tags": {}, "metrics": metrics}
        made = self.registry.register(name, run_id, run_id, {"run_key": str(self.key("train", run))}, "")
        self.registry.promote(made, None)
        return made.version

    def look(self, run_id: str = "m", as_of: str | None = None) -> Monitored:
        """Run the monitor."""
        key = self.key("monitor", run_id)
        self.mart.start_run(key, {})
        found = monitor(key, self.pipeline, as_of, mart=self.mart, realised=self.realised, registry=self.registry)
        self._start(key)
        return found

    def figures(
        self, slice_: str, metric: str, version: str = "", target: str = "", run_id: str = "m"
    ) -> dict[str, Any]:
        """Return item: (value, n) of what a monitor run wrote, rounded."""
        found = select(
            self.stores,
            "SELECT item, value, n FROM mart.realised WHERE run_key = %s AND slice = %s AND metric = %s "
            "AND model_version = %s AND target = %s",
            str(self.key("monitor", run_id)), slice_, metric, version, target,
        )  # fmt: skip
        return {row["item"]: (round(row["value"], 6), row["n"]) for row in found}

    def rows(self, run_id: str = "m") -> list[dict[str, Any]]:
        """Return all that a monitor run wrote, in one order."""
        found = select(self.stores, "SELECT * FROM mart.realised WHERE run_key = %s", str(self.key("monitor", run_id)))
        return sorted(found, key=repr)

    def _start(self, key: RunKey) -> None:
        """Let a run have started an hour after the one before it."""
        self.runs += 1
        connection = psycopg2.connect(self.stores.greenplum_dsn)
        with connection, connection.cursor() as cursor:
            at = STARTED + timedelta(hours=self.runs)
            cursor.execute("UPDATE mart.run SET started_at = %s WHERE run_key = %s", (at, str(key)))
        connection.close()

"""Let the champions predict, and write their predictions to S3 with a manifest that comes last."""

import json
import logging
import tempfile
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xflow.pipeline import AnyPipeline, check_steps
from xflow.ports import FeatureStore, ModelRegistry, ObjectStore
from xflow.promotion_ports import PromotionLedger
from xflow.refs import CheckedInput, FeatureSetRef, ModelVersionRef, ObjectRef, PredictionRef, RunKey
from xflow.schema import MANIFEST, MANIFEST_SCHEMA_VERSION
from xflow.steps.champions import champions
from xflow.steps.kinds import Progress, input_kind, model_kind

log = logging.getLogger(__name__)

ROWS_A_PART = 2_000_000


def predict(
    key: RunKey,
    pipeline: AnyPipeline,
    checked: CheckedInput,
    features: FeatureSetRef,
    horizon: int | None,
    git_commit: str,
    *,
    store: ObjectStore,
    feature_store: FeatureStore,
    registry: ModelRegistry,
    ledger: PromotionLedger,
    at: datetime | None = None,
    models: Mapping[str, ModelVersionRef] | None = None,
    progress: Progress | None = None,
) -> PredictionRef:
    """Predict every series, or vacancy, of a ready feature set with the champion of each target.

    Parameters
    ----------
    horizon
        Steps to forecast, for series; the pipeline's when None.
    at
        A past time, in UTC without a zone: its champions predict, whatever serves by now.
    models
        Versions that predict, by target, since they were looked at by the drift gate; None: those that serve.
    progress
        Called with the number of series, or vacancies, done and of all.

    Returns
    -------
    PredictionRef
        Prefix ``predictions/<pipeline>/<run>/`` with ``part-*.parquet`` and ``_manifest.json``.

    Raises
    ------
    ChampionMissing
        No model version is the champion of any target: train first.
    ModelIncompatible
        A champion was trained for another configuration of the pipeline.
    ConfigInvalid
        The horizon is out of bounds.
    """
    check_steps(horizon)
    serving = champions(pipeline, at, registry=registry, ledger=ledger, models=models)
    prefix = store.uri(f"predictions/{pipeline.name}/{key.slug}/")
    store.delete(prefix)
    done, figures = 0, Counter[str]()
    with _PartWriter(store, prefix, key, input_kind(pipeline).tables.prediction) as writer:
        for chunk in model_kind(pipeline).predictions(serving, features, checked, horizon, feature_store, store):
            writer.write(chunk.columns)
            done += chunk.entities
            figures.update(chunk.figures)
            if progress:
                progress(done, features.entities)
    versions = tuple(champion.version for champion in serving.values())
    manifest = {
        "schema_version": MANIFEST_SCHEMA_VERSION,
        "run_key": str(key),
        "pipeline": pipeline.name,
        "as_of": checked.as_of,
        "rows": writer.rows,
        "entities": done,
        "figures": dict(figures),
        "models": [version.model_dump(include={"name", "version", "mlflow_run_id"}) for version in versions],
        "feature_set": features.model_dump(mode="json"),
        "inputs": [o.model_dump(mode="json") for o in checked.objects],
        "parts": [o.model_dump(mode="json") for o in writer.parts],
        "git_commit": git_commit,
    }
    if horizon:
        manifest["horizon"] = horizon
    if at:
        manifest["champions_at"] = at.isoformat()
    written = store.put(prefix + MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
    if any(figures.values()):
        log.warning("%s: of %d with features: %s; the column note says why", key, done, dict(figures))
    return PredictionRef(
        prefix=prefix, manifest=written, rows=writer.rows, entities=done, models=versions, figures=dict(figures)
    )


class _PartWriter:
    """Streams predictions into parquet parts on S3, one local file at a time."""

    def __init__(self, store: ObjectStore, prefix: str, key: RunKey, schema: pa.Schema) -> None:
        self.parts: list[ObjectRef] = []
        self.rows = 0
        self._store, self._prefix, self._schema = store, prefix, schema
        self._mark = sha256(str(key).encode()).hexdigest()[:12]
        self._folder = tempfile.TemporaryDirectory(prefix="xflow-")
        self._file: Path = Path(self._folder.name) / "part.parquet"
        self._open: pq.ParquetWriter | None = None
        self._rows_in_part = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._finish_part()
            elif self._open is not None:
                self._open.close()
        finally:
            self._folder.cleanup()

    def write(self, columns: dict[str, Any]) -> None:
        """Append rows, each with an id of its own."""
        rows = len(columns["input_row_id"])
        if not rows:
            return
        numbers = np.arange(self.rows, self.rows + rows)
        ids = pa.array([f"{self._mark}-{number}" for number in numbers], pa.string())
        if self._open is None:
            self._open = pq.ParquetWriter(self._file, self._schema, compression="zstd")
        self._open.write_table(pa.Table.from_pydict({"prediction_id": ids, **columns}, schema=self._schema))
        self._rows_in_part += rows
        self.rows += rows
        if self._rows_in_part >= ROWS_A_PART:
            self._finish_part()

    def _finish_part(self) -> None:
        if self._open is None:
            return
        self._open.close()
        name = f"{self._prefix}part-{len(self.parts):05d}.parquet"
        written = self._store.put(name, self._file)
        self.parts.append(written.model_copy(update={"rows": self._rows_in_part}))
        self._open, self._rows_in_part = None, 0

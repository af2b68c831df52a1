"""Load prediction parquet into the output mart and finish the run's ledger row."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from xflow.errors import InputChanged
from xflow.pipeline import AnyPipeline
from xflow.ports import Mart, ObjectStore, TableRows
from xflow.refs import ObjectRef, PredictionRef, RunKey, TableLoad
from xflow.steps.kinds import input_kind

BATCH_ROWS = 65_536


def load_predictions(
    key: RunKey, pipeline: AnyPipeline, predictions: PredictionRef, *, store: ObjectStore, mart: Mart
) -> TableLoad:
    """Copy the parts that the manifest names into ``mart.<pipeline>_prediction``.

    Raises
    ------
    InputChanged
        A part is no longer what the manifest says, or holds another number of rows.
    """
    manifest = json.loads(store.get(predictions.manifest))
    parts = [ObjectRef.model_validate(part) for part in manifest["parts"]]
    rows = TableRows(
        f"{pipeline.name}_prediction",
        input_kind(pipeline).tables.prediction,
        _batches(store, parts, predictions.rows),
    )
    facts = {
        "state": "success",
        "rows_out": predictions.rows,
        "model_name": ", ".join(model.name for model in predictions.models),
        "model_version": ", ".join(model.version for model in predictions.models),
        "output_uri": predictions.prefix,
    }
    if predictions.figures:
        known = (mart.run(key) or {}).get("metrics") or {}  # the drift gate's, as JSON in the mart
        known = json.loads(known) if isinstance(known, str) else known
        facts["metrics"] = {**known, **predictions.figures}
    return mart.load(key, [rows], facts)[0]


def _batches(store: ObjectStore, parts: list[ObjectRef], expected: int) -> Iterator[pa.RecordBatch]:
    seen = 0
    with tempfile.TemporaryDirectory(prefix="xflow-") as folder:
        for part in parts:
            local = Path(folder) / "part.parquet"
            store.download(part, local)
            with pq.ParquetFile(local) as file:
                for batch in file.iter_batches(BATCH_ROWS):
                    seen += batch.num_rows
                    yield batch
    if seen != expected:
        raise InputChanged(f"predictions: the manifest says {expected} rows, the parts hold {seen}")

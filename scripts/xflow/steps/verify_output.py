"""Prove that the predictions of a run are what its manifest says, on S3 and in the mart, value by value."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xflow.columns import NOTE, SERIES_ID
from xflow.domain.audit import Check, State, agree, difference
from xflow.errors import InputMissing
from xflow.refs import ObjectRef
from xflow.schema import MANIFEST
from xflow.steps.audited import Audited, ReplacedObject, mark_of
from xflow.steps.load_predictions import BATCH_ROWS
from xflow.steps.verify_input import GREENPLUM, S3, pinned

PREDICTION_ID = "prediction_id"


def verify_output(audited: Audited) -> list[Check]:
    """Check manifest, parts and rows of a run's predictions."""
    manifest, prefix = audited.manifest, str(audited.run.get("output_uri") or "")
    if manifest is None:
        gone = f"{prefix}{MANIFEST} is gone, or no manifest any more: run the prediction again"
        return [Check(S3, "manifest", State.FAULT, gone)]
    checks = [_manifest(audited, manifest), *_strangers(audited, manifest, prefix)]
    stored = audited.lineage.content(audited.key, audited.table, audited.schema, PREDICTION_ID)
    checks.append(
        agree(GREENPLUM, "predictions", ledger=audited.run["rows_out"], manifest=manifest["rows"], counted=stored.rows)
    )
    with tempfile.TemporaryDirectory(prefix="xflow-") as folder:
        parts, faults = _parts(audited, manifest, Path(folder))
        checks += faults
        if faults:
            return [*checks, Check(GREENPLUM, "predictions against S3", State.OPEN, "a part is not what it was")]
        rows, size = sum(ref.rows for ref, _ in parts), sum(ref.size for ref, _ in parts)
        checks.append(Check(S3, "parts", State.OK, f"{len(parts)} with their size and sha256, {size:,} bytes"))
        checks.append(agree(S3, "rows of the parts", parquet=rows, manifest=manifest["rows"]))
        wanted = audited.lineage.content_of(audited.key, audited.schema, _batches(parts))
        checks.append(_same_rows(audited, parts, wanted == stored, rows))
    unlinked = audited.lineage.unlinked(audited.key)
    linked = f"{unlinked} of {stored.rows} have no input row in the mart" if unlinked else "every one has its input row"
    return [*checks, Check(GREENPLUM, "lineage of predictions", State.FAULT if unlinked else State.OK, linked)]


def _manifest(audited: Audited, manifest: dict[str, Any]) -> Check:
    """Compare what the manifest says of the run with what the ledger says."""
    inputs = [ObjectRef.model_validate(each) for each in manifest["inputs"]]
    said = {
        "run_key": (manifest["run_key"], str(audited.key)),
        "input": ([ref.sha256 for ref in inputs], [ref.sha256 for ref in audited.objects]),
        "as_of": (manifest["as_of"], audited.run["as_of"]),
        "feature set": (manifest["feature_set"]["id"], audited.run["feature_set"]),
        "models": ([(each["name"], each["version"]) for each in manifest["models"]], audited.models),
        "git commit": (manifest["git_commit"], audited.run["git_commit"]),
    }
    wrong = [f"{name} is {ours}, the ledger says {theirs}" for name, (ours, theirs) in said.items() if ours != theirs]
    if wrong:
        return Check(S3, "manifest", State.FAULT, "; ".join(wrong))
    return Check(S3, "manifest", State.OK, f"names the {', '.join(said)} of the ledger")


def _strangers(audited: Audited, manifest: dict[str, Any], prefix: str) -> list[Check]:
    """Return a fault when objects lie beside the parts that the manifest does not name."""
    try:
        there = {ref.uri for ref in audited.store.list(prefix)}
    except InputMissing:
        there = set()
    odd = sorted(there - {part["uri"] for part in manifest["parts"]})
    if not odd:
        return []
    detail = f"{len(odd)} objects that the manifest does not name, such as {odd[0]}"
    return [Check(S3, "parts", State.FAULT, detail)]


def _parts(
    audited: Audited, manifest: dict[str, Any], folder: Path
) -> tuple[list[tuple[ObjectRef, Path]], list[Check]]:
    """Return local copies of the parts, and a fault for each that is not what the manifest says."""
    found, faults = [], []
    for number, part in enumerate(manifest["parts"]):
        path = folder / f"{number}.parquet"
        try:
            found.append((pinned(audited, ObjectRef.model_validate(part), path), path))
        except ReplacedObject as error:
            faults.append(Check(S3, "part", State.FAULT, str(error)))
    return found, faults


def _batches(parts: list[tuple[ObjectRef, Path]]) -> Iterator[pa.RecordBatch]:
    for _, path in parts:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                yield _noted(batch) if SERIES_ID in batch.schema.names else batch


def _noted(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return forecasts with the column of notes, which those of earlier versions lack."""
    if NOTE in batch.schema.names:
        return batch
    return batch.append_column(NOTE, pa.nulls(batch.num_rows, pa.string()))


def _same_rows(audited: Audited, parts: list[tuple[ObjectRef, Path]], same: bool, rows: int) -> Check:
    """Return whether the mart's predictions are those of the parts; when not, which are not."""
    what = "predictions against S3"
    if same:
        return Check(GREENPLUM, what, State.OK, f"{rows:,} rows equal to the last bit (sha256)")
    expected = (row for batch in _batches(parts) for row in batch.to_pylist())
    found = audited.lineage.rows(audited.key, audited.table, audited.schema, PREDICTION_ID)
    differs = difference(
        expected, (row for batch in found for row in batch.to_pylist()), PREDICTION_ID, lambda name: (len(name), name)
    )
    own = mark_of(str(audited.key))
    return Check(GREENPLUM, what, State.FAULT, f"{differs} (ids of this run begin with {own})")

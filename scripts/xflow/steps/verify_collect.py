"""Prove that a collection's snapshot and deliveries are what its manifest and the ledger say."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from xflow.domain.audit import Check, State, agree
from xflow.errors import InputChanged, InputMissing
from xflow.ports import ObjectStore
from xflow.refs import ObjectRef
from xflow.schema import MANIFEST
from xflow.steps.audited import Audited, ReplacedObject
from xflow.steps.snapshots import raw_prefix
from xflow.steps.verify_input import GREENPLUM, S3, pinned


def verify_collect(audited: Audited) -> list[Check]:
    """Check a collection: the raw responses part by part, their merge into the history, and what was delivered."""
    run, pipeline = audited.run, audited.key.pipeline
    prefix = f"{raw_prefix(pipeline)}dt={str(run['as_of'])[:10]}/{audited.key.slug}/"
    manifest = read_snapshot_manifest(audited.store, prefix)
    if manifest is None and not run["rows_in"]:
        checks = [Check(S3, "snapshot", State.OK, "the run fetched nothing")]
    elif manifest is None:
        checks = [Check(S3, "snapshot", State.FAULT, f"{audited.store.uri(prefix)}{MANIFEST} is gone")]
    else:
        checks = [*_snapshot(audited, manifest)]
    return [*checks, *_delivery(audited)]


def read_snapshot_manifest(store: ObjectStore, prefix: str) -> dict[str, Any] | None:
    """Return the manifest of a snapshot, or None when it has none."""
    found = store.manifests(prefix)
    return dict(json.loads(store.get(found[0]))) if found else None


def _snapshot(audited: Audited, manifest: dict[str, Any]) -> list[Check]:
    parts, faults = [ObjectRef.model_validate(part) for part in manifest["parts"]], list[Check]()
    with tempfile.TemporaryDirectory(prefix="xflow-") as folder:
        for part in parts:
            try:
                pinned(audited, part, Path(folder) / "part.parquet")
            except ReplacedObject as error:
                faults.append(Check(S3, "raw responses", State.FAULT, str(error)))
    if not faults:
        rows, size = sum(part.rows for part in parts), sum(part.size for part in parts)
        detail = f"{len(parts)} parts with their size and sha256, {rows:,} responses, {size:,} bytes"
        faults.append(Check(S3, "raw responses", State.OK, detail))
    known = audited.lineage.knows_snapshot(audited.key.pipeline, manifest["snapshot_id"])
    merged = "the history knows the snapshot" if known else "the history does not know the snapshot: collect again"
    return [
        agree(S3, "snapshot", manifest=manifest["run_key"], ledger=str(audited.key)),
        agree(S3, "vacancies listed", manifest=manifest["vacancies"], ledger=audited.run["rows_in"]),
        *faults,
        Check(GREENPLUM, "history", State.OK if known else State.FAULT, merged),
    ]


def _delivery(audited: Audited) -> list[Check]:
    """Count the vacancies that were delivered to train."""
    uri = audited.run.get("output_uri")
    if not uri:
        return [Check(S3, "delivery", State.OK, "nothing was delivered")]
    with tempfile.TemporaryDirectory(prefix="xflow-") as folder:
        path = Path(folder) / "delivery.parquet"
        try:
            audited.store.download(audited.store.list(str(uri))[0], path)
        except (InputMissing, InputChanged) as error:
            return [Check(S3, "delivery", State.FAULT, str(error))]
        with pq.ParquetFile(path) as file:
            return [agree(S3, "delivery", parquet=file.metadata.num_rows, ledger=audited.run["rows_out"])]

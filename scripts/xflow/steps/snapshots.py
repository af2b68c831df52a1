"""Snapshots of raw responses on S3: parts as they are fetched, and a manifest that makes them one."""

import io
import json
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, ValidationError

from xflow.domain.vacancies.raw import RawResponse
from xflow.errors import InputChanged, InputMissing, InputUnreadable
from xflow.ports import ObjectStore
from xflow.refs import ObjectRef, Ref, SnapshotRef
from xflow.schema import MANIFEST, MANIFEST_SCHEMA_VERSION, RAW_SCHEMA

START_OVER = "Delete the snapshot's prefix: the next collection lists what is still there."
BATCH_ROWS = 256  # search pages of up to a few hundred kB each


class SnapshotFacts(Ref):
    """What a snapshot's writer says about it.

    Attributes
    ----------
    queries
        The searches, as in the pipeline's file.
    found, collected
        Items that the slices say they have, and items in their pages; one vacancy may be in several.
    rates
        Units for one rouble by code of currency.
    figures
        Further counts, such as `duplicates` and `details`.
    """

    source: str
    scope: str
    complete: bool
    vacancies: int
    queries: tuple[dict[str, Any], ...] = ()
    found: int = 0
    collected: int = 0
    rates: dict[str, float] = Field(default_factory=dict)
    figures: dict[str, int] = Field(default_factory=dict)
    run_key: str = ""
    git_commit: str = ""


class SnapshotManifest(SnapshotFacts):
    """A snapshot's manifest: the facts, what the snapshot is called, and its parts in reading order."""

    schema_version: int
    snapshot_id: str
    taken_at: str
    parts: tuple[ObjectRef, ...]


class SnapshotWriter:
    """Writes one snapshot: parts, then the manifest.

    Parameters
    ----------
    store
        Where to.
    pipeline
        The pipeline's name.
    snapshot_id
        A name safe in paths, unique in the pipeline: `RunKey.slug`.
    taken_at
        ISO timestamp in UTC without a zone; the same whenever the snapshot is taken up again.
    """

    def __init__(self, store: ObjectStore, pipeline: str, snapshot_id: str, taken_at: str) -> None:
        self._store, self._id, self._taken_at = store, snapshot_id, taken_at
        self._prefix = f"{raw_prefix(pipeline)}dt={taken_at[:10]}/{snapshot_id}/"
        self._parts: dict[str, ObjectRef] = {}
        self._kept: dict[str, ObjectRef] | None = None

    def finished(self) -> SnapshotRef | None:
        """Return the snapshot when its manifest exists."""
        found = self._store.manifests(self._prefix)
        return _snapshot(found[0], _manifest(self._store, found[0])) if found else None

    def kept(self, name: str) -> list[RawResponse] | None:
        """Return a part that an earlier attempt wrote, and count it in; None when there is none."""
        if self._kept is None:
            self._kept = {_part_name(ref): ref for ref in _listed(self._store, self._prefix)}
        if name not in self._kept:
            return None
        rows = read_part(self._store, self._kept[name])
        self._parts[name] = self._kept[name].model_copy(update={"rows": len(rows)})
        return rows

    def write(self, name: str, rows: Sequence[RawResponse]) -> ObjectRef:
        """Write one part, ``search-...``, ``detail-...`` or ``dictionary``; the same name replaces it."""
        table = pa.Table.from_pylist([asdict(row) for row in rows], schema=RAW_SCHEMA)
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd")
        written = self._store.put(f"{self._prefix}{name}.parquet", sink.getvalue())
        self._parts[name] = written.model_copy(update={"rows": len(rows)})
        return self._parts[name]

    def finish(self, facts: SnapshotFacts) -> SnapshotRef:
        """Write the manifest over the parts written or kept: from now on the snapshot is there."""
        manifest = SnapshotManifest(
            **facts.model_dump(),
            schema_version=MANIFEST_SCHEMA_VERSION,
            snapshot_id=self._id,
            taken_at=self._taken_at,
            parts=tuple(self._parts.values()),
        )
        text = json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False)
        return _snapshot(self._store.put(self._prefix + MANIFEST, text.encode()), manifest)


def raw_prefix(pipeline: str) -> str:
    """Return the prefix of all snapshots of a pipeline."""
    return f"raw/{pipeline}/"


def list_snapshots(store: ObjectStore, prefix: str, known: Container[str] = ()) -> list[SnapshotRef]:
    """Return the finished snapshots below a prefix, oldest first.

    Parameters
    ----------
    prefix
        A prefix as `raw_prefix` gives it.
    known
        Ids of snapshots to leave out; their manifests are not read.
    """
    wanted = [ref for ref in store.manifests(prefix) if ref.uri.split("/")[-2] not in known]
    found = [_snapshot(ref, _manifest(store, ref)) for ref in wanted]
    return sorted(found, key=lambda ref: (ref.taken_at, ref.snapshot_id))


def newest_snapshot(store: ObjectStore, prefix: str) -> SnapshotRef | None:
    """Return the finished snapshot that was taken last, or None; reads the manifests of its day alone."""
    manifests = store.manifests(prefix)
    if not manifests:
        return None
    day = max(ref.uri.split("/")[-3] for ref in manifests)
    newest = [ref for ref in manifests if ref.uri.split("/")[-3] == day]
    return max(
        (_snapshot(ref, _manifest(store, ref)) for ref in newest), key=lambda ref: (ref.taken_at, ref.snapshot_id)
    )


def read_manifest(store: ObjectStore, ref: SnapshotRef) -> SnapshotManifest:
    """Return a snapshot's manifest.

    Raises
    ------
    InputChanged
        It is no longer the one that the reference names.
    """
    return _manifest(store, ref.manifest)


def read_snapshot(store: ObjectStore, ref: SnapshotRef) -> Iterator[pa.RecordBatch]:
    """Yield a snapshot's responses as batches of `RAW_SCHEMA`, one part in memory at a time.

    Raises
    ------
    InputChanged
        A part is no longer what the manifest says.
    InputUnreadable
        A part is not parquet of raw responses.
    """
    for part in read_manifest(store, ref).parts:
        try:
            table = _table(store, part)
        except InputChanged as error:
            raise InputChanged(f"{part.uri}: not the part that the manifest names. {START_OVER} ({error})") from error
        if table.num_rows != part.rows:
            raise InputChanged(f"{part.uri}: {table.num_rows} responses, the manifest says {part.rows}. {START_OVER}")
        yield from table.to_batches(BATCH_ROWS)


def read_part(store: ObjectStore, part: ObjectRef) -> list[RawResponse]:
    """Return the responses of one part; raise as `read_snapshot` does."""
    return [RawResponse(**row) for row in _table(store, part).to_pylist()]


def parts_by_name(manifest: SnapshotManifest) -> dict[str, ObjectRef]:
    """Return a snapshot's parts by the names they were written under."""
    return {_part_name(part): part for part in manifest.parts}


def _table(store: ObjectStore, part: ObjectRef) -> pa.Table:
    data = store.get(part)
    try:
        # With threads, a process that ends right afterwards may abort.
        table = pq.read_table(pa.BufferReader(data), use_threads=False, pre_buffer=False)
        return table.select(RAW_SCHEMA.names).cast(RAW_SCHEMA)
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise InputUnreadable(f"{part.uri}: not parquet of raw responses ({reason}). {START_OVER}") from error


def _manifest(store: ObjectStore, ref: ObjectRef) -> SnapshotManifest:
    try:
        return SnapshotManifest.model_validate_json(store.get(ref))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputUnreadable(
            f"{ref.uri}: not a snapshot's manifest ({'.'.join(map(str, first['loc']))}: {first['msg']}). {START_OVER}"
        ) from error


def _snapshot(ref: ObjectRef, manifest: SnapshotManifest) -> SnapshotRef:
    shared = {name: getattr(manifest, name) for name in ("scope", "complete", "vacancies", "source")}
    return SnapshotRef(
        prefix=ref.uri.removesuffix(MANIFEST),
        snapshot_id=manifest.snapshot_id,
        taken_at=manifest.taken_at,
        manifest=ref,
        **shared,
    )


def _listed(store: ObjectStore, prefix: str) -> Iterable[ObjectRef]:
    try:
        return store.list(prefix)
    except InputMissing:
        return ()


def _part_name(ref: ObjectRef) -> str:
    return ref.uri.rpartition("/")[2].removesuffix(".parquet")

"""The ports in memory, for unit tests of the steps and for what a repeated training must not leave behind.

The contract suite holds them to what the servers do.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from xflow.adapters.packing import Checksum, pack
from xflow.domain.object_names import is_data, no_data, parse_location
from xflow.errors import ConfigInvalid, ContractViolated, FeatureSetMissing, InputChanged, InputMissing
from xflow.ports import Block, TableRows
from xflow.refs import FeatureSetRef, Listing, ObjectRef, RunKey, TableLoad
from xflow.schema import MANIFEST, REJECTED_SCHEMA, RUN_SCHEMA, PipelineTables

PUBLISHED_KEPT = 2
"""Published feature sets of a job that no purge takes."""


class MemoryStore:
    """An `ObjectStore` in a dictionary."""

    def __init__(self, bucket: str = "memory") -> None:
        self.objects: dict[str, bytes] = {}
        self._bucket = bucket

    def uri(self, location: str) -> str:
        """Return the full ``s3://`` URI of a location."""
        bucket, key = parse_location(location, self._bucket)
        return f"s3://{bucket}/{key}"

    def list(self, location: str) -> list[ObjectRef]:
        """Return one object, or all that are data below a prefix ending in ``/``."""
        return [*self.listing(location).objects]

    def listing(self, location: str) -> Listing:
        """Return what lies at a location, and what of it is left out."""
        uri, (bucket, key) = self.uri(location), parse_location(location, self._bucket)
        whole = not key or key.endswith("/")
        below = [name for name in sorted(self.objects) if name.startswith(uri if whole else f"{uri}/")]
        if whole:
            found = [name for name in below if is_data(name.removeprefix(uri), len(self.objects[name]))]
        else:
            found = [uri] if uri in self.objects else []
        left_out = tuple(name for name in below if name not in found) if whole else ()
        if not found:
            raise InputMissing(no_data(f"s3://{bucket}/{key}", key, bool(below) and not whole, left_out))
        objects = tuple(self._ref(name).model_copy(update={"sha256": ""}) for name in found)
        return Listing(objects=objects, left_out=left_out)

    def manifests(self, prefix: str) -> Sequence[ObjectRef]:
        """Return the manifests below a prefix."""
        names = [name for name in sorted(self.objects) if name.startswith(self.uri(prefix))]
        return [self._ref(name) for name in names if name.endswith(f"/{MANIFEST}")]

    def download(self, ref: ObjectRef, target: Path) -> ObjectRef:
        """Write an object to a file, checked against `ref`."""
        target.write_bytes(self.get(ref))
        return self._ref(ref.uri)

    def get(self, ref: ObjectRef) -> bytes:
        """Return an object's bytes, checked against `ref`."""
        if ref.uri not in self.objects:
            raise InputMissing(f"{ref.uri}: no such object")
        stored = self._ref(ref.uri)
        if stored.etag != ref.etag or ref.sha256 not in {"", stored.sha256}:
            raise InputChanged(f"{ref.uri}: replaced since this run listed it")
        return self.objects[ref.uri]

    def put(self, location: str, data: bytes | Path) -> ObjectRef:
        """Write an object from bytes or from a file."""
        self.objects[self.uri(location)] = data if isinstance(data, bytes) else data.read_bytes()
        return self._ref(self.uri(location))

    def delete(self, prefix: str) -> None:
        """Delete every object below a prefix."""
        uri = self.uri(prefix)
        if not uri.endswith("/") or not uri.removeprefix("s3://").partition("/")[2].strip("/"):
            raise ConfigInvalid(f"refusing to delete {uri}: give a prefix that ends in /")
        for name in [name for name in self.objects if name.startswith(uri)]:
            del self.objects[name]

    def _ref(self, uri: str) -> ObjectRef:
        data = self.objects[uri]
        digest = hashlib.sha256(data).hexdigest()
        return ObjectRef(uri=uri, etag=digest[:32], size=len(data), sha256=digest)


class MemoryMart:
    """A `Mart` in dictionaries."""

    def __init__(self) -> None:
        self.schemas: dict[str, pa.Schema] = {"rejected_row": REJECTED_SCHEMA}
        self.rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.runs: dict[str, dict[str, Any]] = {}

    def prepare(self, pipeline: str, tables: PipelineTables) -> None:
        """Remember the tables of a pipeline."""
        wanted = {f"{pipeline}_input": tables.input, f"{pipeline}_prediction": tables.prediction}
        for table, schema in wanted.items():
            if self.schemas.setdefault(table, schema).names != schema.names:
                raise ConfigInvalid(f"mart.{table} has other columns than the pipeline needs")

    def start_run(self, key: RunKey, facts: Mapping[str, Any]) -> None:
        """Write or reset the ledger row of a run."""
        self.runs[str(key)] = dict.fromkeys(RUN_SCHEMA.names) | {
            "run_key": str(key),
            "pipeline": key.pipeline,
            "kind": key.kind,
            "run_id": key.run_id,
            "state": "running",
        }
        self.note_run(key, facts)

    def load(self, key: RunKey, tables: Sequence[TableRows], facts: Mapping[str, Any]) -> list[TableLoad]:
        """Replace this run's rows in `tables` and update its ledger row."""
        staged = {}
        for rows in tables:
            if rows.table not in self.schemas:
                raise ConfigInvalid(f"mart.{rows.table} does not exist")
            staged[str(key), rows.table] = [row for batch in rows.batches for row in batch.to_pylist()]
        self.note_run(key, facts)
        self.rows |= staged
        return [TableLoad(table=table, rows=len(found)) for (_, table), found in staged.items()]

    def note_run(self, key: RunKey, facts: Mapping[str, Any]) -> None:
        """Update columns of the ledger row."""
        unknown = set(facts) - set(RUN_SCHEMA.names)
        if unknown:
            raise ConfigInvalid(f"mart.run has no columns {sorted(unknown)}")
        if str(key) not in self.runs:
            self.start_run(key, {})
        self.runs[str(key)] |= facts

    def run(self, key: RunKey) -> dict[str, Any] | None:
        """Return the ledger row, or None."""
        return self.runs.get(str(key))

    def count(self, key: RunKey, table: str) -> int:
        """Return how many rows of a table carry this run's key."""
        return len(self.rows.get((str(key), table), []))


class MemoryFeatures:
    """A `FeatureStore` in a dictionary."""

    def __init__(self) -> None:
        self.sets: dict[str, tuple[int, str, dict[str, str], list[Block], FeatureSetRef]] = {}
        self._marks: dict[str, tuple[str, int]] = {}
        self._written = itertools.count()

    def write(self, key: RunKey, facts: Mapping[str, str], blocks: Iterable[Block]) -> FeatureSetRef:
        """Write a feature set; it is there once all its blocks were taken."""
        checksum, taken = Checksum(facts), {}
        for block in blocks:
            packed = pack(facts, block)
            if packed.name in taken:
                raise ContractViolated(f"feature set {key}: id {packed.name.decode()!r} comes twice")
            checksum.add(packed)
            taken[packed.name] = block
        ref = FeatureSetRef(id=str(key), entities=checksum.entities, rows=checksum.rows, checksum=checksum.hexdigest())
        ordered = [taken[name] for name in sorted(taken)]
        if self.ready(ref.id) != ref:
            self.retract(ref.id)
        self.sets[ref.id] = (next(self._written), key.job, dict(facts), ordered, ref)
        return ref

    def read(self, ref: FeatureSetRef) -> tuple[dict[str, str], Iterator[Any]]:
        """Return the facts and the blocks of a set."""
        if ref.id not in self.sets or self.sets[ref.id][4].checksum != ref.checksum:
            raise FeatureSetMissing(f"feature set {ref.id}: absent, or holds other content")
        _, _, facts, blocks, _ = self.sets[ref.id]
        return dict(facts), iter(blocks)

    def ready(self, set_id: str) -> FeatureSetRef | None:
        """Return what a set was written with, or None."""
        return self.sets[set_id][4] if set_id in self.sets else None

    def renew(self, job: str, facts: Mapping[str, str], prefer: str = "") -> FeatureSetRef | None:
        """Return the newest set of a job with these facts, as new as if written now, or None."""
        mine = [entry for entry in self.sets.values() if entry[1] == job]
        mine.sort(key=lambda entry: (entry[4].id != prefer, -entry[0]))
        found = next((entry for entry in mine if facts.items() <= entry[2].items()), None)
        if found is None:
            return None
        self.sets[found[4].id] = (next(self._written), *found[1:])
        return found[4]

    def publish(self, ref: FeatureSetRef, as_of: str) -> bool:
        """Mark a set as published."""
        if self.ready(ref.id) != ref:
            return False
        if self._marks.get(ref.id, ("", 0))[0] != as_of:
            self._marks[ref.id] = (as_of, next(self._written))
        return True

    def retract(self, set_id: str) -> None:
        """Take the mark of a set away."""
        self._marks.pop(set_id, None)

    def published(self, job: str) -> tuple[FeatureSetRef, dict[str, str]] | None:
        """Return the published set of a job that knows the newest values with its facts, or None."""
        marked = self._published(job)
        return (self.sets[marked[0]][4], dict(self.sets[marked[0]][2])) if marked else None

    def _published(self, job: str) -> list[str]:
        """Return the ids of the published sets of a job, the newest values first."""
        mine = [name for name in self._marks if name in self.sets and self.sets[name][1] == job]
        return sorted(mine, key=lambda name: self._marks[name], reverse=True)

    def pick(self, ref: FeatureSetRef, ids: Iterable[str]) -> dict[str, Any]:
        """Return some blocks of a set by id."""
        wanted = {*ids}
        facts, blocks = self.read(ref)
        named = ((pack(facts, block).name.decode(), block) for block in blocks)
        return {name: block for name, block in named if name in wanted}

    def purge(self, job: str, keep: int) -> int:
        """Delete all but the `keep` newest sets of a job, and published ones."""
        mine = sorted((entry for entry in self.sets.values() if entry[1] == job), key=lambda e: e[0])
        kept = self._published(job)[:PUBLISHED_KEPT]
        obsolete = [entry for entry in mine[: max(len(mine) - keep, 0)] if entry[4].id not in kept]
        for entry in obsolete:
            del self.sets[entry[4].id]
            self.retract(entry[4].id)
        return len(obsolete)

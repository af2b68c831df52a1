"""Feature sets in Tarantool. The server's half is docker/tarantool/schema.lua."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import tarantool

from xflow.adapters.packing import Checksum, Part, join, pack, split, unpack
from xflow.adapters.tarantool_server import TarantoolServer
from xflow.errors import FeatureSetMissing, ServiceUnavailable
from xflow.ports import Block
from xflow.refs import FeatureSetRef, RunKey

READY = b"ready"
PUBLISHED = 9
"""Where a row of ``feature_set`` has the as_of of a published set; rows of earlier releases end before it."""
BATCH_TUPLES = 1000
BATCH_BYTES = 4 * 1024 * 1024


class TarantoolFeatures:
    """Feature sets in Tarantool, invisible until they are marked ready.

    Parameters
    ----------
    uri
        ``tarantool://user:password@host:port``.
    """

    def __init__(self, uri: str) -> None:
        self._server = TarantoolServer(uri)

    def __repr__(self) -> str:
        """Show the address without the credentials."""
        return f"TarantoolFeatures({self._server.address})"

    def write(self, key: RunKey, facts: Mapping[str, str], blocks: Iterable[Block]) -> FeatureSetRef:
        """Write a feature set and mark it ready in one write; see `xflow.ports.FeatureStore`.

        Raises
        ------
        ContractViolated
            A series id comes twice.
        ServiceUnavailable
            The server went away or has no memory left; nothing of the set stays.
        """
        checksum = Checksum(facts)
        with self._server.session() as connection:
            generation = self._server.call(connection, "feature_begin", str(key), key.job, dict(facts))
            self._put(connection, generation, _batches(generation, facts, blocks, checksum))
            figures = (checksum.entities, checksum.rows, checksum.hexdigest())
            self._must(connection, "feature_finish", generation, *figures)
        return FeatureSetRef(id=str(key), entities=figures[0], rows=figures[1], checksum=figures[2])

    def read(self, ref: FeatureSetRef) -> tuple[dict[str, str], Iterator[Any]]:
        """Return the facts and the blocks of a ready set; see `xflow.ports.FeatureStore`."""
        with self._server.session() as connection:
            generation, facts = self._open(connection, ref)
        return facts, self._verified(ref, facts, generation)

    def pick(self, ref: FeatureSetRef, ids: Iterable[str]) -> dict[str, Any]:
        """Return some blocks of a ready set by id; see `xflow.ports.FeatureStore`."""
        with self._server.session(selects=True) as connection:
            generation, facts = self._open(connection, ref)
            parts = (
                part
                for name in dict.fromkeys(ids)
                for part in self._server.select(connection, "feature_series", "part", generation, name)
            )
            found = {packed.name.decode(): unpack(facts, packed) for packed in join(parts)}
            self._open(connection, ref)  # it may have been dropped meanwhile, piece by piece
        return found

    def _open(self, connection: tarantool.Connection, ref: FeatureSetRef) -> tuple[int, dict[str, str]]:
        """Return the generation of a ready set and its facts."""
        found = self._server.call(connection, "feature_ready", ref.id)
        if found is None:
            raise FeatureSetMissing(
                f"feature set {ref.id}: not in Tarantool at {self._server.address}, or not ready. "
                "It was purged or never finished: clear the task write_features and run it again."
            )
        generation, stored = found[0], found[8].decode()
        if stored != ref.checksum:
            raise FeatureSetMissing(
                f"feature set {ref.id}: holds other content than this run was told of (checksum {stored[:12]}, "
                f"expected {ref.checksum[:12]}). Clear the run from write_features on."
            )
        return generation, _facts(found)

    def ready(self, set_id: str) -> FeatureSetRef | None:
        """Return what a set was marked ready with, or None."""
        with self._server.session() as connection:
            found = self._server.call(connection, "feature_ready", set_id)
        return None if found is None else _ref(found)

    def publish(self, ref: FeatureSetRef, as_of: str) -> bool:
        """Mark a ready set as published; see `xflow.ports.FeatureStore`."""
        with self._server.session() as connection:
            return bool(self._server.call(connection, "feature_publish", ref.id, ref.checksum, as_of))

    def retract(self, set_id: str) -> None:
        """Take the mark of a set away; see `xflow.ports.FeatureStore`."""
        with self._server.session() as connection:
            self._server.call(connection, "feature_retract", set_id)

    def published(self, job: str) -> tuple[FeatureSetRef, dict[str, str]] | None:
        """Return the published set that knows the newest values with its facts; see `xflow.ports.FeatureStore`."""
        with self._server.session(selects=True) as connection:
            stored = self._server.select(connection, "feature_set", "job", job)
        marked = [each for each in stored if len(each) > PUBLISHED and each[PUBLISHED] is not None]
        newest = max(marked, key=lambda each: (each[PUBLISHED], each[PUBLISHED + 1]), default=None)
        return None if newest is None else (_ref(newest), _facts(newest))

    def renew(self, job: str, facts: Mapping[str, str], prefer: str = "") -> FeatureSetRef | None:
        """Return the newest ready set of a job with these facts, as new as if written now; see `FeatureStore`."""
        with self._server.session(selects=True) as connection:
            stored = reversed(self._server.select(connection, "feature_set", "job", job))
            ready = [each for each in stored if each[4] == READY and facts.items() <= _facts(each).items()]
            chosen = next(iter(sorted(ready, key=lambda each: each[1].decode() != prefer)), None)
            return None if chosen is None else self._renewed(connection, chosen)

    def _renewed(self, connection: tarantool.Connection, stored: Any) -> FeatureSetRef | None:
        """Make a ready set as new as if written now; None when it was purged meanwhile."""
        ref = _ref(stored)
        job, figures = stored[2].decode(), (ref.entities, ref.rows, ref.checksum)
        # A set that is finished with the content of the ready one of its id only makes that one new.
        generation = self._server.call(connection, "feature_begin", ref.id, job, _facts(stored))
        self._must(connection, "feature_finish", generation, *figures)
        if self._server.call(connection, "feature_ready", ref.id)[0] == stored[0]:
            return ref
        # It was gone, and an empty set took its name: that one must not be taken for it.
        generation = self._server.call(connection, "feature_begin", ref.id, job, {})
        self._must(connection, "feature_finish", generation, 0, 0, Checksum({}).hexdigest())
        return None

    def purge(self, job: str, keep: int) -> int:
        """Delete all but the newest ready sets of a job, and published ones; return how many sets went."""
        with self._server.session() as connection:
            return int(self._server.call(connection, "feature_purge", job, keep))

    def _put(self, connection: tarantool.Connection, generation: int, batches: Iterable[list[Part]]) -> None:
        """Send batches; the next one is packed while the server takes the last one."""
        with ThreadPoolExecutor(1) as sender:
            sent: Future[None] | None = None
            for batch in batches:
                if sent is not None:
                    sent.result()
                sent = sender.submit(self._must, connection, "feature_put_many", generation, batch)
            if sent is not None:
                sent.result()

    def _verified(self, ref: FeatureSetRef, facts: dict[str, str], generation: int) -> Iterator[Any]:
        seen = Checksum(facts)
        for packed in join(self._stored(generation)):
            seen.add(packed)
            yield unpack(facts, packed)
        if (seen.entities, seen.hexdigest()) != (ref.entities, ref.checksum):
            raise FeatureSetMissing(
                f"feature set {ref.id}: {seen.entities} of {ref.entities} with checksum {seen.hexdigest()[:12]}, "
                f"expected {ref.checksum[:12]}: replaced or purged while it was read, or damaged. "
                "Clear the run from write_features on."
            )

    def _stored(self, generation: int) -> Iterator[Part]:
        with self._server.session() as connection:
            # Parts count from 1, so that this lies before the first tuple of any set.
            after: tuple[Any, int] = ("", 0)
            while batch := self._server.call(connection, "feature_get_many", generation, *after):
                yield from batch
                after = (batch[-1][1], batch[-1][2])

    def _must(self, connection: tarantool.Connection, function: str, *arguments: object) -> None:
        if self._server.call(connection, function, *arguments) is not True:
            raise ServiceUnavailable(
                f"Tarantool at {self._server.address}: the connection was lost while a feature set was written, and "
                "the unfinished set was dropped. Run the task again."
            )


def _ref(stored: Any) -> FeatureSetRef:
    """Return the reference of a row of the space ``feature_set``."""
    return FeatureSetRef(id=stored[1].decode(), entities=stored[6], rows=stored[7], checksum=stored[8].decode())


def _facts(stored: Any) -> dict[str, str]:
    """Return the facts of a row of the space ``feature_set``."""
    return {name.decode(): value.decode() for name, value in stored[5].items()}


def _batches(
    generation: int, facts: Mapping[str, str], blocks: Iterable[Block], checksum: Checksum
) -> Iterator[list[Part]]:
    """Pack blocks into batches of at most so many tuples and about so many bytes, and count them in."""
    batch: list[Part] = []
    size = 0
    for block in blocks:
        packed = pack(facts, block)
        checksum.add(packed)
        for part in split(generation, packed):
            batch.append(part)
            size += len(part[6]) + len(part[7])
            if len(batch) == BATCH_TUPLES or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch

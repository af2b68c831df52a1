"""Feature sets in Tarantool. The server's half is docker/tarantool/schema.lua."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import tarantool
from tarantool.error import DatabaseError, Error, NetworkError

from xflow.adapters.packing import Checksum, Part, join, pack, split, unpack
from xflow.errors import (
    AccessDenied,
    ConfigInvalid,
    ContractViolated,
    FeatureSetMissing,
    ServiceUnavailable,
    XflowError,
)
from xflow.ports import SeriesBlock
from xflow.refs import FeatureSetRef, RunKey

BATCH_TUPLES = 1000
BATCH_BYTES = 4 * 1024 * 1024
CONNECT_SECONDS = 5
CALL_SECONDS = 60

# Codes of box.error, the same in 2.x and 3.x.
ER_MEMORY_ISSUE = 2
ER_TUPLE_FOUND = 3
ER_NO_SUCH_PROC = 33
ACCESS_CODES = {42, 45, 47}  # access denied, no such user, wrong password


class TarantoolFeatures:
    """Feature sets in Tarantool, invisible until they are marked ready.

    Parameters
    ----------
    uri
        ``tarantool://user:password@host:port``.
    """

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        try:
            port = parts.port
        except ValueError:  # its text may show the password
            port = None
        if parts.scheme != "tarantool" or not parts.hostname or not port:
            raise ConfigInvalid(
                "XFLOW_TARANTOOL_URI must look like tarantool://user:password@host:3301, "
                "with %2F for a / in the password and so on"
            )
        self._address = f"{parts.hostname}:{port}"
        self._host, self._port = parts.hostname, port
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")

    def __repr__(self) -> str:
        """Show the address without the credentials."""
        return f"TarantoolFeatures({self._address})"

    def write(self, key: RunKey, facts: Mapping[str, str], series: Iterable[SeriesBlock]) -> FeatureSetRef:
        """Write a feature set and mark it ready in one write; see `xflow.ports.FeatureStore`.

        Raises
        ------
        ContractViolated
            A series id comes twice.
        ServiceUnavailable
            The server went away or has no memory left; nothing of the set stays.
        """
        checksum = Checksum(facts)
        with self._session() as connection:
            generation = self._call(connection, "feature_begin", str(key), key.job, dict(facts))
            self._put(connection, generation, _batches(generation, series, checksum))
            figures = (checksum.series, checksum.rows, checksum.hexdigest())
            self._must(connection, "feature_finish", generation, *figures)
        return FeatureSetRef(id=str(key), series=figures[0], rows=figures[1], checksum=figures[2])

    def read(self, ref: FeatureSetRef) -> tuple[dict[str, str], Iterator[SeriesBlock]]:
        """Return the facts and the series of a ready set; see `xflow.ports.FeatureStore`."""
        with self._session() as connection:
            found = self._call(connection, "feature_ready", ref.id)
        if found is None:
            raise FeatureSetMissing(
                f"feature set {ref.id}: not in Tarantool at {self._address}, or not ready. "
                "It was purged or never finished: clear the task write_features and run it again."
            )
        generation, stored = found[0], found[8].decode()
        if stored != ref.checksum:
            raise FeatureSetMissing(
                f"feature set {ref.id}: holds other content than this run was told of (checksum {stored[:12]}, "
                f"expected {ref.checksum[:12]}). Clear the run from write_features on."
            )
        facts = {name.decode(): value.decode() for name, value in found[5].items()}
        return facts, self._verified(ref, facts, generation)

    def purge(self, job: str, keep: int) -> int:
        """Delete all but the `keep` newest ready sets of a job; return how many sets went."""
        with self._session() as connection:
            return int(self._call(connection, "feature_purge", job, keep))

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

    def _verified(self, ref: FeatureSetRef, facts: dict[str, str], generation: int) -> Iterator[SeriesBlock]:
        seen = Checksum(facts)
        for packed in join(self._stored(generation)):
            seen.add(packed)
            yield unpack(packed)
        if (seen.series, seen.hexdigest()) != (ref.series, ref.checksum):
            raise FeatureSetMissing(
                f"feature set {ref.id}: {seen.series} series of {ref.series} with checksum {seen.hexdigest()[:12]}, "
                f"expected {ref.checksum[:12]}: replaced or purged while it was read, or damaged. "
                "Clear the run from write_features on."
            )

    def _stored(self, generation: int) -> Iterator[Part]:
        with self._session() as connection:
            # Parts count from 1, so that this lies before the first tuple of any set.
            after: tuple[Any, int] = ("", 0)
            while batch := self._call(connection, "feature_get_many", generation, *after):
                yield from batch
                after = (batch[-1][1], batch[-1][2])

    @contextmanager
    def _session(self) -> Iterator[tarantool.Connection]:
        """Open a connection of its own: closing it drops what was left unfinished on it."""
        with self._mapped("connect"):
            connection = tarantool.Connection(
                self._host,
                self._port,
                user=self._user,
                password=self._password,
                encoding=None,  # text comes as bytes: packed values are no UTF-8
                socket_timeout=CALL_SECONDS,
                connection_timeout=CONNECT_SECONDS,
                reconnect_max_attempts=2,
                reconnect_delay=0.2,
                fetch_schema=False,
            )
        try:
            yield connection
        finally:
            connection.close()

    def _call(self, connection: tarantool.Connection, function: str, *arguments: object) -> Any:
        with self._mapped(function):
            answer = connection.call(function, arguments)
            return answer[0] if len(answer) else None

    def _must(self, connection: tarantool.Connection, function: str, *arguments: object) -> None:
        if self._call(connection, function, *arguments) is not True:
            raise ServiceUnavailable(
                f"Tarantool at {self._address}: the connection was lost while a feature set was written, and the "
                "unfinished set was dropped. Run the task again."
            )

    @contextmanager
    def _mapped(self, action: str) -> Iterator[None]:
        try:
            yield
        except (Error, OSError) as error:
            raise mapped(error, f"Tarantool at {self._address}, {action}") from error


def mapped(error: Exception, where: str) -> XflowError:
    """Return the error of ours that stands for one of the driver or the server."""
    if isinstance(error.__cause__, DatabaseError):  # the driver calls a refused sign-in a network error
        error = error.__cause__
    code = getattr(error, "code", 0)
    if isinstance(error, (NetworkError, OSError)) or not isinstance(error, DatabaseError):
        return ServiceUnavailable(f"{where}: no answer ({error}). Is it running? See ./start.sh status.")
    text = _text(error)
    if code in ACCESS_CODES:
        return AccessDenied(f"{where}: {text}. Check the user, the password and the grants in XFLOW_TARANTOOL_URI.")
    if code == ER_MEMORY_ISSUE:
        return ServiceUnavailable(
            f"{where}: the server is out of memory ({text}). Purge old feature sets or raise its memtx_memory."
        )
    if code == ER_TUPLE_FOUND:
        return ContractViolated(f"{where}: a series id comes twice in one feature set ({text}).")
    if code == ER_NO_SUCH_PROC:
        return ConfigInvalid(f"{where}: {text}. Load docker/tarantool/schema.lua when the server starts.")
    return ServiceUnavailable(f"{where}: {text}")


def _text(error: DatabaseError) -> str:
    """Return what the server said: the last argument, after its code; bytes, as the connection asks for."""
    said = error.args[-1] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)


def _batches(generation: int, series: Iterable[SeriesBlock], checksum: Checksum) -> Iterator[list[Part]]:
    """Pack series into batches of at most so many tuples and about so many bytes, and count them in."""
    batch: list[Part] = []
    size = 0
    for block in series:
        packed = pack(block)
        checksum.add(packed)
        for part in split(generation, packed):
            batch.append(part)
            size += len(part[6]) + len(part[7])
            if len(batch) == BATCH_TUPLES or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch

"""Deliver the history: every vacancy to train, the new and changed ones to predict."""

import re
import tempfile
from collections import Counter
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from xflow.domain.vacancies.contract import other_modes
from xflow.errors import ConfigInvalid, InputMissing
from xflow.ports import ObjectStore
from xflow.refs import Delivery, ObjectRef, SnapshotRef
from xflow.schema import VACANCY_SCHEMA
from xflow.vacancy_pipeline import VacancyPipeline
from xflow.vacancy_ports import VacancyHistory

STAMP = "%Y%m%dT%H%M%S"
NAME = re.compile(r"(?P<stamp>\d{8}T\d{6})-.*\.parquet")
GROUP_ROWS = 16_384
CHANGED = "changed"


def deliver(
    pipeline: VacancyPipeline, snapshot: SnapshotRef, *, store: ObjectStore, history: VacancyHistory
) -> Delivery:
    """Write what was known when a snapshot was taken as parquet of `VACANCY_SCHEMA`, sorted by vacancy.

    Train gets every vacancy; predict the open ones that are new, published again or otherwise changed
    since the delivery before, the newest train object of an earlier second. A repeat writes
    the same bytes, whatever the history has learned since.

    Parameters
    ----------
    snapshot
        A snapshot that the history knows.

    Raises
    ------
    ConfigInvalid
        The pipeline's input is no prefix, or the history does not know the snapshot.
    """
    if snapshot.snapshot_id not in history.known():
        raise ConfigInvalid(f"snapshot {snapshot.snapshot_id} is not in the history: run update_history first")
    as_of = datetime.fromisoformat(snapshot.taken_at)
    name = f"{as_of.strftime(STAMP)}-{snapshot.snapshot_id}.parquet"
    train, predict = (f"{_prefix(pipeline, kind)}{name}" for kind in ("train", "predict"))
    since = _delivery_before(store, _prefix(pipeline, "train"), name)
    modes = Counter[str]()
    with tempfile.TemporaryDirectory(prefix="xflow-") as folder:
        whole, changed = Path(folder) / "train.parquet", Path(folder) / "predict.parquet"
        with _Writer(whole) as all_rows, _Writer(changed) as changed_rows:
            for batch in history.rows(as_of, since):
                rows = batch.select(VACANCY_SCHEMA.names)
                all_rows.write(rows)
                modes.update(other_modes(rows))
                changed_rows.write(rows.filter(batch.column(CHANGED)))
        # Train last: the delivery that comes after is measured from it.
        predicted = _put(store, predict, changed, changed_rows.rows) if changed_rows.rows else None
        trained = _put(store, train, whole, all_rows.rows)
    return Delivery(
        as_of=snapshot.taken_at,
        since=since.isoformat() if since else "",
        train=trained,
        predict=predicted,
        salary_modes=dict(sorted(modes.items())),
    )


class _Writer:
    """Parquet in row groups of one size, so that its bytes do not follow from the size of the batches."""

    def __init__(self, path: Path) -> None:
        self.rows = 0
        self._file = pq.ParquetWriter(path, VACANCY_SCHEMA, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        self._file.close()

    def write(self, rows: pa.RecordBatch) -> None:
        """Take rows; whole groups go to the file."""
        at = 0
        while at < rows.num_rows:
            room = GROUP_ROWS - self.rows % GROUP_ROWS
            part = rows.slice(at, room)
            self._waiting.append(part)
            self.rows += part.num_rows
            at += part.num_rows
            if self.rows % GROUP_ROWS == 0:
                self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, VACANCY_SCHEMA).combine_chunks()
            self._file.write_table(table, row_group_size=GROUP_ROWS)
            self._waiting = []


def _prefix(pipeline: VacancyPipeline, kind: str) -> str:
    prefix: str = getattr(pipeline.input, kind)
    if not prefix.endswith("/"):
        raise ConfigInvalid(f"{pipeline.name}: input.{kind} is {prefix}: deliveries need a prefix that ends in /")
    return prefix


def _delivery_before(store: ObjectStore, prefix: str, name: str) -> datetime | None:
    """Return when the newest delivery before the one of this name was made, from the names alone.

    One of the same second is not before: what its snapshot did not list would reach nobody.
    """
    try:
        names = [ref.uri.rpartition("/")[2] for ref in store.list(prefix)]
    except InputMissing:
        return None
    found = [match["stamp"] for other in names if (match := NAME.fullmatch(other))]
    stamps = [stamp for stamp in found if stamp < name.partition("-")[0]]
    return datetime.strptime(max(stamps), STAMP) if stamps else None  # noqa: DTZ007  UTC without a zone


def _put(store: ObjectStore, location: str, path: Path, rows: int) -> ObjectRef:
    return store.put(location, path).model_copy(update={"rows": rows})

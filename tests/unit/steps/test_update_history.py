"""Which snapshots are merged, and which one is delivered then."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import pyarrow as pa
import pytest

from xflow.adapters.memory import MemoryStore
from xflow.domain.vacancies.raw import RawResponse
from xflow.errors import ConfigInvalid
from xflow.refs import SnapshotRef
from xflow.steps.snapshots import SnapshotFacts, SnapshotWriter
from xflow.steps.update_history import update_history

FACTS = SnapshotFacts(source="generated", scope="s", complete=True, vacancies=1, rates={"RUR": 1.0})


def finished(store: MemoryStore, name: str, taken_at: str) -> SnapshotRef:
    writer = SnapshotWriter(store, "vacancies", name, taken_at)
    writer.write("dictionary", [RawResponse("dictionary", "u", 200, None, datetime(2026, 11, 20), "{}")])
    return writer.finish(FACTS)


class History:
    """Takes snapshots; another run finishes one of its own while the first is merged."""

    def __init__(self, store: MemoryStore) -> None:
        self.store, self.ids = store, set()

    def prepare(self) -> None:
        pass

    def known(self) -> set[str]:
        return set(self.ids)

    def sources(self) -> set[str]:
        return {FACTS.source} if self.ids else set()

    def ingest(self, snapshot: SnapshotRef, rates: Mapping[str, float], rows: Iterable[pa.RecordBatch]) -> bool:
        if not self.ids:
            finished(self.store, "other", "2026-11-20T12:00:01")
        self.ids.add(snapshot.snapshot_id)
        return True


def test_a_snapshot_that_another_run_finishes_meanwhile_is_left_to_that_run() -> None:
    store = MemoryStore()
    history = History(store)
    mine = finished(store, "mine", "2026-11-20T12:00:00")
    first = update_history("vacancies", store=store, history=history)
    assert (first.ingested, first.newest) == (("mine",), mine)
    assert first.newest.snapshot_id in history.known()
    second = update_history("vacancies", store=store, history=history)
    assert second.newest is not None
    assert (second.ingested, second.newest.snapshot_id) == (("other",), "other")


def test_generated_and_real_vacancies_are_not_mixed() -> None:
    store = MemoryStore()
    history = History(store)
    finished(store, "mine", "2026-11-20T12:00:00")
    update_history("vacancies", store=store, history=history)
    writer = SnapshotWriter(store, "vacancies", "sample", "2026-11-21T12:00:00")
    writer.finish(FACTS.model_copy(update={"source": "another"}))
    with pytest.raises(ConfigInvalid, match="are not to be mixed"):
        update_history("vacancies", store=store, history=history)
    assert history.ids == {"mine", "other"}

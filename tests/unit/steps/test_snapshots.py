"""Snapshots of raw responses: there once their manifest is, and read back as they were written."""

import io
from datetime import datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xflow.adapters.memory import MemoryStore
from xflow.domain.vacancies.raw import RawResponse
from xflow.errors import InputChanged, InputMissing, InputUnreadable
from xflow.refs import SnapshotRef
from xflow.steps.snapshots import (
    SnapshotFacts,
    SnapshotWriter,
    list_snapshots,
    newest_snapshot,
    raw_prefix,
    read_manifest,
    read_part,
    read_snapshot,
)

PREFIX = raw_prefix("vacancies")
FACTS = SnapshotFacts(source="generated", scope="s", complete=True, vacancies=1, rates={"RUR": 1.0})


def response(body: str | None = "{}", url: str = "https://api.hh.ru/vacancies") -> RawResponse:
    return RawResponse("search", url, 200, '"e"', datetime(2026, 11, 20, 12), body)


def written(store: MemoryStore, name: str = "a", taken_at: str = "2026-11-20T12:00:00") -> SnapshotRef:
    writer = SnapshotWriter(store, "vacancies", name, taken_at)
    writer.write("search-1", [response()])
    writer.write("detail-0000", [response(url="https://api.hh.ru/vacancies/1"), response(None)])
    return writer.finish(FACTS)


bodies = st.none() | st.text(st.characters(codec="utf-8"))


@given(texts=st.lists(st.tuples(bodies, st.none() | st.text()), min_size=1, max_size=5))
def test_responses_come_back_as_they_were(texts: list[tuple[str | None, str | None]]) -> None:
    store = MemoryStore()
    rows = [RawResponse("detail", "u", 404, etag, datetime(2026, 1, 1), body) for body, etag in texts]
    writer = SnapshotWriter(store, "vacancies", "a", "2026-11-20T12:00:00")
    ref = writer.write("detail-0000", rows)
    assert ref.rows == len(rows)
    assert read_part(store, ref) == rows
    assert SnapshotWriter(store, "vacancies", "a", "2026-11-20T12:00:00").kept("detail-0000") == rows


def test_a_snapshot_is_there_once_its_manifest_is() -> None:
    store = MemoryStore()
    writer = SnapshotWriter(store, "vacancies", "a", "2026-11-20T12:00:00")
    writer.write("search-1", [response()])
    assert (writer.finished(), list_snapshots(store, PREFIX), newest_snapshot(store, PREFIX)) == (None, [], None)
    ref = writer.finish(FACTS)
    assert writer.finished() == ref
    assert list_snapshots(store, PREFIX) == [ref]
    assert read_manifest(store, ref).rates == {"RUR": 1.0}
    assert [batch.num_rows for batch in read_snapshot(store, ref)] == [1]


def test_snapshots_come_by_time_whatever_they_are_called() -> None:
    store = MemoryStore()
    late = written(store, "a", "2026-11-20T13:00:00")
    early = written(store, "b", "2026-11-20T12:00:00")
    before = written(store, "z", "2026-11-19T23:00:00")
    assert list_snapshots(store, PREFIX) == [before, early, late]
    assert list_snapshots(store, PREFIX, {"b", "z"}) == [late]
    assert newest_snapshot(store, PREFIX) == late
    assert list_snapshots(store, raw_prefix("others")) == []


def test_a_snapshot_of_no_rows_can_be_read() -> None:
    store = MemoryStore()
    writer = SnapshotWriter(store, "vacancies", "a", "2026-11-20T12:00:00")
    writer.write("search-1", [])
    assert sum(batch.num_rows for batch in read_snapshot(store, writer.finish(FACTS))) == 0


def other_parquet() -> bytes:
    sink = io.BytesIO()
    pd.DataFrame({"url": ["u"]}).to_parquet(sink)
    return sink.getvalue()


@pytest.mark.parametrize("data", [b"", b"{}", other_parquet()], ids=["empty", "JSON", "other columns"])
def test_a_part_that_is_none_is_named(data: bytes) -> None:
    store = MemoryStore()
    part = store.put("raw/vacancies/dt=2026-11-20/a/search-1.parquet", data)
    with pytest.raises(InputUnreadable, match=r"search-1\.parquet: not parquet of raw responses"):
        read_part(store, part)


def test_a_part_that_was_replaced_or_deleted_is_noticed() -> None:
    store = MemoryStore()
    ref = written(store)
    SnapshotWriter(store, "vacancies", "a", "2026-11-20T12:00:00").write("search-1", [response("[]")])
    with pytest.raises(InputChanged, match="search-1"):
        list(read_snapshot(store, ref))
    del store.objects[f"{ref.prefix}search-1.parquet"]
    with pytest.raises(InputMissing, match="search-1"):
        list(read_snapshot(store, ref))


def test_a_manifest_that_is_none_is_named() -> None:
    store = MemoryStore()
    ref = written(store)
    store.objects[ref.manifest.uri] = b'{"schema_version": 1}'
    with pytest.raises(InputUnreadable, match=r"_manifest\.json: not a snapshot's manifest"):
        list_snapshots(store, PREFIX)
    with pytest.raises(InputChanged):
        read_manifest(store, ref)

"""One suite over the feature stores: the fake and Tarantool."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from feature_blocks import FACTS, RECORD_FACTS, block, names, record

from xflow.adapters.memory import MemoryFeatures
from xflow.adapters.tarantool import TarantoolFeatures
from xflow.domain.vacancies.records import LAYOUT, RecordBlock
from xflow.errors import ConfigInvalid, ContractViolated, FeatureSetMissing
from xflow.ports import Block, FeatureStore, SeriesBlock
from xflow.refs import FeatureSetRef, RunKey
from xflow.settings import Settings

HOSTILE_IDS = ["", " ", "\x00", "a\x00b", "\n", "'", '"', "\\", "é", "ряд", "\uffff", "😀", "x" * 10_000, "A", "a"]


@pytest.fixture
def server(stores: Settings) -> TarantoolFeatures:
    return TarantoolFeatures(stores.tarantool_uri)


@pytest.fixture(params=["memory", pytest.param("tarantool", marks=pytest.mark.services)])
def features(request: pytest.FixtureRequest) -> FeatureStore:
    return MemoryFeatures() if request.param == "memory" else request.getfixturevalue("server")


def assert_same(found: Iterable[SeriesBlock], wanted: Iterable[SeriesBlock]) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert (one.series_id, one.start, one.origin_row_id) == (other.series_id, other.start, other.origin_row_id)
        assert one.values.dtype == one.exogenous.dtype == np.dtype("<f8")
        assert one.exogenous.shape == other.exogenous.shape
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.exogenous, other.exogenous)


def test_a_set_comes_back_sorted(features: FeatureStore, key: RunKey) -> None:
    blocks = [block(f"s{i % 7}-{i}", 1 + i % 5, columns=2) for i in range(2500)]
    ref = features.write(key, FACTS, iter(blocks))
    assert (ref.entities, ref.rows) == (2500, sum(len(b.values) for b in blocks))
    facts, found = features.read(ref)
    assert facts == FACTS
    assert_same(found, sorted(blocks, key=lambda b: b.series_id))


def test_a_set_is_known_by_its_id_once_it_is_ready(features: FeatureStore, key: RunKey) -> None:
    seen: list[FeatureSetRef | None] = []

    def blocks() -> Iterator[SeriesBlock]:
        yield block("a")
        seen.append(features.ready(str(key)))

    assert features.ready(str(key)) is None
    assert features.write(key, FACTS, blocks()) == features.ready(str(key))
    assert seen == [None]


def test_long_series_come_back(features: FeatureStore, key: RunKey) -> None:
    blocks = [block("a", 500_000), block("b", 1), block("c", 40_000, columns=3), block("d", 0, columns=2)]
    assert_same(features.read(features.write(key, FACTS, blocks))[1], blocks)


def test_hostile_ids_come_back(features: FeatureStore, key: RunKey) -> None:
    ref = features.write(key, {}, [block(name) for name in HOSTILE_IDS])
    assert names(features, ref) == sorted(HOSTILE_IDS)


def test_the_order_of_writing_does_not_matter(features: FeatureStore, key: RunKey) -> None:
    blocks = [block("a", 4), block("b", 5)]
    assert features.write(key, FACTS, blocks) == features.write(key, FACTS, blocks[::-1])


@pytest.mark.parametrize(
    "other",
    [
        ({"freq": "D"}, [block("a")]),
        (FACTS, [block("b")]),
        (FACTS, [block("a", first=1.0)]),
        (FACTS, [block("a", columns=1)]),
        (FACTS, [block("a"), block("b")]),
        (FACTS, []),
    ],
    ids=["facts", "id", "values", "exogenous", "more", "none"],
)
def test_other_content_has_another_checksum(
    features: FeatureStore, key: RunKey, other: tuple[dict[str, str], list[SeriesBlock]]
) -> None:
    assert features.write(key, FACTS, [block("a")]).checksum != features.write(key, *other).checksum


def test_a_set_without_series(features: FeatureStore, key: RunKey) -> None:
    ref = features.write(key, FACTS, [])
    assert (ref.entities, ref.rows, names(features, ref)) == (0, 0, [])


def test_a_set_is_replaced_whole(features: FeatureStore, key: RunKey) -> None:
    first = features.write(key, FACTS, [block("a"), block("b")])
    second = features.write(key, FACTS, [block("c")])
    assert names(features, second) == ["c"]
    with pytest.raises(FeatureSetMissing):
        names(features, first)


def test_the_old_set_is_read_while_the_new_one_is_written(features: FeatureStore, key: RunKey) -> None:
    first = features.write(key, FACTS, [block("a"), block("b")])
    seen = []

    def stream() -> Iterator[SeriesBlock]:
        for i in range(3000):
            yield block(f"new-{i:04d}")
            if i % 1000 == 999:
                seen.append(names(features, first))

    second = features.write(key, FACTS, stream())
    assert seen == [["a", "b"]] * 3
    assert len(names(features, second)) == 3000


def test_a_stream_that_breaks_leaves_the_old_set(features: FeatureStore, key: RunKey) -> None:
    def broken() -> Iterator[SeriesBlock]:
        yield from (block(f"s{i}") for i in range(2500))
        raise KeyError("on the way")

    first = features.write(key, FACTS, [block("a")])
    with pytest.raises(KeyError, match="on the way"):
        features.write(key, FACTS, broken())
    assert names(features, first) == ["a"]


def test_a_series_that_comes_twice_is_refused(features: FeatureStore, key: RunKey) -> None:
    first = features.write(key, FACTS, [block("a")])
    with pytest.raises(ContractViolated, match="comes twice"):
        features.write(key, FACTS, [block("a"), block("a", 2)])
    assert names(features, first) == ["a"]


def test_purge_keeps_the_newest(features: FeatureStore, key: RunKey) -> None:
    runs = [key.model_copy(update={"run_id": f"run-{i}"}) for i in range(4)]
    refs = [features.write(run, FACTS, [block(run.run_id)]) for run in runs]
    stranger = features.write(key.model_copy(update={"kind": "predict"}), FACTS, [block("a")])
    refs[0] = features.write(runs[0], FACTS, [block("run-0")])  # as it was: it counts as new all the same
    assert features.purge(key.job, 2) == 2
    assert [names(features, ref) for ref in (refs[0], refs[3], stranger)] == [["run-0"], ["run-3"], ["a"]]
    for ref in refs[1:3]:
        with pytest.raises(FeatureSetMissing):
            features.read(ref)
    assert features.purge(key.job, 2) == 0


def test_a_set_that_was_never_written(features: FeatureStore, key: RunKey) -> None:
    with pytest.raises(FeatureSetMissing, match=r"write_features|absent"):
        features.read(FeatureSetRef(id=str(key), entities=0, rows=0, checksum="0" * 64))


def bits(blocks: Iterable[RecordBlock]) -> list[tuple[str, int, bytes, tuple[str, ...]]]:
    """Return records to be compared bit by bit: NaN and -0.0 too."""
    return [(b.entity_id, b.row_id, b.numbers.astype("<f8").tobytes(), b.texts) for b in blocks]


def test_records_come_back_sorted(features: FeatureStore, key: RunKey) -> None:
    records = [record(f"v{i % 7}-{i}", f"text {i}", numbers=(i, -0.0), row_id=i) for i in range(2500)]
    ref = features.write(key, RECORD_FACTS, iter(records))
    assert (ref.entities, ref.rows) == (2500, 2500)
    facts, found = features.read(ref)
    assert facts == RECORD_FACTS
    assert bits(found) == bits(sorted(records, key=lambda r: r.entity_id))


@pytest.mark.parametrize(
    "text",
    ["", " ", "\x00", "a\x00b", '"', "\\", "ряд", "\uffff", "😀", "👩🏽\u200d💻", "\u2028", "ё" * 400_000],
    ids=lambda text: ascii(text[:6]),
)
def test_hostile_texts_come_back(features: FeatureStore, key: RunKey, text: str) -> None:
    records = [record("a", text, numbers=(np.inf, -np.inf)), record("b", "x", text), record("c", text, text)]
    assert bits(features.read(features.write(key, RECORD_FACTS, records))[1]) == bits(records)


def test_records_of_nothing_but_an_id(features: FeatureStore, key: RunKey) -> None:
    bare = RecordBlock("a", -1, np.zeros(0), ())
    ref = features.write(key, {LAYOUT: "records"}, [bare])
    assert (ref.entities, ref.rows) == (1, 1)
    assert bits(features.read(ref)[1]) == bits([bare])


@pytest.mark.parametrize(
    "other",
    [
        record("b"),
        record("a", "Text"),
        record("a", "tex", "t1"),
        record("a", code=""),
        record("a", numbers=(1.0, 0.0)),
        record("a", numbers=(np.nan, 1.0)),
        record("a", row_id=1),
    ],
    ids=["id", "text", "where a text ends", "code", "number", "order of numbers", "row"],
)
def test_other_records_have_another_checksum(features: FeatureStore, key: RunKey, other: RecordBlock) -> None:
    first = features.write(key, RECORD_FACTS, [record("a")])
    assert features.write(key, RECORD_FACTS, [record("a")]) == first
    assert features.write(key, RECORD_FACTS, [other]).checksum != first.checksum


def test_a_record_that_comes_twice_is_refused(features: FeatureStore, key: RunKey) -> None:
    with pytest.raises(ContractViolated, match="comes twice"):
        features.write(key, RECORD_FACTS, [record("a"), record("a", "other")])


@pytest.mark.parametrize(
    ("facts", "blocks"),
    [(FACTS, [record("a")]), (RECORD_FACTS, [block("a")]), ({LAYOUT: "trees"}, [block("a")])],
    ids=["record among series", "series among records", "unknown layout"],
)
def test_a_block_of_another_layout_is_refused(
    features: FeatureStore, key: RunKey, facts: dict[str, str], blocks: list[Block]
) -> None:
    with pytest.raises(ConfigInvalid, match="layout"):
        features.write(key, facts, blocks)


def test_the_newest_set_of_given_facts_is_found(features: FeatureStore, key: RunKey) -> None:
    one, two, other = (key.model_copy(update={"run_id": name}) for name in ("one", "two", "other"))
    assert features.renew(key.job, {"mark": "a"}) is None
    features.write(one, {**FACTS, "mark": "a"}, [block("a")])
    newest = features.write(two, {**FACTS, "mark": "a"}, [block("a")])
    features.write(other, {**FACTS, "mark": "b"}, [block("b")])
    assert features.renew(key.job, {"mark": "a"}) == newest
    assert names(features, newest) == ["a"]
    assert features.renew(key.job, {"mark": "c"}) is None
    assert features.renew(f"{key.job}_of_another", {"mark": "a"}) is None


def test_a_set_that_was_found_is_purged_after_younger_ones(features: FeatureStore, key: RunKey) -> None:
    old, young = (key.model_copy(update={"run_id": name}) for name in ("old", "young"))
    kept = features.write(old, {**FACTS, "mark": "a"}, [block("a"), block("b", 50_000)])
    gone = features.write(young, FACTS, [block("b")])
    assert features.renew(key.job, {"mark": "a"}) == kept
    assert features.purge(key.job, 1) == 1
    assert names(features, kept) == ["a", "b"]
    with pytest.raises(FeatureSetMissing):
        features.read(gone)


def test_of_several_sets_of_given_facts_the_preferred_one_is_found(features: FeatureStore, key: RunKey) -> None:
    one, two = (key.model_copy(update={"run_id": name}) for name in ("one", "two"))
    mine = features.write(one, {**FACTS, "mark": "a"}, [block("a")])
    newest = features.write(two, {**FACTS, "mark": "a"}, [block("a")])
    assert features.renew(key.job, {"mark": "a"}, prefer=str(one)) == mine
    assert features.renew(key.job, {"mark": "a"}, prefer="none") == mine  # which is the newest now
    assert features.renew(key.job, {"mark": "a"}, prefer=str(two)) == newest


def test_where_a_set_comes_from_is_no_part_of_its_content(features: FeatureStore, key: RunKey) -> None:
    plain = features.write(key, FACTS, [block("a")])
    marked = features.write(key.model_copy(update={"run_id": "two"}), {**FACTS, "_mark": "x"}, [block("a")])
    assert marked.checksum == plain.checksum
    facts, found = features.read(marked)
    assert facts == {**FACTS, "_mark": "x"}
    assert len(list(found)) == 1


def test_some_series_are_picked_without_the_others(features: FeatureStore, key: RunKey) -> None:
    blocks = [block("a", 3), block("b", 90_000, columns=1), block("c", 1), block("c\x00", 2), *map(block, ("é", "ряд"))]
    ref = features.write(key, FACTS, blocks)
    found = features.pick(ref, ["ряд", "b", "b", "c", "absent", "", "c' or '1'='1", "ря"])
    assert sorted(found) == ["b", "c", "ряд"]
    assert_same([found[name] for name in ("b", "c", "ряд")], [blocks[1], blocks[2], blocks[5]])
    assert features.pick(ref, []) == {}


def test_records_are_picked_too(features: FeatureStore, key: RunKey) -> None:
    records = [record(f"v{i}", f"text {i}") for i in range(5)]
    found = features.pick(features.write(key, RECORD_FACTS, records), ["v3", "v1"])
    assert bits(found[name] for name in ("v1", "v3")) == bits([records[1], records[3]])


def test_of_a_set_that_was_replaced_or_purged_nothing_is_picked(features: FeatureStore, key: RunKey) -> None:
    first = features.write(key, FACTS, [block("a")])
    second = features.write(key, FACTS, [block("a", 4)])
    with pytest.raises(FeatureSetMissing):
        features.pick(first, ["a"])
    features.purge(key.job, 0)
    with pytest.raises(FeatureSetMissing):
        features.pick(second, ["a"])


def test_a_set_that_is_purged_while_it_is_picked_from(features: FeatureStore, key: RunKey) -> None:
    ref = features.write(key, FACTS, [block("a"), block("b")])

    def ids() -> Iterator[str]:
        yield "a"
        features.purge(key.job, 0)
        yield "b"

    with pytest.raises(FeatureSetMissing):
        features.pick(ref, ids())


def run_of(key: RunKey, name: str) -> RunKey:
    return key.model_copy(update={"run_id": name})


def publish(features: FeatureStore, key: RunKey, as_of: str, first: float = 0.0) -> FeatureSetRef:
    ref = features.write(key, {**FACTS, "as_of": as_of}, [block("a", first=first)])
    assert features.publish(ref, as_of)
    return ref


def test_a_set_counts_once_it_is_published(features: FeatureStore, key: RunKey) -> None:
    ref = features.write(key, FACTS, [block("a")])
    assert features.published(key.job) is None
    assert features.publish(ref, "2023-07-01T00:00:00")
    assert features.published(key.job) == (ref, FACTS)
    assert features.published(f"{key.job}_of_another") is None
    features.retract(str(key))
    assert features.published(key.job) is None
    features.retract(str(key))
    features.retract("nowhere")


def test_of_the_published_sets_the_one_of_the_newest_values_counts(features: FeatureStore, key: RunKey) -> None:
    newest = publish(features, run_of(key, "newest"), "2023-07-01T00:00:00")
    publish(features, run_of(key, "backfill"), "2021-01-01T00:00:00")
    features.write(run_of(key, "stopped"), FACTS, [block("a")])
    assert features.published(key.job) == (newest, {**FACTS, "as_of": "2023-07-01T00:00:00"})
    corrected = publish(features, run_of(key, "corrected"), "2023-07-01T00:00:00")
    assert features.published(key.job) == (corrected, {**FACTS, "as_of": "2023-07-01T00:00:00"})
    assert features.publish(newest, "2023-07-01T00:00:00")  # a step that runs twice
    assert features.published(key.job)[0] == corrected
    later = publish(features, run_of(key, "later"), "2023-07-01T00:00:00.500000")
    assert features.published(key.job)[0] == later


def test_a_mark_goes_with_the_content_that_it_is_about(features: FeatureStore, key: RunKey) -> None:
    ref = publish(features, key, "1")
    assert features.write(key, {**FACTS, "as_of": "1"}, [block("a")]) == ref  # as it was
    assert features.published(key.job)[0] == ref
    other = features.write(key, {**FACTS, "as_of": "1"}, [block("a", first=9.0)])
    assert features.published(key.job) is None
    assert not features.publish(ref, "1")
    assert features.publish(other, "1")
    assert features.published(key.job)[0] == other


def test_no_purge_takes_the_newest_published_sets(features: FeatureStore, key: RunKey) -> None:
    first, second, third = (publish(features, run_of(key, f"day {i}"), f"2023-07-0{i}") for i in (1, 2, 3))
    past = [publish(features, run_of(key, f"past {i}"), f"2020-0{i}-01", first=i) for i in (1, 2, 3)]
    assert features.purge(key.job, 2) == 2
    for ref in (first, past[0]):
        assert features.ready(ref.id) is None
        assert not features.publish(ref, "2024")
    assert [names(features, ref) for ref in (second, third, *past[1:])] == [["a"]] * 4
    assert features.published(key.job)[0] == third
    features.retract(third.id)
    assert features.published(key.job)[0] == second
    assert features.purge(key.job, 0) == 2  # the second day and the newest of the past answer, or would
    assert features.published(key.job)[0] == second

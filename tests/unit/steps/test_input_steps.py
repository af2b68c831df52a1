"""From parquet to the mart and the feature store, through the fakes of the ports."""

import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xflow.adapters.memory import MemoryFeatures, MemoryMart, MemoryStore
from xflow.errors import ConfigInvalid, ContractViolated, InputChanged, InputMissing, InputUnreadable
from xflow.pipeline import Candidate, Contract, Input, Model, Pipeline
from xflow.refs import RunKey
from xflow.sample import synthetic
from xflow.schema import series_tables
from xflow.steps import input_objects
from xflow.steps.check_contract import check_contract
from xflow.steps.kinds.read_panel import read_panel
from xflow.steps.load_mart import load_mart
from xflow.steps.write_features import write_features

TABLE = "demo_input"


def make_pipeline(exogenous=(), **contract):
    floor = Candidate(name="seasonal_naive", kind="seasonal_naive")
    return Pipeline(
        pipeline="demo",
        description="",
        input=Input(train="in/", predict="in/", exogenous=exogenous),
        contract=Contract(**({"frequency": "M", "max_rejected": 0.5} | contract)),
        model=Model(seasonality=12, horizon=3, candidates=(floor,)),
    )


class World:
    """One run with its services."""

    def __init__(self, pipeline=None, kind="train"):
        self.pipeline = pipeline or make_pipeline()
        self.store, self.mart, self.features = MemoryStore(), MemoryMart(), MemoryFeatures()
        self.key = RunKey(pipeline="demo", kind=kind, run_id="r1")
        self.mart.prepare("demo", series_tables(self.pipeline.input.exogenous, (0.8,)))

    def put(self, table, name="in/a.parquet", **options):
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, **options)
        return self.store.put(name, sink.getvalue().to_pybytes())

    def check(self, as_of=None, location="in/"):
        return check_contract(self.key, self.pipeline, location, as_of, store=self.store, mart=self.mart)

    def load(self, checked):
        return load_mart(self.key, self.pipeline, checked, store=self.store, mart=self.mart)

    def write(self, checked):
        return write_features(self.key, self.pipeline, checked, store=self.store, features=self.features)

    def run(self, as_of=None):
        checked = self.check(as_of)
        self.load(checked)
        return checked, read_panel(self.features, self.write(checked))

    def rows(self, table):
        return self.mart.rows.get((str(self.key), table), [])


def table(series, months, values, **exogenous):
    """Return a long table of one series; months count from 2020-01."""
    times = (np.datetime64("2020-01", "M") + np.array(months)).astype("M8[us]")
    columns = {"series_id": [series] * len(times), "timestamp": times, "value": pa.array(values, pa.float64())}
    return pa.table(columns | exogenous)


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(input_objects, "BATCH_ROWS", 7)


@pytest.mark.usefixtures("small_batches")
def test_every_row_arrives_where_it_belongs_and_twice_the_same():
    world = World()
    data = synthetic(4, 25)
    world.put(data, row_group_size=30)
    checked, (panel, origins) = world.run()
    assert (checked.rows_in, checked.rows_accepted, checked.rows_rejected, checked.entities) == (100, 100, 0, 4)
    assert checked.as_of == "2023-12-01T00:00:00"
    assert [(row["row_id"], row["series_id"], row["value"]) for row in world.rows(TABLE)] == list(
        zip(range(100), data["series_id"].to_pylist(), data["value"].to_pylist())
    )
    assert panel.ids.tolist() == [f"s{i:06d}" for i in range(4)]
    assert np.array_equal(panel.values, data["value"].to_numpy())
    assert origins.tolist() == [24, 49, 74, 99]
    assert set(panel.ends) == {pd.Period("2023-12", "M").ordinal}

    before = (dict(world.store.objects), dict(world.mart.rows), dict(world.mart.run(world.key)))
    again, (panel_again, _) = world.run()
    assert again == checked
    assert (dict(world.store.objects), dict(world.mart.rows), dict(world.mart.run(world.key))) == before
    assert np.array_equal(panel_again.values, panel.values)


@pytest.mark.usefixtures("small_batches")
def test_the_order_of_rows_changes_no_series():
    ordered, shuffled = World(), World()
    data = synthetic(3, 20)
    ordered.put(data)
    shuffled.put(data.take(np.random.default_rng(0).permutation(60)))
    (_, (one, _)), (_, (two, _)) = ordered.run(), shuffled.run()
    assert np.array_equal(one.values, two.values)
    assert one.ids.tolist() == two.ids.tolist()


@pytest.mark.usefixtures("small_batches")
def test_several_objects_are_one_input_in_the_order_of_their_names():
    world = World()
    data = synthetic(2, 20)
    world.put(data.slice(25), "in/b.parquet")
    world.put(data.slice(0, 25), "in/a.parquet")
    world.put(data.slice(0, 0), "in/c.parquet")
    checked, (panel, origins) = world.run()
    assert [(ref.uri[-9:], ref.rows) for ref in checked.objects] == [
        ("a.parquet", 25),
        ("b.parquet", 15),
        ("c.parquet", 0),
    ]
    assert np.array_equal(panel.values, data["value"].to_numpy())
    assert origins.tolist() == [19, 39]
    assert len(world.rows(TABLE)) == 40


@pytest.mark.usefixtures("small_batches")
def test_rejected_rows_are_kept_with_rule_column_value_and_source():
    world = World(make_pipeline(max_gap=3))
    bad = pa.table(
        {
            "series_id": ["", "s000000", "s000000", "s000000", "s\0", "s000001"],
            "timestamp": np.array(
                ["2020-01-01", "NaT", "2023-12-02", "2023-11-01", "2020-01-01", "2024-01-01"], "M8[us]"
            ),
            "value": pa.array([1.0, 1.0, 1.0, -1.0, 1.0, float("inf")]),
        }
    )
    world.put(synthetic(2, 20), "in/a.parquet")
    world.put(bad, "in/b.parquet")
    checked, _ = world.run()
    loaded = sorted(world.rows("rejected_row"), key=lambda row: row["row_id"])
    assert [tuple(row.values()) for row in loaded] == [
        (18, "s000000", "conflict", "timestamp", "2023-11-01 00:00:00.000000", "s3://memory/in/a.parquet"),
        (40, "", "series_id_missing", "series_id", "", "s3://memory/in/b.parquet"),
        (41, "s000000", "timestamp_missing", "timestamp", "null", "s3://memory/in/b.parquet"),
        (42, "s000000", "off_grid", "timestamp", "2023-12-02 00:00:00.000000", "s3://memory/in/b.parquet"),
        (43, "s000000", "conflict", "timestamp", "2023-11-01 00:00:00.000000", "s3://memory/in/b.parquet"),
        (44, "s\\x00", "series_id_nul", "series_id", "s\\x00", "s3://memory/in/b.parquet"),
        (45, "s000001", "value_not_finite", "value", "inf", "s3://memory/in/b.parquet"),
    ]
    assert checked.rejected_by_rule["conflict"] == 2
    assert len(loaded) + len(world.rows(TABLE)) == checked.rows_in == 46
    facts = world.mart.run(world.key)
    assert (facts["rows_in"], facts["rows_accepted"], facts["rows_rejected"]) == (46, 39, 7)
    assert [ref["sha256"] for ref in json.loads(facts["input_objects"])] == [ref.sha256 for ref in checked.objects]


def test_a_bad_exogenous_value_is_reported_with_its_own_column():
    world = World(make_pipeline(exogenous=("price", "sun"), max_gap=1))
    world.put(table("a", range(5), [1.0] * 5, price=[1, 2, 3, 4, 5], sun=[0.0, 1.0, None, 0.0, 1.0]))
    world.run()
    (row,) = world.rows("rejected_row")
    assert (row["row_id"], row["rule"], row["column_name"], row["bad_value"]) == (
        2,
        "exogenous_not_finite",
        "sun",
        "null",
    )


def test_tolerated_gaps_are_filled_and_the_mart_keeps_what_was_given():
    world = World(make_pipeline(max_gap=2))
    world.put(table("a", [0, 1, 4, 5], [0.0, 1.0, 4.0, 7.0]))
    _, (panel, origins) = world.run()
    assert panel.values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 7.0]
    assert origins.tolist() == [3]
    assert len(world.rows(TABLE)) == 4


def test_exogenous_rows_known_ahead_follow_the_values():
    world = World(make_pipeline(exogenous=("x",)), kind="predict")
    world.put(table("a", [0, 1, 2, 3, 5], [1.0, 2.0, None, None, None], x=[10.0, 11.0, 12.0, 13.0, 15.0]))
    world.put(table("b", [0, 1, 2], [1.0, 2.0, 3.0], x=[20.0, 21.0, 22.0]), "in/b.parquet")
    checked, (panel, origins) = world.run()
    assert checked.as_of == "2020-03-01T00:00:00"
    assert checked.rows_rejected == 0
    assert panel.values.tolist() == [1.0, 2.0, 1.0, 2.0, 3.0]
    assert panel.exog_offsets.tolist() == [0, 4, 7]  # the row after a gap is not known ahead
    assert panel.exog[:, 0].tolist() == [10.0, 11.0, 12.0, 13.0, 20.0, 21.0, 22.0]
    assert origins.tolist() == [1, 7]


def test_values_after_as_of_reach_the_mart_but_no_feature(caplog):
    world = World(kind="predict")
    world.put(table("a", range(6), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), "in/a.parquet")
    world.put(table("late", [5], [1.0]), "in/b.parquet")
    checked, (panel, origins) = world.run(as_of="2020-04-15")
    assert checked.as_of == "2020-04-15T00:00:00"
    assert (panel.ids.tolist(), panel.values.tolist(), origins.tolist()) == (["a"], [1.0, 2.0, 3.0, 4.0], [3])
    assert len(world.rows(TABLE)) == 7
    assert "1 of 2 have no row up to 2020-04-15T00:00:00" in caplog.text


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.floats(allow_infinity=True), min_size=12, max_size=12), st.integers(3, 9), st.randoms())
def test_changing_the_future_changes_no_feature(future, known, random):
    def features(tail):
        world = World(make_pipeline(exogenous=("x",), max_rejected=1.0))
        rows = [*range(known), *range(known, known + len(tail))]
        values = [float(i * i) for i in range(known)] + tail
        world.put(table("a", rows, values, x=[1.0] * len(rows)).take(random.sample(rows, len(rows))))
        checked = world.check(as_of=str(np.datetime64("2020-01", "M") + known - 1) + "-01")
        _, blocks = world.features.read(world.write(checked))
        return [(block.series_id, block.start, block.values.tolist()) for block in blocks]

    assert features(future) == features([0.0] * 12) == [("a", 600, [float(i * i) for i in range(known)])]


def test_a_short_series_is_rejected_for_train_and_taken_for_predict():
    for kind, accepted in (("train", 30), ("predict", 33)):
        world = World(make_pipeline(min_length=4), kind=kind)
        world.put(synthetic(1, 30), "in/a.parquet")
        world.put(table("short", [0, 1, 2], [1.0, 2.0, 3.0]), "in/b.parquet")
        checked, _ = world.run()
        assert checked.rows_accepted == accepted


def test_one_series_alone_is_an_input():
    world = World()
    world.put(synthetic(1, 30))
    _, (panel, _) = world.run()
    assert panel.n_series == 1


@pytest.mark.parametrize("as_of", ["yesterday", "2024-13-01", "20240199", "[2024]", "0001-01-01T00:00+14:00"])
def test_an_as_of_that_is_no_time_is_refused_before_anything_is_read(as_of):
    with pytest.raises(ConfigInvalid, match="is no ISO date or time: write 2023-12-01"):
        World().check(as_of)


@pytest.mark.parametrize(
    ("given_as", "kept"), [("2020-02-01", "2020-02-01T00:00:00"), ("2020-02-01T02:00+03:00", "2020-01-31T23:00:00")]
)
def test_as_of_is_kept_in_utc(given_as, kept):
    world = World(kind="predict")
    world.put(table("a", range(6), [1.0] * 6))
    assert world.check(given_as).as_of == kept


def test_an_as_of_before_all_values_is_refused():
    world = World(kind="predict")
    world.put(table("a", range(6), [1.0] * 6))
    with pytest.raises(ConfigInvalid, match="as_of 2019-12-31T00:00:00 lies before the first value of s3://memory/in/"):
        world.check("2019-12-31")


def left_nothing(world):
    """Return whether no later step could take this run's input for good."""
    return (
        not world.rows(TABLE) and not world.features.sets and not any("/runs/" in name for name in world.store.objects)
    )


def test_no_object_is_missing_input():
    world = World()
    for location in ("in/", "in/a.parquet"):
        with pytest.raises(InputMissing, match="s3://memory/in/"):
            world.check(location=location)
    assert left_nothing(world)


def test_parquet_without_rows_is_missing_input():
    world = World()
    world.put(synthetic(1, 5).slice(0, 0))
    with pytest.raises(InputMissing, match=r"s3://memory/in/: the parquet holds no rows\. Bring an input with rows"):
        world.check()
    assert left_nothing(world)


def parquet_bytes():
    world = World()
    ref = world.put(synthetic(20, 200), compression="zstd")
    return world.store.get(ref)


@pytest.mark.parametrize(
    ("damage", "advice"),
    [
        (lambda good: b"", "It has 0 bytes: upload it again"),
        (lambda good: b"series_id,timestamp,value\na,2024-01-01,1\n", "It begins with b'seri': bring parquet"),
        (lambda good: b"PARE" + good[4:-4] + b"PARE", "Its footer is encrypted: write it without encryption"),
        (gzip.compress, "It is a file of gzip: bring parquet"),
        (lambda good: good[: len(good) // 2], "It is damaged or cut off: write the object again"),
        (lambda good: good[len(good) // 2 :], "bring parquet"),
        (lambda good: good[:100] + bytes(2000) + good[2100:], "It is damaged or cut off: write the object again"),
    ],
    ids=["empty", "csv", "encrypted", "gzip", "first half", "second half", "zeroed pages"],
)
def test_what_is_not_parquet_is_named(damage, advice):
    world = World()
    world.put(synthetic(1, 5), "in/a.parquet")
    world.store.put("in/b.parquet", damage(parquet_bytes()))
    with pytest.raises(InputUnreadable, match=rf"s3://memory/in/b\.parquet: not readable as parquet .*{advice}"):
        world.check()
    assert left_nothing(world)


def test_a_column_too_many_in_one_object_is_named():
    world = World()
    world.put(synthetic(1, 5), "in/a.parquet")
    world.put(synthetic(1, 5).append_column("remark", pa.array(["x"] * 5)), "in/b.parquet")
    with pytest.raises(InputUnreadable, match=r"in/b\.parquet: unexpected column 'remark': declare it"):
        world.check()
    assert left_nothing(world)


def test_too_many_rejected_rows_fail_the_run_and_are_all_in_the_mart():
    world = World(make_pipeline(max_rejected=0.05))
    world.put(synthetic(2, 20), "in/a.parquet")
    bad = table("s000009", range(20), [1.0] * 8 + [float("nan")] * 12)
    world.put(bad, "in/b.parquet")
    world.mart.rows[str(world.key), TABLE] = [{"row_id": 0}]  # of an earlier try of this run
    with pytest.raises(ContractViolated) as caught:
        world.check()
    message = str(caught.value)
    assert "demo: 12 of 60 rows (20.0%) break the contract, 5.0% are tolerated" in message
    assert "value_not_finite: 12 (leave out rows whose value is NaN or infinite)" in message
    assert message.count("of series 's000009': value = nan (value_not_finite)") == 5
    assert "row 48 of series 's000009'" in message
    assert "mart.rejected_row under run_key demo/train/r1" in message
    assert [row["row_id"] for row in world.rows("rejected_row")] == list(range(48, 60))
    assert world.rows(TABLE) == []
    assert world.mart.run(world.key)["rows_rejected"] == 12
    assert not world.features.sets


def test_examples_show_every_broken_rule():
    world = World(make_pipeline(max_rejected=0.0))
    bad = {3: float("inf"), 9: None, 12: None, 15: None}
    world.put(table("a", range(20), [bad.get(i, 1.0) for i in range(20)]))
    with pytest.raises(ContractViolated) as caught:
        world.check()
    examples = str(caught.value).partition("For example")[2]
    assert {rule for rule in ("value_not_finite", "value_missing", "gap_too_long") if f"({rule})" in examples} == {
        "value_not_finite",
        "value_missing",
        "gap_too_long",
    }


def test_an_input_without_one_right_row_fails_even_when_all_may_be_rejected():
    world = World(make_pipeline(max_rejected=1.0))
    world.put(table("a", range(4), [float("nan")] * 4))
    with pytest.raises(ContractViolated, match="4 of 4 rows"):
        world.check()
    assert len(world.rows("rejected_row")) == 4


def test_the_share_of_rejected_rows_may_be_as_large_as_the_limit():
    world = World(make_pipeline(max_rejected=0.25))
    world.put(table("a", range(4), [1.0, 2.0, 3.0, float("nan")]))
    assert world.check().rows_rejected == 1


@pytest.mark.parametrize("step", ["load", "write"])
def test_an_input_replaced_after_the_check_is_not_used(step):
    world = World()
    world.put(synthetic(2, 20))
    checked = world.check()
    world.put(synthetic(2, 20, seed=1))
    with pytest.raises(InputChanged):
        getattr(world, step)(checked)
    assert not world.rows(TABLE)
    assert not world.features.sets


def test_a_verdict_of_another_input_is_refused():
    world = World()
    world.put(synthetic(2, 20))
    checked = world.check()
    with pytest.raises(InputChanged, match="not the verdict of this input"):
        world.load(checked.model_copy(update={"rows_in": 41}))

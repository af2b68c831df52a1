"""One suite over the marts: the fake and PostgreSQL, which stands for Greenplum."""

from collections.abc import Iterator

import pyarrow as pa
import pytest
from mart_rows import INPUT, LEVELS, TABLES, batch, figures, input_rows, rejected_rows

from xflow.adapters.greenplum import GreenplumMart
from xflow.adapters.memory import MemoryMart
from xflow.errors import ConfigInvalid
from xflow.ports import Mart, TableRows
from xflow.refs import RunKey, TableLoad
from xflow.schema import series_tables
from xflow.settings import Settings


@pytest.fixture
def postgres(stores: Settings) -> GreenplumMart:
    return GreenplumMart(stores.greenplum_dsn)


@pytest.fixture(params=["memory", pytest.param("greenplum", marks=pytest.mark.services)])
def mart(request: pytest.FixtureRequest, key: RunKey) -> Mart:
    made = MemoryMart() if request.param == "memory" else request.getfixturevalue("postgres")
    made.prepare(key.pipeline, TABLES)
    return made


def test_a_load_twice_leaves_what_once_leaves(mart: Mart, key: RunKey) -> None:
    mart.start_run(key, {"input_uri": "s3://b/k"})
    facts = {"rows_in": 5, "rows_accepted": 3, "rows_rejected": 2, "metrics": {"mase": 1.5}}
    tables = [input_rows(key, [batch(2), batch(1, 2)]), rejected_rows(2)]
    loads = mart.load(key, tables, facts)
    assert loads == [TableLoad(table=f"{key.pipeline}_input", rows=3), TableLoad(table="rejected_row", rows=2)]
    once = figures(mart, key)
    assert once[:2] == (3, 2)
    assert once[2]["rows_in"] == 5
    assert once[2]["state"] == "running"
    assert mart.load(key, tables, facts) == loads
    assert figures(mart, key) == once


def test_runs_do_not_touch_each_other(mart: Mart, key: RunKey) -> None:
    other = key.model_copy(update={"run_id": "another"})
    mart.load(other, [input_rows(key, [batch(4)])], {})
    mart.load(key, [input_rows(key, [batch(2)])], {})
    mart.load(key, [input_rows(key, [batch(1)])], {})
    assert (mart.count(key, f"{key.pipeline}_input"), mart.count(other, f"{key.pipeline}_input")) == (1, 4)


@pytest.mark.parametrize("batches", [[], [batch(0)]], ids=["no batch", "an empty batch"])
def test_a_load_of_no_rows_removes_the_earlier_ones(mart: Mart, key: RunKey, batches: list[pa.RecordBatch]) -> None:
    mart.load(key, [input_rows(key, [batch(2)])], {})
    assert mart.load(key, [input_rows(key, batches)], {}) == [TableLoad(table=f"{key.pipeline}_input", rows=0)]
    assert mart.count(key, f"{key.pipeline}_input") == 0


def test_batches_that_fail_leave_everything_as_it_was(mart: Mart, key: RunKey) -> None:
    class Broken(Exception):
        pass

    def broken() -> Iterator[pa.RecordBatch]:
        yield batch(100_000)
        raise Broken("on the way")

    mart.start_run(key, {})
    mart.load(key, [input_rows(key, [batch(2)]), rejected_rows(1)], {"rows_in": 3})
    before = figures(mart, key)
    with pytest.raises(Broken, match="on the way"):
        mart.load(key, [rejected_rows(7), input_rows(key, broken())], {"rows_in": 100_007})
    assert figures(mart, key) == before


def test_unknown_facts_are_refused_and_nothing_is_kept(mart: Mart, key: RunKey) -> None:
    mart.start_run(key, {})
    before = figures(mart, key)
    with pytest.raises(ConfigInvalid, match=r"mart.run has no columns.*colour"):
        mart.load(key, [input_rows(key, [batch(2)])], {"colour": "red"})
    assert figures(mart, key) == before


def test_a_run_starts_anew(mart: Mart, key: RunKey) -> None:
    assert mart.run(key) is None
    mart.start_run(key, {"input_uri": "s3://b/1"})
    mart.note_run(key, {"state": "failed", "message": "it \x00 broke", "rows_out": 5})
    mart.start_run(key, {"input_uri": "s3://b/2"})
    run = mart.run(key)
    assert run is not None
    assert (run["run_key"], run["pipeline"], run["kind"], run["run_id"]) == (
        str(key), key.pipeline, key.kind, key.run_id
    )  # fmt: skip
    assert (run["state"], run["input_uri"], run["message"], run["rows_out"]) == ("running", "s3://b/2", None, None)


def test_another_shape_of_a_table_is_refused(mart: Mart, key: RunKey) -> None:
    mart.prepare(key.pipeline, TABLES)
    with pytest.raises(ConfigInvalid, match=f"{key.pipeline}_input.* other columns"):
        mart.prepare(key.pipeline, series_tables(("price", "stock"), LEVELS))
    with pytest.raises(ConfigInvalid, match=f"{key.pipeline}_prediction.* other columns"):
        mart.prepare(key.pipeline, series_tables(("price",), (0.8,)))


def test_a_table_that_is_absent(mart: Mart, key: RunKey) -> None:
    with pytest.raises(ConfigInvalid, match="does not exist"):
        mart.load(key, [TableRows("no_such_table", INPUT, [batch(1)])], {})

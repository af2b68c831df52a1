"""Column names and Arrow schemas shared by steps and adapters."""

import pyarrow as pa

from xflow.columns import ROW_ID, SERIES_ID, TIMESTAMP, VALUE

MANIFEST = "_manifest.json"
MANIFEST_SCHEMA_VERSION = 1


def input_schema(exogenous: tuple[str, ...] = ()) -> pa.Schema:
    """Return the schema of accepted input rows, as the mart stores them.

    Parameters
    ----------
    exogenous
        Names of the exogenous columns, in the order of the pipeline's YAML.
    """
    fields = [
        pa.field(ROW_ID, pa.int64(), nullable=False),
        pa.field(SERIES_ID, pa.string(), nullable=False),
        pa.field(TIMESTAMP, pa.timestamp("us"), nullable=False),
        pa.field(VALUE, pa.float64()),
    ]
    return pa.schema(fields + [pa.field(name, pa.float64()) for name in exogenous])


RUN_SCHEMA = pa.schema(
    [
        pa.field("run_key", pa.string(), nullable=False),
        pa.field("pipeline", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        *[pa.field(name, pa.string()) for name in ("as_of", "input_uri", "input_objects")],
        *[pa.field(name, pa.int64()) for name in ("rows_in", "rows_accepted", "rows_rejected", "rows_out")],
        *[pa.field(name, pa.string()) for name in ("feature_set", "model_name", "model_version", "output_uri")],
        *[pa.field(name, pa.string()) for name in ("metrics", "git_commit", "message")],
        *[pa.field(name, pa.timestamp("us"), nullable=False) for name in ("started_at", "updated_at")],
    ]
)
"""Columns of the run ledger ``mart.run``; `input_objects` and `metrics` hold JSON."""

REJECTED_SCHEMA = pa.schema(
    [
        pa.field(ROW_ID, pa.int64(), nullable=False),
        pa.field(SERIES_ID, pa.string()),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("column_name", pa.string()),
        pa.field("bad_value", pa.string()),
        pa.field("source_uri", pa.string(), nullable=False),
    ]
)


def bound_names(levels: tuple[float, ...]) -> list[str]:
    """Return ``lower_80, upper_80, ...`` for interval levels such as 0.8."""
    return [f"{side}_{round(level * 100)}" for level in levels for side in ("lower", "upper")]


def prediction_schema(levels: tuple[float, ...]) -> pa.Schema:
    """Return the schema of prediction parquet and of the output mart.

    Parameters
    ----------
    levels
        Nominal coverages of the prediction intervals, for example ``(0.8, 0.95)``.

    Notes
    -----
    `input_row_id` is the row id of the series' origin: the last input row that the forecast was
    allowed to see. `step` counts from 1.
    """
    fields = [
        pa.field("prediction_id", pa.string(), nullable=False),
        pa.field(SERIES_ID, pa.string(), nullable=False),
        pa.field(TIMESTAMP, pa.timestamp("us"), nullable=False),
        pa.field("step", pa.int32(), nullable=False),
        pa.field("forecast", pa.float64(), nullable=False),
        *[pa.field(name, pa.float64(), nullable=False) for name in bound_names(levels)],
        pa.field("model_name", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("input_row_id", pa.int64(), nullable=False),
    ]
    return pa.schema(fields)

"""Column names and Arrow schemas shared by steps and adapters."""

from dataclasses import dataclass

import pyarrow as pa

from xflow.columns import NOTE, RESPONSIBILITY, ROW_ID, SERIES_ID, SNAPSHOT_AT, TIMESTAMP, VACANCY_ID, VALUE

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
        *[
            pa.field(name, pa.string())
            for name in ("feature_set", "reused_from", "model_name", "model_version", "output_uri", "drift")
        ],
        *[pa.field(name, pa.string()) for name in ("metrics", "git_commit", "bundle", "message")],
        *[pa.field(name, pa.timestamp("us"), nullable=False) for name in ("started_at", "updated_at")],
    ]
)
"""Columns of the run ledger ``mart.run``; `input_objects` and `metrics` hold JSON."""

REJECTED_SCHEMA = pa.schema(
    [
        pa.field(ROW_ID, pa.int64(), nullable=False),
        pa.field("entity_id", pa.string()),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("column_name", pa.string()),
        pa.field("bad_value", pa.string()),
        pa.field("source_uri", pa.string(), nullable=False),
    ]
)


REALISED_SCHEMA = pa.schema(
    [
        pa.field("pipeline", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("model_name", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        *[pa.field(name, pa.string(), nullable=False) for name in ("slice", "item")],
        pa.field("window_start", pa.timestamp("us")),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        *[pa.field(name, pa.float64()) for name in ("holdout", "floor")],
        pa.field("bad", pa.bool_()),
    ]
)
"""Columns of ``mart.realised``: one figure of one part of the predictions, as a run of the monitor found it."""


SERVED_SCHEMA = pa.schema(
    [
        pa.field("served_at", pa.timestamp("us"), nullable=False),
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("request_row", pa.int64(), nullable=False),
        *[pa.field(name, pa.string(), nullable=False) for name in ("pipeline", "target", "model_name")],
        *[pa.field(name, pa.string(), nullable=False) for name in ("model_version", "endpoint", "caller")],
        *[pa.field(name, pa.string(), nullable=False) for name in ("entity_id", "input", "output")],
        pa.field("seconds", pa.float64(), nullable=False),
    ]
)
"""Columns of ``mart.served_prediction`` after `batch_id`: one prediction that the service answered with."""


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
    allowed to see. `step` counts from 1. `note` is null where the forecast is the model's own, without remark. A series
    of the input without a forecast has one row, of step 0 at as_of, whose `note` says why.
    """
    fields = [
        pa.field("prediction_id", pa.string(), nullable=False),
        pa.field(SERIES_ID, pa.string(), nullable=False),
        pa.field(TIMESTAMP, pa.timestamp("us"), nullable=False),
        pa.field("step", pa.int32(), nullable=False),
        pa.field("forecast", pa.float64()),
        *[pa.field(name, pa.float64()) for name in bound_names(levels)],
        pa.field("model_name", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("input_row_id", pa.int64(), nullable=False),
        pa.field(NOTE, pa.string()),
    ]
    return pa.schema(fields)


LATER_COLUMNS = ("salary_mode", "salary_frequency")
"""Columns of a vacancy that earlier versions did not have; their tables get them, null in the rows there are."""

VACANCY_SCHEMA = pa.schema(
    [
        pa.field(VACANCY_ID, pa.string(), nullable=False),
        pa.field(SNAPSHOT_AT, pa.timestamp("us"), nullable=False),
        pa.field(RESPONSIBILITY, pa.string()),
        *[pa.field(name, pa.string()) for name in ("name", "requirement", "description", "key_skills")],
        *[pa.field(name, pa.string()) for name in ("employer_id", "employer_name", "area_id", "area_name")],
        *[pa.field(name, pa.string()) for name in ("professional_role_id", "professional_role")],
        *[pa.field(name, pa.string()) for name in ("experience_id", "employment_id", "schedule_id")],
        *[pa.field(name, pa.float64()) for name in ("salary_from", "salary_to")],
        pa.field("salary_currency", pa.string()),
        pa.field("salary_gross", pa.bool_()),
        pa.field("salary_rate", pa.float64()),
        *[pa.field(name, pa.timestamp("us")) for name in ("published_at", "initial_created_at")],
        *[pa.field(name, pa.timestamp("us")) for name in ("first_seen", "last_seen", "closed_at")],
        pa.field("publications", pa.int64()),
        *[pa.field(name, pa.string()) for name in LATER_COLUMNS],
    ]
)
"""Columns of a flat vacancy, as it is delivered to train and predict; times in UTC without a zone.

`responsibility`, `requirement` and `description` are the API's texts, tags and all. `key_skills` has one
skill a line. `professional_role_id` is the first role. `salary_rate` is the units of `salary_currency`
for one rouble by the API's dictionary. `salary_mode` is what the figure is paid for (MONTH, HOUR, SHIFT, ...; null: a
month), `salary_frequency` how often it is paid. `published_at` is the latest publication. `first_seen`,
`last_seen`, `closed_at` and `publications` come from the history and are null without one; `closed_at`
is null while a vacancy is open. `snapshot_at` is when all of this was known.
"""

COHORT_PREDICTION_SCHEMA = pa.schema(
    [
        pa.field("prediction_id", pa.string(), nullable=False),
        pa.field(VACANCY_ID, pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("cohort", pa.string(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),
        pa.field("probabilities", pa.string(), nullable=False),
        pa.field("model_name", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("input_row_id", pa.int64(), nullable=False),
    ]
)
"""One row a vacancy and target: the likeliest cohort, and JSON of every cohort's probability."""

RAW_SCHEMA = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("status", pa.int32(), nullable=False),
        pa.field("etag", pa.string()),
        pa.field("fetched_at", pa.timestamp("us"), nullable=False),
        pa.field("body", pa.string()),
    ]
)
"""One response of the API a row: `kind` is search, detail or dictionary, `body` its JSON without contacts."""


@dataclass(frozen=True, slots=True)
class PipelineTables:
    """The mart's two tables of one pipeline.

    Attributes
    ----------
    input, prediction
        Columns of ``mart.<pipeline>_input`` and ``mart.<pipeline>_prediction``, after the run's key.
    lineage
        Columns of the input that the view ``mart.<pipeline>_lineage`` shows beside a prediction, as
        ``input_<column>``.
    later
        Columns that tables of an earlier version may lack; they are added, and stand last in the view.
    """

    input: pa.Schema
    prediction: pa.Schema
    lineage: tuple[str, ...]
    later: tuple[str, ...] = ()


def series_tables(exogenous: tuple[str, ...], levels: tuple[float, ...]) -> PipelineTables:
    """Return the tables of a forecasting pipeline."""
    return PipelineTables(input_schema(exogenous), prediction_schema(levels), (TIMESTAMP, VALUE), (NOTE,))


def vacancy_tables() -> PipelineTables:
    """Return the tables of a vacancies pipeline."""
    shown = (RESPONSIBILITY, "name", "employer_id", "area_id", "professional_role_id", "published_at")
    return PipelineTables(vacancy_input_schema(), COHORT_PREDICTION_SCHEMA, shown, LATER_COLUMNS)


def vacancy_input_schema() -> pa.Schema:
    """Return the schema of accepted vacancies, as the mart stores them."""
    return pa.schema([pa.field(ROW_ID, pa.int64(), nullable=False), *VACANCY_SCHEMA])

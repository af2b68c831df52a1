"""Predictions beside their outcomes, joined in the mart."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.resources import files
from string import Template
from typing import Any

import psycopg2.extensions
import pyarrow as pa
from psycopg2.extras import RealDictCursor

from xflow.adapters.greenplum_dialect import dialect_of
from xflow.adapters.greenplum_server import GreenplumServer, lock
from xflow.adapters.greenplum_tables import COLUMN_TYPES, PREPARE_LOCK, create_schema
from xflow.domain.monitoring import Cell
from xflow.domain.vacancies.realised import FACTS, OUTCOME_SCHEMA
from xflow.monitor_ports import Asked, Unit
from xflow.schema import REALISED_SCHEMA

FETCHED_ROWS = 16_384
WORST_SERIES = 20
STEPS: dict[Unit, str] = {"day": "1 day", "week": "7 days", "month": "1 month", "quarter": "3 months", "year": "1 year"}
ERRORS = {
    "mase": "avg(scaled)",
    "smape": "avg(relative)",
    "mae": "avg(absolute)",
    "rmse": "sqrt(avg(absolute * absolute))",
}
VERSIONED = ("model_version", "newest_of_version")
PARTS = [
    *[
        (name, "''::text", "newest", item)
        for name, item in (("all", "''"), ("window", "window_start"), ("step", "step"))
    ],
    *[(name, *VERSIONED, item) for name, item in (("all", "''"), ("window", "window_start"), ("step", "step"))],
    ("run", "''::text", "true", "run_key"),
    ("series", "''::text", "newest", "series_id"),
]
"""Slice, expression of the version, which rows count, and expression of the item."""
NEWEST = """
SELECT max(i.{column}) FROM mart.{pipeline}_input i JOIN mart.run r ON r.run_key = i.run_key
WHERE r.state IN ('success', 'partly') AND r.kind IN ('train', 'predict'){known}
"""
LEDGER = """
SELECT run_key, state, as_of, model_name, model_version, drift, metrics, started_at
FROM mart.run WHERE pipeline = %s AND kind = %s ORDER BY started_at DESC, run_key DESC
"""


class GreenplumRealised(GreenplumServer):
    """Predictions of one pipeline beside their outcomes; see `xflow.monitor_ports.RealisedMart`.

    Parameters
    ----------
    dsn
        ``postgresql://user:password@host:port/database``.
    pipeline
        Name of a pipeline whose tables stand.
    """

    def __init__(self, dsn: str, pipeline: str) -> None:
        super().__init__(dsn)
        self._pipeline = pipeline

    def prepare(self) -> None:
        """Create ``mart.realised`` when it is absent."""
        with self.transaction("prepare mart.realised") as cursor:
            if _stands(cursor):
                return
            lock(cursor, PREPARE_LOCK)
            if not _stands(cursor):
                create_schema(cursor)
                types = [
                    f',\n    "{f.name}" {COLUMN_TYPES[f.type]}{"" if f.nullable else " NOT NULL"}'
                    for f in REALISED_SCHEMA
                ]
                storage = dialect_of(cursor).spread("run_key")
                cursor.execute(_render("realised", columns="".join(types), storage=storage))

    def newest(self, column: str) -> datetime | None:
        """Return the newest time of accepted input rows of successful runs; of series only rows with a value count."""
        known = " AND i.value IS NOT NULL" if column == "timestamp" else ""
        with self.transaction(f"read mart.{self._pipeline}_input") as cursor:
            cursor.execute(NEWEST.format(column=f'"{column}"', pipeline=self._pipeline, known=known))
            ((found,),) = cursor.fetchall()
        return found if isinstance(found, datetime) else None

    def ledger(self, kind: str) -> list[dict[str, Any]]:
        """Return the ledger rows of a kind of runs, the newest first."""
        with self.transaction("read mart.run", RealDictCursor) as cursor:
            cursor.execute(LEDGER, (self._pipeline, kind))
            return [dict(row) for row in cursor.fetchall()]

    def series(self, asked: Asked, metric: str, seasonality: int, levels: Sequence[float]) -> list[Cell]:
        """Return the realised figures of forecasts.

        Parameters
        ----------
        metric
            ``mase``, ``smape``, ``mae`` or ``rmse``, as in `xflow.domain.metrics`: the mean over the series that have
            outcomes. The scale of MASE is the seasonal naive error of what each run knew of a series; a gap that
            training fills counts there as if it were not.
        seasonality
            Season m of that scale, in rows.
        levels
            Of the prediction intervals.
        """
        names = [f"{round(level * 100)}" for level in levels]
        with self.transaction("judge forecasts") as cursor:
            words = {
                "bounds": "".join(f", p.lower_{name}, p.upper_{name}" for name in names),
                "inside": "".join(
                    f", CASE WHEN m.value BETWEEN m.lower_{name} AND m.upper_{name} THEN 1 ELSE 0 END AS inside_{name}"
                    for name in names
                ),
                "by_series": dialect_of(cursor).spread("series_id"),
            }
            trainings = list(asked.trainings.items())
            values = {
                "versions": [version for (_, version), _ in trainings],
                "until": [training.as_of for _, training in trainings],
                "seasonality": seasonality,
            }
            statement = _render("realised_series", pipeline=self._pipeline, since=_since(asked), **words)
            cursor.execute(statement, {**values, **_times(asked)})
            return [cell for part in PARTS for cell in _cells(cursor, part, metric, names)]

    def vacancies(self, asked: Asked) -> Iterator[pa.RecordBatch]:
        """Stream predictions of cohorts beside the newest facts of their vacancies: batches of `OUTCOME_SCHEMA`."""
        trainings = list(asked.trainings.items())
        values = {
            "names": [name for (name, _), _ in trainings],
            "versions": [version for (_, version), _ in trainings],
            "runs": [training.run_key for _, training in trainings],
        }
        facts = ", ".join(f'i."{name}"' for name in FACTS)
        statement = _render("realised_vacancies", pipeline=self._pipeline, since=_since(asked), facts=facts)
        with self.transaction("judge cohorts", name=f"xflow_{uuid.uuid4().hex}") as cursor:
            cursor.itersize = FETCHED_ROWS
            cursor.execute(statement, {**values, **_times(asked)})
            while rows := cursor.fetchmany(FETCHED_ROWS):
                names = [column.name for column in cursor.description or ()]
                columns = dict(zip(names, zip(*rows)))
                yield pa.RecordBatch.from_arrays(
                    [pa.array(columns[field.name], field.type) for field in OUTCOME_SCHEMA], schema=OUTCOME_SCHEMA
                )


def _cells(
    cursor: psycopg2.extensions.cursor, part: tuple[str, str, str, str], metric: str, levels: Sequence[str]
) -> list[Cell]:
    name, version, chosen, item = part
    by_name = 'version COLLATE "C", item COLLATE "C"'  # in one order on every server
    worst = f"{metric} DESC NULLS LAST, {by_name} LIMIT {WORST_SERIES}" if name == "series" else by_name
    figures = [*dict.fromkeys([metric, "mae"]), *(f"coverage_{level}" for level in levels)]
    words = {
        "metric": metric if metric != "mae" else "same",
        "version": version,
        "item": f"({item})::text",
        "error": ERRORS[metric],
        "chosen": chosen,
        "inside": "".join(f", sum(inside_{level}) AS inside_{level}" for level in levels),
        "coverage": "".join(
            f", sum(inside_{level}) / sum(values_judged)::double precision AS coverage_{level}" for level in levels
        ),
        "order": worst,
    }
    cursor.execute(_render("realised_cells", **words))
    columns = [column.name for column in cursor.description or ()]
    rows = [dict(zip(columns, row)) for row in cursor.fetchall()]
    return [
        Cell(
            target="",
            version=row["version"],
            slice=name,
            item=row["item"],
            n=int(row["n"]),
            figures={figure: float(row[figure]) for figure in figures if row[figure] is not None},
        )
        for row in rows
    ]


def _since(asked: Asked) -> str:
    """Return the expression of the first moment of the first window."""
    first = f"date_trunc('{asked.unit}', %(as_of)s::timestamp)"
    return f"({first} - {asked.windows - 1} * interval '{STEPS[asked.unit]}')"


def _times(asked: Asked) -> dict[str, object]:
    return {"as_of": asked.as_of, "unit": asked.unit}


def _render(name: str, **words: str) -> str:
    return Template(files("xflow.sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")).substitute(words)


def _stands(cursor: psycopg2.extensions.cursor) -> bool:
    cursor.execute("SELECT to_regclass('mart.realised') IS NOT NULL")
    return bool(cursor.fetchone() == (True,))

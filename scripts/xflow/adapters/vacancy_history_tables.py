"""Tables and views of the vacancy history, and its SQL rendered for Greenplum 6 and 7 or PostgreSQL."""

import hashlib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from string import Template

import psycopg2.extensions
import pyarrow as pa

from xflow.adapters.greenplum_dialect import Dialect, dialect_of
from xflow.adapters.greenplum_server import lock, scalar
from xflow.adapters.greenplum_tables import COLUMN_TYPES, PREPARE_LOCK, create_schema
from xflow.domain.vacancies.flat import DETAIL_SCHEMA, LISTED_COLUMNS, SIGHTING_SCHEMA
from xflow.schema import VACANCY_SCHEMA

LISTED_SCHEMA = pa.schema([VACANCY_SCHEMA.field(name) for name in LISTED_COLUMNS])
ALWAYS, NEVER = "'infinity'::timestamp", "'-infinity'::timestamp"
SHOWN = (
    *VACANCY_SCHEMA.names,
    *("scope", "published_first", "published_last", "archived_at", "checked_at", "detail_etag", "detail_published_at"),
)


def prepare(cursor: psycopg2.extensions.cursor, words: Mapping[str, str]) -> None:
    """Create the tables and views that are absent; make the view ``_history`` anew when it has changed.

    Parameters
    ----------
    words
        `pipeline`, `gone_after` and `window`, as `render` takes them.
    """
    name = f"mart.{words['pipeline']}_history"
    columns = ", ".join(f'h."{column}"' for column in SHOWN)
    body = render("history", {**words, "as_of": ALWAYS, "since": NEVER})
    statement = f"SELECT {columns} FROM (\n{body}\n) h"  # noqa: S608  names are the pipeline's and ours
    comment = f"One row a vacancy, as it is known now. Definition {hashlib.sha256(statement.encode()).hexdigest()[:16]}"
    if _comment(cursor, name) == comment:
        return
    lock(cursor, PREPARE_LOCK)
    if not _exists(cursor, f"mart.{words['pipeline']}_snapshot"):
        create_schema(cursor)
        cursor.execute(render("tables", {**words, **_columns(), **_storage(dialect_of(cursor))}))
    else:
        cursor.execute(render("open_runs", words))
    _add_columns(cursor, f"mart.{words['pipeline']}_version")
    cursor.execute(f"DROP VIEW IF EXISTS {name}")
    cursor.execute(f"CREATE VIEW {name} AS {statement}")
    cursor.execute(f"COMMENT ON VIEW {name} IS %s", (comment,))


def _add_columns(cursor: psycopg2.extensions.cursor, table: str) -> None:
    """Add the columns of a listing that a table of an earlier version lacks."""
    cursor.execute("SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s)::oid", (table,))
    there = {name for (name,) in cursor.fetchall()}
    for field in LISTED_SCHEMA:
        if field.name not in there:
            cursor.execute(f'ALTER TABLE {table} ADD COLUMN "{field.name}" {COLUMN_TYPES[field.type]}')


def create_staged(cursor: psycopg2.extensions.cursor) -> None:
    """Create the table that a snapshot is copied to; it goes with the transaction."""
    columns = ", ".join(f'"{f.name}" {COLUMN_TYPES[f.type]}' for f in SIGHTING_SCHEMA)
    distribution = _storage(dialect_of(cursor))["by_vacancy"]
    cursor.execute(f"CREATE TEMPORARY TABLE staged (snapshot_id text, {columns}) ON COMMIT DROP {distribution}")


def merge(cursor: psycopg2.extensions.cursor, pipeline: str, values: Mapping[str, object]) -> int:
    """Merge the staged rows; return how many sightings were replaced.

    Parameters
    ----------
    values
        The snapshot, and its neighbours `before` and `after`.
    """
    words = {
        "pipeline": pipeline,
        "listed_names": _listed(f'"{name}"' for name in LISTED_COLUMNS),
        "staged_listed": _listed(f't."{name}"' for name in LISTED_COLUMNS),
        "detail_names": _listed(f'"{name}"' for name in DETAIL_SCHEMA.names),
        "staged_detail": _listed(f't."{name}"' for name in DETAIL_SCHEMA.names),
        "temporary_by_vacancy": _storage(dialect_of(cursor))["by_vacancy"],
    }
    cursor.execute(render("merge", words), values)
    return int(scalar(cursor))


def render(name: str, words: Mapping[str, str]) -> str:
    """Return the statements of one ``sql/vacancies_<name>.sql``."""
    text = files("xflow.sql").joinpath(f"vacancies_{name}.sql").read_text(encoding="utf-8")
    return Template(text).substitute(words)


def _columns() -> dict[str, str]:
    return {
        f"{name}_columns": _listed(f'"{f.name}" {COLUMN_TYPES[f.type]}' for f in schema)
        for name, schema in (("listed", LISTED_SCHEMA), ("detail", DETAIL_SCHEMA))
    }


def _storage(dialect: Dialect) -> Mapping[str, str]:
    """Return how the tables are spread. All of them change, so they are on the heap."""
    keys = {"by_vacancy": "vacancy_id", "by_snapshot": "snapshot_id", "by_role": "professional_role_id"}
    return {word: dialect.spread(key) for word, key in keys.items()}


def _exists(cursor: psycopg2.extensions.cursor, name: str) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (name,))
    return bool(cursor.fetchone() == (True,))


def _comment(cursor: psycopg2.extensions.cursor, name: str) -> str | None:
    cursor.execute("SELECT obj_description(to_regclass(%s)::oid, 'pg_class')", (name,))
    ((comment,),) = cursor.fetchall()
    return comment if isinstance(comment, str) else None


def _listed(columns: Iterable[str]) -> str:
    return "".join(f",\n    {column}" for column in columns)

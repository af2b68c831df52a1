"""The mart's tables: rendered for Greenplum 6 and 7 or PostgreSQL, created and checked."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from string import Template

import psycopg2.extensions
import pyarrow as pa

from xflow.adapters.greenplum_dialect import Dialect, dialect_of
from xflow.adapters.greenplum_server import lock
from xflow.errors import ConfigInvalid
from xflow.schema import REJECTED_SCHEMA, RUN_SCHEMA, PipelineTables

COLUMN_TYPES = {
    pa.bool_(): "boolean",
    pa.string(): "text",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float64(): "double precision",
    pa.timestamp("us"): "timestamp without time zone",
}
SCRIPTS = ("run", "rejected_row", "input", "prediction")  # in the order of `_wanted`
PREPARE_LOCK = 0x78666C6F77  # "xflow": one session at a time creates tables

COLUMNS_QUERY = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'mart' AND c.relname = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
"""
NOT_NULL_QUERY = """
SELECT c.relname, a.attname
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'mart' AND c.relname = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
"""

Columns = dict[str, str]


def prepare(cursor: psycopg2.extensions.cursor, pipeline: str, tables: PipelineTables) -> None:
    """Create schema, tables and the lineage view of a pipeline when they are absent; change those of earlier versions.

    Raises
    ------
    ConfigInvalid
        A table exists with other columns than the pipeline needs.
    """
    wanted = _wanted(pipeline, tables)
    names = [*wanted, f"{pipeline}_lineage"]
    found = _existing(cursor, names)
    if len(found) < len(names) or _changes(cursor, pipeline, tables, found):
        lock(cursor, PREPARE_LOCK)
        found = _existing(cursor, names)  # another session may have done it meanwhile
        for change in (changes := _changes(cursor, pipeline, tables, found)):
            cursor.execute(change)
        if len(found) < len(names) or changes:
            absent = {table: script for table, script in zip(wanted, SCRIPTS, strict=True) if table not in found}
            _create(cursor, pipeline, tables, absent, wanted)
        found = _existing(cursor, names)
    _check(found, wanted)


def _check(found: Mapping[str, Columns], wanted: Mapping[str, Columns]) -> None:
    for table, columns in wanted.items():
        if found[table] != columns:
            raise ConfigInvalid(
                f"mart.{table} exists with other columns: {_difference(found[table], columns)}. Alter the table, or "
                f"rename it (ALTER TABLE mart.{table} RENAME TO {table}_old): the next run makes a new one."
            )


def create_schema(cursor: psycopg2.extensions.cursor) -> None:
    """Create the schema when it is absent. IF NOT EXISTS would want the right to create schemas in any case."""
    cursor.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'mart'")
    if cursor.fetchone() is None:
        cursor.execute("CREATE SCHEMA mart")


def _wanted(pipeline: str, tables: PipelineTables) -> dict[str, Columns]:
    facts = {
        "rejected_row": REJECTED_SCHEMA,
        f"{pipeline}_input": tables.input,
        f"{pipeline}_prediction": tables.prediction,
    }
    columns = {table: {"run_key": "text"} | _columns(schema) for table, schema in facts.items()}
    return {"run": _columns(RUN_SCHEMA)} | columns


def _changes(
    cursor: psycopg2.extensions.cursor, pipeline: str, tables: PipelineTables, found: Mapping[str, Columns]
) -> list[str]:
    """Return the statements that add to tables of an earlier version what they lack, and let columns be empty."""
    changes = []
    schemas = {"run": RUN_SCHEMA, f"{pipeline}_input": tables.input, f"{pipeline}_prediction": tables.prediction}
    cursor.execute(NOT_NULL_QUERY, (list(schemas),))
    filled = set(cursor.fetchall())
    for table, schema in schemas.items():
        columns = found.get(table, {})
        for field in schema if columns else ():
            if field.name not in columns and field.nullable and (table == "run" or field.name in tables.later):
                # Greenplum wants a default of a new column of a column-oriented table.
                kind = COLUMN_TYPES[field.type]
                changes.append(f'ALTER TABLE mart.{table} ADD COLUMN "{field.name}" {kind} DEFAULT NULL')
            elif field.nullable and (table, field.name) in filled:
                changes.append(f'ALTER TABLE mart.{table} ALTER COLUMN "{field.name}" DROP NOT NULL')
    return changes


def _columns(schema: pa.Schema) -> Columns:
    return {field.name: COLUMN_TYPES[field.type] for field in schema}


def _existing(cursor: psycopg2.extensions.cursor, tables: Sequence[str]) -> dict[str, Columns]:
    cursor.execute(COLUMNS_QUERY, (list(tables),))
    found: dict[str, Columns] = {}
    for table, column, kind in cursor.fetchall():
        found.setdefault(table, {})[column] = kind
    return found


def _create(
    cursor: psycopg2.extensions.cursor,
    pipeline: str,
    tables: PipelineTables,
    absent: Mapping[str, str],
    wanted: Mapping[str, Columns],
) -> None:
    """Create the tables that are absent and no other: DDL on one that stands would wait for its loads; and the view."""
    dialect = dialect_of(cursor)
    words = _words(pipeline, tables, dialect)
    create_schema(cursor)
    for table, script in absent.items():
        cursor.execute(_render(script, words))
        if not dialect.greenplum and table != "run":
            # A run's rows lie side by side, so a block-range index finds them and costs COPY nothing.
            cursor.execute(f"CREATE INDEX ON mart.{table} USING brin (run_key) WITH (autosummarize = on)")
    view = f"{pipeline}_lineage"
    found = _existing(cursor, [*wanted, view])
    _check(found, wanted)
    standing = found.get(view, {})
    if not absent and standing and set(tables.later) & set(tables.prediction.names) <= set(standing):
        return
    if absent:
        cursor.execute(f"DROP VIEW IF EXISTS mart.{view}")  # it may be of a table that was renamed
    cursor.execute(_render("lineage", words))


def _words(pipeline: str, tables: PipelineTables, dialect: Dialect) -> dict[str, str]:
    """Return what the DDL of a pipeline is rendered with."""
    added = tables.later
    return {
        "pipeline": pipeline,
        "input_columns": _defined(tables.input),
        "prediction_columns": _defined(tables.prediction),
        "prediction_names": _listed(f'p."{name}"' for name in tables.prediction.names if name not in added),
        "added_names": _listed(f'p."{name}"' for name in tables.prediction.names if name in added),
        "input_names": _listed(f'i."{name}" AS input_{name}' for name in tables.lineage),
        "by_run_key": dialect.spread("run_key"),
        "facts_by_row_id": dialect.facts("row_id"),
        "facts_by_input_row_id": dialect.facts("input_row_id"),
    }


def _render(name: str, words: Mapping[str, str]) -> str:
    return Template(files("xflow.sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")).substitute(words)


def _defined(schema: pa.Schema) -> str:
    return _listed(f'"{f.name}" {COLUMN_TYPES[f.type]}{"" if f.nullable else " NOT NULL"}' for f in schema)


def _listed(columns: Iterable[str]) -> str:
    return "".join(f",\n    {column}" for column in columns)


def _difference(found: Columns, wanted: Columns) -> str:
    missing = [f"{name} {kind}" for name, kind in wanted.items() if name not in found]
    surplus = [name for name in found if name not in wanted]
    other = [f"{name} is {found[name]}, not {kind}" for name, kind in wanted.items() if found.get(name, kind) != kind]
    named = (("missing", missing), ("not needed", surplus), ("of another type", other))
    return "; ".join(f"{label}: {', '.join(columns)}" for label, columns in named if columns)

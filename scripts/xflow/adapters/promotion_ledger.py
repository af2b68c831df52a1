"""The ledger of promotions in Greenplum: the table ``mart.promotion``."""

from datetime import datetime
from importlib.resources import files
from string import Template
from typing import Any

import psycopg2.extensions
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extras import RealDictCursor

from xflow.adapters.greenplum_dialect import dialect_of
from xflow.adapters.greenplum_server import GreenplumServer, lock, scalar
from xflow.adapters.greenplum_tables import COLUMN_TYPES, PREPARE_LOCK, create_schema
from xflow.promotion_ports import SAME, PromotionRecord

SCHEMA = pa.schema(
    [
        *[pa.field(name, pa.string(), nullable=False) for name in ("pipeline", "model_name")],
        pa.field("target", pa.string()),
        *[pa.field(name, pa.string(), nullable=False) for name in ("run_key", "action", "outcome", "version")],
        *[pa.field(name, pa.string()) for name in ("champion_before", "champion_after")],
        *[pa.field(name, pa.string(), nullable=False) for name in ("environment", "alias")],
        pa.field("metric", pa.string()),
        *[pa.field(name, pa.float64()) for name in ("champion_score", "challenger_score", "difference", "lower")],
        *[pa.field(name, pa.float64()) for name in ("upper", "confidence")],
        pa.field("units", pa.int64()),
        *[pa.field(name, pa.string()) for name in ("policy", "figures")],
        pa.field("reason", pa.string(), nullable=False),
        *[pa.field(name, pa.string()) for name in ("holdout_hash", "feature_set", "git_commit")],
        pa.field("decided_by", pa.string(), nullable=False),
        pa.field("decided_at", pa.timestamp("us"), nullable=False),
    ]
)
"""Columns of ``mart.promotion`` after `decision_id`, which counts the decisions about a model."""
NEWEST = "SELECT * FROM mart.promotion WHERE model_name = %s AND run_key = %s ORDER BY decision_id DESC LIMIT 1"
HISTORY = "SELECT * FROM mart.promotion WHERE model_name = %s AND environment = %s ORDER BY decision_id"
SERVED = """
SELECT champion_after FROM mart.promotion
WHERE model_name = %s AND environment = %s AND outcome = 'promoted' AND decided_at <= %s
ORDER BY decided_at DESC, decision_id DESC LIMIT 1
"""


class GreenplumPromotions(GreenplumServer):
    """The ledger of promotions; see `xflow.promotion_ports.PromotionLedger`. The table is made when it is absent."""

    def record(self, decision: PromotionRecord) -> bool:
        """Add a decision unless its run has just made the same; return whether it was new."""
        row = decision.model_dump()
        with self.transaction("write mart.promotion", RealDictCursor) as cursor:
            _prepare(cursor)
            cursor.execute("LOCK TABLE mart.promotion IN SHARE ROW EXCLUSIVE MODE")  # one writer numbers at a time
            cursor.execute(NEWEST, (decision.model_name, decision.run_key))
            newest: Any = cursor.fetchone()
            if newest is not None and all(newest[name] == row[name] for name in SAME):
                return False
            values = [sql.Placeholder(name) for name in row if name != "decided_at"]
            statement = sql.SQL(
                "INSERT INTO mart.promotion (decision_id, {names}, decided_at) "
                "SELECT coalesce(max(decision_id), 0) + 1, {values}, "
                "coalesce(%(decided_at)s::timestamp, clock_timestamp() AT TIME ZONE 'UTC') "
                "FROM mart.promotion WHERE model_name = %(model_name)s"
            )
            names = [sql.Identifier(name) for name in row if name != "decided_at"]
            cursor.execute(statement.format(names=sql.SQL(", ").join(names), values=sql.SQL(", ").join(values)), row)
        return True

    def decisions(self, model_name: str, environment: str) -> list[PromotionRecord]:
        """Return the decisions about a model in an environment, oldest first."""
        with self.transaction("read mart.promotion", RealDictCursor) as cursor:
            _prepare(cursor)
            cursor.execute(HISTORY, (model_name, environment))
            found = [dict(row) for row in cursor.fetchall()]
        return [PromotionRecord.model_validate({n: v for n, v in row.items() if n != "decision_id"}) for row in found]

    def champion_at(self, model_name: str, environment: str, at: datetime) -> str | None:
        """Return the version that served in an environment at a time, or None before the first."""
        with self.transaction("read mart.promotion") as cursor:
            _prepare(cursor)
            cursor.execute(SERVED, (model_name, environment, at))
            found = cursor.fetchone()
        return None if found is None else str(found[0])


def _prepare(cursor: psycopg2.extensions.cursor) -> None:
    """Create the table when it is absent."""
    if _exists(cursor):
        return
    lock(cursor, PREPARE_LOCK)
    if _exists(cursor):
        return
    create_schema(cursor)
    columns = "".join(f',\n    "{f.name}" {COLUMN_TYPES[f.type]}{"" if f.nullable else " NOT NULL"}' for f in SCHEMA)
    storage = dialect_of(cursor).spread("model_name")
    text = files("xflow.sql").joinpath("promotion.sql").read_text(encoding="utf-8")
    cursor.execute(Template(text).substitute(columns=columns, by_model_name=storage))


def _exists(cursor: psycopg2.extensions.cursor) -> bool:
    cursor.execute("SELECT to_regclass('mart.promotion') IS NOT NULL AS found")
    return bool(scalar(cursor))

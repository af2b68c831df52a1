"""The runs of a pipeline, as the board shows them."""

from collections.abc import Sequence

from xflow.adapters.board_reader import Row
from xflow.serving.board.links import DAGS, Links
from xflow.serving.board.view import Json, View, shortened, utc

COLUMNS = """pipeline, kind, run_id, run_key, state, as_of, rows_in, rows_accepted, rows_rejected, rows_out,
model_version, drift, bundle, message, started_at, updated_at"""
RUNS = f"""
SELECT {COLUMNS} FROM mart.run
WHERE pipeline = %(pipeline)s AND (%(kind)s::text IS NULL OR kind = %(kind)s)
ORDER BY started_at DESC, run_key DESC
LIMIT %(limit)s
"""  # noqa: S608  the columns are those above
ORDER = (*DAGS, "reproduce")


def runs(view: View, name: str, kind: str | None, limit: int) -> Json:
    """Return a pipeline's last runs, the newest first."""
    pipeline = view.pipeline(name)
    with view.reader.reading("read runs for the board") as reading:
        asked = {"pipeline": pipeline.name, "kind": kind, "limit": limit}
        found = reading.rows(RUNS, asked) if reading.has("run") else []
    return {"runs": [shown(row, view.links) for row in found]}


def newest_by_kind(rows: Sequence[Row], links: Links) -> list[Json]:
    """Return one run a kind as the board shows them, in the order in which the kinds follow one another."""
    known = sorted(
        rows, key=lambda row: (ORDER.index(row["kind"]) if row["kind"] in ORDER else len(ORDER), row["kind"])
    )
    return [shown(row, links) for row in known]


def shown(row: Row, links: Links) -> Json:
    """Return a ledger row as the board shows it."""
    pipeline, kind, run_id = row["pipeline"], row["kind"], row["run_id"]
    running = row["state"] == "running"
    return {
        "kind": kind,
        "dag": f"{pipeline}_{kind}",
        "run_id": run_id,
        "state": row["state"],
        "started_at": utc(row["started_at"]),
        "updated_at": utc(row["updated_at"]),
        "seconds": None if running else round((row["updated_at"] - row["started_at"]).total_seconds(), 1),
        **{name: row[name] for name in ("rows_in", "rows_accepted", "rows_rejected", "rows_out")},
        "as_of": utc(row["as_of"]),
        "model_version": row["model_version"],
        "drift": row["drift"] or None,
        "message": shortened(row["message"]),
        "links": {"run": links.run(pipeline, kind, run_id, row["bundle"]), "dag": links.dag(pipeline, kind)},
    }

"""The decisions about a pipeline's versions, as the board shows them."""

from xflow.adapters.board_reader import Row
from xflow.serving.board.view import Json, View, shortened, utc

PROMOTIONS = """
SELECT p.decision_id, p.target, p.model_name, p.version, p.action, p.outcome, p.champion_before, p.champion_after,
       p.environment, p.metric, p.champion_score, p.challenger_score, p.difference, p.lower, p.upper, p.confidence,
       p.units, p.reason, p.git_commit, p.decided_by, p.decided_at, r.run_id, r.kind, r.bundle
FROM mart.promotion p
LEFT JOIN mart.run r ON r.run_key = p.run_key
WHERE p.pipeline = %(pipeline)s AND p.environment = %(environment)s
ORDER BY p.decided_at DESC, p.decision_id DESC, p.model_name
LIMIT %(limit)s
"""
SHOWN = ("version", "action", "outcome", "environment", "decided_by")
FIGURES = ("champion_score", "challenger_score", "difference", "lower", "upper", "confidence", "units")


def promotions(view: View, name: str, limit: int) -> Json:
    """Return the last decisions about a pipeline's versions in this environment, the newest first."""
    pipeline = view.pipeline(name)
    asked = {"pipeline": pipeline.name, "environment": view.environment, "limit": limit}
    with view.reader.reading("read promotions for the board") as reading:
        rows = reading.rows(PROMOTIONS, asked) if reading.has("promotion", "run") else []
    return {"promotions": [_shown(view, pipeline.name, row) for row in rows]}


def _shown(view: View, pipeline: str, row: Row) -> Json:
    run = view.links.run(pipeline, row["kind"], row["run_id"], row["bundle"]) if row["run_id"] else None
    return {
        "id": row["decision_id"],
        "target": row["target"] or "",
        "model": row["model_name"],
        **{name: row[name] for name in SHOWN},
        **{name: row[name] or None for name in ("champion_before", "champion_after", "metric", "git_commit")},
        **{name: row[name] for name in FIGURES},
        "reason": shortened(row["reason"]),
        "decided_at": utc(row["decided_at"]),
        "run_id": row["run_id"],
        "links": {"version": view.links.version(row["model_name"], row["version"]), "run": run},
    }

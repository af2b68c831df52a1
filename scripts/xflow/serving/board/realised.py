"""What predictions were worth, as the newest run of the monitor that found outcomes wrote it down."""

from collections.abc import Sequence

from xflow.adapters.board_reader import Reading, Row
from xflow.pipeline import AnyPipeline
from xflow.serving.board.figures import BETTER, figures_of, level_of
from xflow.serving.board.view import Json, View, shortened, utc

# Rows_out counts the figures: a run without any found no outcome.
RUN = """
SELECT run_key, run_id, as_of, message, metrics, started_at FROM mart.run
WHERE pipeline = %(pipeline)s AND kind = 'monitor' AND state = 'success'
ORDER BY CASE WHEN rows_out > 0 THEN 0 ELSE 1 END, started_at DESC, run_key DESC
LIMIT 1
"""
FIGURES = """
SELECT target, model_name, model_version, slice, item, window_start, metric, value, n, holdout, floor, bad
FROM mart.realised
WHERE run_key = %(run_key)s
  AND (slice = 'all' AND (model_version = '' OR metric = %(metric)s)
       OR slice = 'window' AND model_version = ''
       OR slice IN ('step', 'series', 'role', 'area', 'cohort') AND model_version = '' AND metric = %(metric)s)
ORDER BY target, metric, slice, window_start, item
LIMIT 20000
"""
ASKS = "asks_for_retraining"


def realised(view: View, name: str) -> Json:
    """Return the realised figures of a pipeline: over all outcomes, by window of time, and by parts."""
    pipeline = view.pipeline(name)
    with view.reader.reading("read realised figures for the board") as reading:
        run = reading.row(RUN, {"pipeline": pipeline.name}) if reading.has("run") else None
        rows = _figures(reading, pipeline, run) if run is not None else []
    if run is None or not rows:
        return _nothing(pipeline, shortened(run["message"]) if run else "")
    return {
        "run_id": run["run_id"],
        "at": utc(run["started_at"]),
        "as_of": utc(run["as_of"]),
        "message": shortened(run["message"]),
        "asks_for_training": bool(figures_of(run["metrics"]).get(ASKS)),
        "metric": pipeline.model.metric,
        "targets": [
            _target(pipeline, target, [row for row in rows if row["target"] == target]) for target in pipeline.targets
        ],
    }


def _figures(reading: Reading, pipeline: AnyPipeline, run: Row) -> list[Row]:
    if not reading.has("realised"):
        return []
    return reading.rows(FIGURES, {"run_key": run["run_key"], "metric": pipeline.model.metric})


def _nothing(pipeline: AnyPipeline, message: str) -> Json:
    empty = dict.fromkeys(("run_id", "at", "as_of"))
    return {**empty, "message": message, "asks_for_training": False, "metric": pipeline.model.metric, "targets": []}


def _target(pipeline: AnyPipeline, target: str, rows: Sequence[Row]) -> Json:
    main = pipeline.model.metric
    overall = {row["metric"]: row for row in rows if row["slice"] == "all" and not row["model_version"]}
    order = sorted(overall, key=lambda metric: (metric != main, level_of(metric) or 0, metric))
    versions = [row for row in rows if row["slice"] == "all" and row["model_version"]]
    return {
        "target": target,
        "model": pipeline.model_name(target),
        "metrics": [_metric(overall[metric], main, rows) for metric in order],
        "versions": [
            {"version": row["model_version"], **_figure(row), "holdout": row["holdout"], "floor": row["floor"]}
            for row in sorted(versions, key=lambda row: (len(row["model_version"]), row["model_version"]))
        ],
        "steps": sorted(
            ({"step": int(row["item"]), **_figure(row)} for row in rows if row["slice"] == "step"),
            key=lambda each: each["step"],
        ),
        "worst": _part(rows, "series", worst=True),
        "roles": _part(rows, "role"),
        "areas": _part(rows, "area"),
        "cohorts": _part(rows, "cohort"),
    }


def _metric(row: Row, main: str, rows: Sequence[Row]) -> Json:
    metric = row["metric"]
    windows = [each for each in rows if each["slice"] == "window" and each["metric"] == metric]
    return {
        "metric": metric,
        "main": metric == main,
        "better": BETTER.get(metric),
        "level": level_of(metric),
        **_figure(row),
        "holdout": row["holdout"],
        "floor": row["floor"],
        "windows": [{"start": utc(each["window_start"]), **_figure(each), "bad": each["bad"]} for each in windows],
    }


def _part(rows: Sequence[Row], name: str, *, worst: bool = False) -> list[Json]:
    """Return the figures of the parts of a slice: the worst first, or those of the most outcomes."""
    found = [row for row in rows if row["slice"] == name]
    found.sort(key=lambda row: (-row["value"] if worst else -row["n"], row["item"]))
    return [{"item": row["item"], **_figure(row)} for row in found]


def _figure(row: Row) -> Json:
    return {"value": row["value"], "n": row["n"]}

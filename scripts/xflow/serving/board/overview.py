"""The first answer of the board: every pipeline with its champions, last runs, drift and freshness."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from xflow.adapters.board_reader import Reading, Row
from xflow.pipeline import AnyPipeline, Pipeline
from xflow.serving.board.figures import coverages, drift_figures, figures_of, holdout_figures
from xflow.serving.board.runs import COLUMNS, newest_by_kind
from xflow.serving.board.view import Json, View, models_of, shortened, utc

NEWEST = f"""
SELECT DISTINCT ON (pipeline, kind) {COLUMNS} FROM mart.run
WHERE pipeline = ANY(%(pipelines)s) ORDER BY pipeline, kind, started_at DESC, run_key DESC
"""  # noqa: S608  the columns are those of the ledger
LOOKED = """
SELECT DISTINCT ON (pipeline) pipeline, run_id, run_key, drift, metrics, message, started_at FROM mart.run
WHERE pipeline = ANY(%(pipelines)s) AND kind = 'predict' AND drift <> '' AND state <> 'running'
ORDER BY pipeline, started_at DESC, run_key DESC
"""
FRESH = """
SELECT pipeline, kind, max(updated_at) AS updated_at, max(as_of COLLATE "C") AS as_of FROM mart.run
WHERE pipeline = ANY(%(pipelines)s) AND kind IN ('train', 'predict', 'collect')
    AND state IN ('success', 'partly')
GROUP BY pipeline, kind
"""
GENERATED = "SELECT 1 AS found FROM mart.${pipeline}_snapshot WHERE source = 'generated' LIMIT 1"


def overview(view: View) -> Json:
    """Return what the board shows first."""
    names = {"pipelines": list(view.pipelines), "environment": view.environment}
    with view.reader.reading("read the overview of the board") as reading:
        runs, looked, fresh = _ledger(reading, names)
        champions = reading.rows(_champions(), names) if reading.has("promotion", "run") else []
        generated = _generated(view, reading)
    return {
        "environment": view.environment,
        "now": utc(datetime.now(UTC)),
        "version": version("xflow"),
        "links": view.links.home(),
        "pipelines": [
            {
                **_described(pipeline),
                "generated": pipeline.name in generated,
                "champions": _shown(view, pipeline, champions),
                "runs": newest_by_kind(_of(pipeline, runs), view.links),
                "drift": _drift(view, pipeline, _of(pipeline, looked)),
                "freshness": _freshness(_of(pipeline, fresh)),
                "links": view.links.pipeline(pipeline.name),
            }
            for pipeline in view.pipelines.values()
        ],
    }


def _ledger(reading: Reading, names: Mapping[str, object]) -> tuple[list[Row], ...]:
    if not reading.has("run"):
        return [], [], []
    return tuple(reading.rows(statement, names) for statement in (NEWEST, LOOKED, FRESH))


def _generated(view: View, reading: Reading) -> set[str | None]:
    """Return the pipelines whose vacancies are a sample's, and those that forecast their markets."""
    found: set[str | None] = set()
    for pipeline in view.pipelines.values():
        if isinstance(pipeline, Pipeline) or not reading.has(f"{pipeline.name}_snapshot"):
            continue
        if reading.row(GENERATED, pipeline=pipeline.name):
            found |= {pipeline.name, pipeline.collect.market if pipeline.collect else None}
    return found


def _champions() -> str:
    return files("xflow.sql").joinpath("board_champions.sql").read_text(encoding="utf-8")


def _of(pipeline: AnyPipeline, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["pipeline"] == pipeline.name]


def _described(pipeline: AnyPipeline) -> Json:
    series = isinstance(pipeline, Pipeline)
    collect = None if isinstance(pipeline, Pipeline) else pipeline.collect
    return {
        "name": pipeline.name,
        "kind": "series" if series else "vacancies",
        "description": pipeline.description,
        "metric": pipeline.model.metric,
        "frequency": pipeline.contract.frequency if isinstance(pipeline, Pipeline) else None,
        "horizon": pipeline.model.horizon if isinstance(pipeline, Pipeline) else None,
        "levels": [round(each * 100) for each in pipeline.model.levels] if isinstance(pipeline, Pipeline) else [],
        "market": collect.market if collect else None,
    }


def _shown(view: View, pipeline: AnyPipeline, champions: Sequence[Row]) -> list[Json]:
    """Return the champions of a pipeline's targets, in their order."""
    found = {row["model_name"]: row for row in champions if row["version"]}
    named = [(target, found.get(pipeline.model_name(target))) for target in pipeline.targets]
    return [_champion(view, pipeline, target, row) for target, row in named if row is not None]


def _champion(view: View, pipeline: AnyPipeline, target: str, row: Row) -> Json:
    name, number = row["model_name"], row["version"]
    metrics = _metrics(row, target)
    vacancies = metrics.get(f"{target}_holdout_vacancies".lstrip("_"))
    return {
        "target": target,
        "model": name,
        "version": number,
        "since": utc(row["decided_at"]),
        **{each: row[each] for each in ("decided_by", "action")},
        "reason": shortened(row["reason"]),
        "trained_at": utc(row["trained_at"]),
        "as_of": utc(row["as_of"]),
        "service": _in_service(view, name),
        "figures": holdout_figures(metrics, target, pipeline.model.metric),
        "coverage": coverages(metrics, target),
        "holdout": int(vacancies) if vacancies is not None else None,
        "links": {"model": view.links.model(name), "version": view.links.version(name, number)},
    }


def _metrics(row: Row, target: str) -> dict[str, float]:
    """Return the figures of a version's training; what the judgement noted where the ledger has another version's.

    A training that is repeated with other data replaces its ledger row.
    """
    trained = {"model_name": row["trained_names"], "model_version": row["trained_versions"]}
    named = models_of(trained)
    metrics = figures_of(row["metrics"])
    if metrics and (not named or (row["model_name"], row["version"]) in named):
        return metrics
    score = row["challenger_score"]
    return {} if score is None else {f"{target}_holdout_{row['judged_metric']}".lstrip("_"): score}


def _in_service(view: View, name: str) -> Json | None:
    for each in view.models.all():
        if each.version.name == name:
            return {"version": each.version.version, "since": utc(each.since)}
    return None


def _drift(view: View, pipeline: AnyPipeline, looked: Sequence[Row]) -> Json:
    """Return what the drift gate said of the last prediction that it looked at."""
    if not looked:
        return {"state": None, "at": None, "run_id": None, "message": "", "figures": [], "report": None}
    (row,) = looked
    found = view.pages.run(pipeline.name, row["run_key"])
    page = "drift.html" if len(pipeline.targets) == 1 else ""
    return {
        "state": row["drift"],
        "at": utc(row["started_at"]),
        "run_id": row["run_id"],
        "message": shortened(row["message"]),
        "figures": drift_figures(figures_of(row["metrics"]), pipeline.targets),
        "report": view.links.artifacts(*found, page) if found else None,
    }


def _freshness(rows: Sequence[Row]) -> Json:
    ended: dict[str, Any] = {row["kind"]: row["updated_at"] for row in rows}
    known = [row["as_of"] for row in rows if row["kind"] != "collect" and row["as_of"]]
    return {
        "trained_at": utc(ended.get("train")),
        "predicted_at": utc(ended.get("predict")),
        "collected_at": utc(ended.get("collect")),
        "data_as_of": utc(max(known, default=None)),
    }

"""Look at what became of the predictions, and say whether the serving model wants training again."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from xflow.columns import SNAPSHOT_AT, TIMESTAMP
from xflow.domain.monitor_figures import realised as draw
from xflow.domain.monitoring import Cell, Decision, Evidence, Window, decide, is_bad
from xflow.domain.vacancies.realised import Basis, RealisedCohorts
from xflow.monitor_ports import Asked, Monitored, RealisedMart, Unit
from xflow.pipeline import AnyPipeline, Pipeline
from xflow.ports import Mart, ModelRegistry, TableRows
from xflow.refs import ModelVersionRef, RunKey
from xflow.schema import REALISED_SCHEMA
from xflow.steps.monitor_evidence import ASKS, UNKNOWN, Reference, References, evidence_of, trainings_of
from xflow.vacancy_pipeline import VacancyPipeline

SHOWN = 24
"""Windows that are looked at, or as many as the policy judges."""
UNITS: dict[str, Unit] = {"min": "day", "h": "day", "D": "week", "W": "month", "M": "month", "Q": "quarter"}
ROWS_A_BATCH = 10_000


def monitor(
    key: RunKey,
    pipeline: AnyPipeline,
    as_of: str | None,
    *,
    mart: Mart,
    realised: RealisedMart,
    registry: ModelRegistry,
) -> Monitored:
    """Write realised figures into ``mart.realised``, draw them, and decide whether to ask for a retraining.

    All of it is a function of what the mart holds: late and corrected outcomes change what a run writes, and a run
    that is repeated replaces its own rows.

    Parameters
    ----------
    as_of
        Newest time of an outcome that may be used; the newest in the mart when None.

    Returns
    -------
    Monitored
        Without rows, and with a message that says why, when there is no champion, or no outcome yet.
    """
    champions = {target: registry.champion(pipeline.model_name(target)) for target in pipeline.targets}
    serving = {target: version for target, version in champions.items() if version is not None}
    until = datetime.fromisoformat(as_of) if as_of else realised.newest(_clock(pipeline))
    if not serving or until is None:
        why = "no input is in the mart yet" if serving else "no model serves yet"
        return _close(key, f"nothing to monitor: {why}", None, [], mart)
    trainings, predictions, references = (
        realised.ledger("train"),
        realised.ledger("predict"),
        References(pipeline, registry),
    )
    known = trainings_of(pipeline, trainings, predictions, references)
    asked = Asked(until, _unit(pipeline), max(SHOWN, pipeline.monitor.windows), known)
    cells = list(_cells(pipeline, asked, realised, references))
    if not cells:
        why = "no outcome is known yet of a prediction beyond what its model learned from"
        return _close(key, f"nothing to monitor: {why}", until, [], mart)
    evidence = evidence_of(realised, trainings, predictions)
    decisions = {
        target: _decide(pipeline, target, version, cells, references, evidence) for target, version in serving.items()
    }
    _draw(key, pipeline, serving, cells, references, registry, until)
    rows = [row for cell in cells for row in _rows(pipeline, cell, serving, references)]
    return _close(key, _message(decisions), until, rows, mart, asks=any(each.ask for each in decisions.values()))


def _cells(pipeline: AnyPipeline, asked: Asked, realised: RealisedMart, references: References) -> Iterator[Cell]:
    if isinstance(pipeline, Pipeline):
        model = pipeline.model
        yield from realised.series(asked, model.metric, model.seasonality, model.levels)
        return
    found: RealisedCohorts | None = None
    bases: dict[tuple[str, str], Basis] = {}
    for batch in realised.vacancies(asked):
        for target, version in {*zip(*(batch.column(name).to_pylist() for name in ("target", "model_version")))}:
            if target in pipeline.targets and (target, version) not in bases:
                bases[target, version] = _basis(pipeline, asked, target, version, references.of(target, version))
        found = found or RealisedCohorts(pipeline.model, pipeline.contract.rates, bases, asked.as_of)
        found.add(batch)
    yield from found.cells() if found else ()


def _basis(pipeline: VacancyPipeline, asked: Asked, target: str, version: str, reference: Reference) -> Basis:
    """Return what a version's cohorts are made from: by its training, else by the pipeline's file."""
    training = asked.trainings.get((pipeline.model_name(target), version))
    section = pipeline.model.salary if target == "salary" else pipeline.model.demand
    told = reference.params.get("boundaries")
    boundaries = tuple(json.loads(told)) if told else (section.boundaries if section else ())
    measure = reference.params.get("measure") or ("lifetime" if target == "demand" else "")
    return Basis(boundaries, measure, training.as_of if training else None)


def _decide(
    pipeline: AnyPipeline,
    target: str,
    version: ModelVersionRef,
    cells: Sequence[Cell],
    references: References,
    evidence: Evidence,
) -> Decision:
    metric, number = pipeline.model.metric, version.version
    windows = [
        Window(datetime.fromisoformat(cell.item), cell.n, cell.figures[metric])
        for cell in cells
        if (cell.target, cell.slice, cell.version) == (target, "window", number) and metric in cell.figures
    ]
    return decide(windows, references.of(target, number).holdout(metric), evidence, pipeline.monitor)


def _draw(
    key: RunKey,
    pipeline: AnyPipeline,
    serving: Mapping[str, ModelVersionRef],
    cells: Sequence[Cell],
    references: References,
    registry: ModelRegistry,
    until: datetime,
) -> None:
    """Log a picture of each target, and its figures over all, to an MLflow run of the monitor."""
    metric = pipeline.model.metric
    for target, version in serving.items():
        shown = [cell for cell in cells if cell.target == target and not cell.version]
        if not shown:
            continue
        run_id = registry.open_run(key, {}, {"kind": "monitor", "as_of": until.isoformat()}, target)
        holdout = references.of(target, version.version).holdout(metric)
        registry.log_figure(run_id, "realised", draw(shown, metric, holdout, pipeline.monitor))
        overall = next((cell.figures for cell in shown if cell.slice == "all"), {})
        registry.log_metrics(run_id, {f"realised_{name}": value for name, value in overall.items()})


def _rows(
    pipeline: AnyPipeline, cell: Cell, serving: Mapping[str, ModelVersionRef], references: References
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one part, a metric each, beside the holdout of its version, or of the serving one."""
    version = cell.version or (serving[cell.target].version if cell.target in serving else "")
    reference = references.of(cell.target, version) if version else UNKNOWN
    window = datetime.fromisoformat(cell.item) if cell.slice == "window" else None
    for metric, value in cell.figures.items():
        holdout, floor = reference.holdout(metric), reference.floor(metric)
        judged = window is not None and metric == pipeline.model.metric
        yield {
            "pipeline": pipeline.name,
            "target": cell.target,
            "model_name": pipeline.model_name(cell.target),
            "model_version": cell.version,
            "slice": cell.slice,
            "item": cell.item,
            "window_start": window,
            "metric": metric,
            "value": value,
            "n": cell.n,
            "holdout": holdout if math.isfinite(holdout) else None,
            "floor": floor if math.isfinite(floor) else None,
            "bad": is_bad(cell.n, value, holdout, pipeline.monitor) if judged else None,
        }


def _close(
    key: RunKey, message: str, until: datetime | None, rows: list[dict[str, Any]], mart: Mart, *, asks: bool = False
) -> Monitored:
    """Replace the run's rows, and end it in the ledger, in one transaction."""
    figures = {
        f"{row['target']}_{name}".lstrip("_"): float(value)
        for row in rows
        if row["slice"] == "all" and not row["model_version"]
        for name, value in ((f"realised_{row['metric']}", row["value"]), (f"holdout_{row['metric']}", row["holdout"]))
        if value is not None
    }
    batches = (
        pa.RecordBatch.from_pylist(rows[first : first + ROWS_A_BATCH], REALISED_SCHEMA)
        for first in range(0, len(rows), ROWS_A_BATCH)
    )
    facts = {
        "state": "success",
        "message": message,
        "rows_out": len(rows),
        "as_of": until.isoformat() if until else None,
        "metrics": {**figures, ASKS: int(asks)},
    }
    mart.load(key, [TableRows("realised", REALISED_SCHEMA, batches)], facts)
    return Monitored(key=key, rows=len(rows), asks=asks, message=message, figures=figures)


def _message(decisions: Mapping[str, Decision]) -> str:
    return "; ".join(f"{target}: {each.reason}".removeprefix(": ") for target, each in decisions.items())


def _clock(pipeline: AnyPipeline) -> str:
    return TIMESTAMP if isinstance(pipeline, Pipeline) else SNAPSHOT_AT


def _unit(pipeline: AnyPipeline) -> Unit:
    """Return the length of a window: long enough for many outcomes, short enough to notice a change."""
    if not isinstance(pipeline, Pipeline):
        return "week"
    frequency = pipeline.contract.frequency.partition("-")[0].lstrip("0123456789")
    return UNITS.get(frequency, "year")

"""What every task reads and writes, as its inlets and outlets, from which OpenLineage makes its datasets.

They are no assets: they start no run and make no events. The addresses of the stores are not known while a DAG file
is parsed; `xflow_lineage_events.py` of the plugins adds them when an event is emitted.
"""

from collections.abc import Iterable
from typing import Any

from xflow.domain.datasets import Data
from xflow.pipeline import AnyPipeline
from xflow.vacancy_pipeline import VacancyPipeline

Ends = tuple[Iterable[Data], Iterable[Data]]


def declare(dag: Any, pipeline: AnyPipeline) -> None:
    """Add to the tasks of a pipeline's DAG what they read and write."""
    kind = dag.dag_id.removeprefix(f"{pipeline.name}_")
    for task in dag.tasks:
        group, _, name = task.task_id.rpartition(".")
        target = group.partition("_")[2]
        reads, writes = ends(pipeline, kind, name, pipeline.model_name(target))
        task.inlets, task.outlets = [*task.inlets, *reads], [*task.outlets, *writes]


def ends(pipeline: AnyPipeline, kind: str, task: str, model_name: str) -> Ends:
    """Return what a task reads and what it writes; nothing for one that only decides."""
    name = pipeline.name
    made = _of_collection(pipeline) if kind == "collect" else {}
    source = Data("s3", getattr(pipeline.input, kind, ""), unless="input_uri")
    work, predictions = Data("s3", f"runs/{name}/{kind}/"), Data("s3", f"predictions/{name}/")
    features, run = Data("features", f"{name}/{kind}"), _table("run")
    model, models = Data("models", model_name), [Data("models", pipeline.model_name(each)) for each in pipeline.targets]
    made |= {
        "check_contract": ([source], [work, run]),
        "load_mart": ([source, work], [_table(f"{name}_input"), _table("rejected_row"), run]),
        "write_features": ([source, work], [features, run]),
        "plan": ([features], [work]),
        "tune": ([features, work], [work]),
        "select": ([work], [work]),
        "fit": ([features, work], [model]),
        "register": ([model], [model]),
        "judge": ([features, model], [model]),
        "promote": ([model], [model, _table("promotion")]),
        "close_run": ([_table("promotion")], [run]),
        "check_drift": ([features, *models], [Data("s3", f"reports/{name}/"), run]),
        "make_predictions": ([features, *models], [predictions]),
        "load_predictions": ([predictions], [_table(f"{name}_prediction"), run]),
        "monitor": ([_table(f"{name}_prediction"), _table(f"{name}_input")], [_table("realised")]),
        "roll_back": (models, [*models, _table("promotion")]),
        "choose_versions": (models, [run]),
        "deploy_version": (models, []),
        "write_ledger": ([], [run]),
        "check_predictions": ([run, predictions], []),
    }
    return made.get(task, ((), ()))


def _of_collection(pipeline: AnyPipeline) -> dict[str, Ends]:
    """Return what the tasks of a collection read and write."""
    if not isinstance(pipeline, VacancyPipeline) or pipeline.collect is None:
        return {}
    name, market = pipeline.name, pipeline.collect.market
    raw = Data("s3", f"raw/{name}/")
    history = [_table(f"{name}_{part}") for part in ("snapshot", "sighting", "version", "detail")]
    delivered = [Data("s3", pipeline.input.train), Data("s3", pipeline.input.predict)]
    days = [_table(f"{name}_market"), *([Data("s3", f"input/{market}/train/")] if market else [])]
    return {
        "collect": ((), [raw]),
        "update_history": ([raw], history),
        "deliver": (history, delivered),
        "deliver_market": (history, days),
        "finish": ((), [_table("run")]),
    }


def _table(name: str) -> Data:
    return Data("mart", name)

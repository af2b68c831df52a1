"""What the board's tests look with: a view of one server, of pipelines that a test made."""

from datetime import datetime
from typing import Any

from mart_rows import select
from realised_world import World

from xflow.adapters.board_reader import BoardReader
from xflow.adapters.drift_pages import DriftPages
from xflow.adapters.promotion_ledger import GreenplumPromotions
from xflow.pipeline import AnyPipeline
from xflow.promotion_ports import PromotionRecord
from xflow.serving.board.links import Links
from xflow.serving.board.view import View
from xflow.serving.served import ServedModels
from xflow.settings import Settings


def view_of(stores: Settings, *pipelines: AnyPipeline, mlflow: str = "http://127.0.0.1:9") -> View:
    """Return a view; nobody listens where MLflow should be unless told."""
    return View(
        environment="prod",
        pipelines={pipeline.name: pipeline for pipeline in pipelines},
        models=ServedModels(),
        reader=BoardReader(stores.greenplum_dsn),
        links=Links("http://airflow.test/", "http://mlflow.test"),
        pages=DriftPages(mlflow, "", ""),
    )


def decide(world: World, run_id: str, at: datetime, target: str = "", **said: Any) -> None:
    """Write a decision of a training about a model."""
    record: dict[str, Any] = {
        "pipeline": world.pipeline.name,
        "model_name": world.pipeline.model_name(target),
        "target": target,
        "run_key": str(world.key("train", run_id)),
        "action": "judge",
        "environment": "prod",
        "alias": "champion",
        "metric": world.pipeline.model.metric,
        "decided_at": at,
        "reason": f"because of {run_id}",
    }
    GreenplumPromotions(world.stores.greenplum_dsn).record(PromotionRecord.model_validate(record | said))


def note(world: World, kind: str, run_id: str, **facts: Any) -> None:
    """Change a ledger row as no step does: its times, or a text that something else wrote."""
    changes = ", ".join(f"{name} = %s" for name in facts)
    key = str(world.key(kind, run_id))
    select(world.stores, f"UPDATE mart.run SET {changes} WHERE run_key = %s", *facts.values(), key)


def sample(world: World) -> None:
    """Note that the pipeline's vacancies are those of a generated snapshot; its history is prepared."""
    columns = "snapshot_id, taken_at, scope, complete, vacancies, source, uri, rates"
    values = "'s', timestamp '2026-10-01', 'x', true, 1, 'generated', '', '{}'"
    select(world.stores, f"INSERT INTO mart.{world.pipeline.name}_snapshot ({columns}) VALUES ({values})")

"""Collect vacancies from hh.ru, keep their history, and deliver them to train and predict.

#### Before it is switched on

Write your contact into `collect.user_agent` of the pipeline's file: hh.ru wants to know who asks.

#### Steps

1. **collect**: a snapshot of everything that the queries of the pipeline's file list goes to S3 unchanged, but for
   the contacts of recruiters, which are dropped. With `fetch` off it asks for nothing.
2. **update_history**: the snapshots on S3 that the history of vacancies in Greenplum lacks are merged into it.
3. **deliver**: every vacancy goes to train as flat parquet, the new and changed ones to predict.
4. **deliver_market**: open vacancies and median salaries by day go to the pipeline that forecasts them.
5. **finish**: the run is closed in the ledger, and the trainings start.
"""

from typing import TYPE_CHECKING

from airflow.sdk import AssetAlias, Param, dag, get_current_context, task

from xflow.vacancy_pipeline import Collect, VacancyPipeline
from xflow_airflow import (
    Json,
    clock,
    collected_asset,
    dag_arguments,
    log,
    param,
    pipelines,
    runner,
    started_at,
)
from xflow_lineage import declare

if TYPE_CHECKING:
    from xflow.collect_runner import CollectRunner


def collector() -> "CollectRunner":
    """Return the runner of the current task's collection. Heavy: only inside a task."""
    from xflow.collect_runner import CollectRunner

    return runner(CollectRunner)


@task
def collect() -> Json | None:
    """Fetch a snapshot of what the API lists; go on where an interrupted attempt stopped."""
    run = collector()
    taken_at = run.start(started_at())
    if not param("fetch"):
        log.info("fetch is off: hh.ru is not asked, what lies on S3 is taken in")
        return None
    snapshot = run.collect(taken_at)
    log.info("snapshot %(snapshot_id)s: %(vacancies)d vacancies, complete: %(complete)s, %(prefix)s", snapshot)
    return snapshot


@task
def update_history(snapshot: Json | None) -> Json:  # noqa: ARG001  # comes after it
    """Merge the snapshots that the history lacks, oldest first."""
    update = collector().update_history()
    log.info("%d snapshots merged", len(update["ingested"]))
    return update


@task
def deliver(update: Json) -> Json | None:
    """Write every vacancy for train, and the new and changed ones for predict."""
    delivery = collector().deliver(update)
    if delivery is None:
        log.info("nothing to deliver: there is no snapshot")
        return None
    for place in ("train", "predict"):
        if delivery[place]:
            log.info("%d vacancies to %s: %s", delivery[place]["rows"], place, delivery[place]["uri"])
        else:
            log.info("no new or changed vacancy to %s", place)
    return delivery


@task
def deliver_market(update: Json) -> Json | None:
    """Load the daily market into the mart; deliver it to the pipeline that forecasts it, once there are enough days."""
    market = collector().market(update)
    if market:
        log.info("market seen on %(days)d days of %(wanted)d wanted, %(series)d series, %(loaded)d days loaded", market)
        for delivered_to in market["objects"]:
            log.info("%d values: %s", delivered_to["rows"], delivered_to["uri"])
    return market


@task
def finish(snapshot: Json | None, delivery: Json | None, market: Json | None) -> None:
    """Close the run in the ledger, and let the trainings follow what was delivered."""
    run = collector()
    run.finish(snapshot, delivery)
    events = get_current_context()["outlet_events"][delivered(run.pipeline.name)]
    if delivery:
        events.add(collected_asset(run.pipeline.name), {"train": delivery["train"]["uri"]})
    if market and market["objects"]:
        events.add(collected_asset(run.section.market), {"train": market["objects"][0]["uri"]})


def delivered(name: str) -> AssetAlias:
    """Return the alias through which a delivery becomes an event of what it was delivered to."""
    return AssetAlias(f"{name}_delivered", group="xflow")


def build(pipeline: VacancyPipeline, section: Collect) -> None:
    """Make the DAG that collects one pipeline's vacancies."""
    fetch = Param(
        default=True,
        type="boolean",
        title="Fetch",
        description_md="On: ask hh.ru, which needs your contact as collect.user_agent. "
        "Off: only take in the snapshots that lie on S3, such as a sample.",
    )

    schedule = clock(section.schedule) if section.schedule else None

    @dag(**dag_arguments(pipeline, "collect", __doc__), schedule=schedule, params={"fetch": fetch})
    def collection() -> None:
        snapshot = collect()
        update = update_history(snapshot)
        finish.override(outlets=[delivered(pipeline.name)])(snapshot, deliver(update), deliver_market(update))

    declare(collection(), pipeline)


for each in pipelines():
    if isinstance(each, VacancyPipeline) and each.collect is not None:
        build(each, each.collect)

"""Merge the snapshots that the history does not know yet, oldest first."""

import logging
from collections.abc import Iterator

import pyarrow as pa

from xflow.domain.vacancies.flat import sightings
from xflow.errors import ConfigInvalid
from xflow.ports import ObjectStore
from xflow.refs import HistoryUpdate, SnapshotRef
from xflow.steps.snapshots import list_snapshots, newest_snapshot, raw_prefix, read_manifest, read_snapshot
from xflow.vacancy_ports import VacancyHistory

log = logging.getLogger("xflow")


def update_history(pipeline: str, *, store: ObjectStore, history: VacancyHistory) -> HistoryUpdate:
    """Ingest every finished snapshot of a pipeline that the history lacks; each is one transaction.

    Returns
    -------
    HistoryUpdate
        The snapshots merged now, and the newest there was before: one that another run finishes
        meanwhile is left to that run.

    Raises
    ------
    InputUnreadable
        A response is not what the API answers; the snapshots before it are merged.
    InputChanged
        A part of a snapshot was replaced after its manifest was written.
    ConfigInvalid
        Generated and real snapshots would be mixed.
    """
    history.prepare()
    newest = newest_snapshot(store, raw_prefix(pipeline))
    ingested = []
    for snapshot in list_snapshots(store, raw_prefix(pipeline), history.known()):
        refuse_mixture(pipeline, history, snapshot.source)
        rates = read_manifest(store, snapshot).rates
        if history.ingest(snapshot, rates, _rows(store, snapshot)):
            ingested.append(snapshot.snapshot_id)
            log.info("%s: snapshot %s merged, %d vacancies", pipeline, snapshot.snapshot_id, snapshot.vacancies)
    return HistoryUpdate(ingested=tuple(ingested), newest=newest)


def refuse_mixture(pipeline: str, history: VacancyHistory, source: str) -> None:
    """Refuse to put vacancies of another source into a history.

    Raises
    ------
    ConfigInvalid
        The history holds generated ones and real ones come, or the other way round.
    """
    others = history.sources() - {source}
    if others:
        raise ConfigInvalid(
            f"{pipeline}: the history holds vacancies from {', '.join(others)}, and those from {source} are not to be "
            "mixed with them. Start from nothing (./start.sh reset), or use a pipeline of another name."
        )


def _rows(store: ObjectStore, snapshot: SnapshotRef) -> Iterator[pa.RecordBatch]:
    return map(sightings, read_snapshot(store, snapshot))

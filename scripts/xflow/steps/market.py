"""Load the market by day from the history, and deliver it to the pipeline that forecasts it."""

import io
import logging
from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xflow.domain.vacancies.market import LISTING_SCHEMA, market_of, market_series, seen_days
from xflow.errors import ConfigInvalid, InputMissing
from xflow.pipeline import Pipeline
from xflow.ports import ObjectStore
from xflow.refs import MarketDelivery, ObjectRef, SnapshotRef
from xflow.vacancy_ports import VacancyHistory

log = logging.getLogger("xflow")

OBJECT = "market.parquet"
"""One object, replaced: a prefix is read whole, and every delivery holds all days."""


def market(
    forecasting: Pipeline, snapshot: SnapshotRef, *, store: ObjectStore, history: VacancyHistory
) -> MarketDelivery:
    """Load the whole days before a snapshot into ``mart.<pipeline>_market``; deliver them once there are enough.

    Parameters
    ----------
    forecasting
        The pipeline that forecasts the market, of daily frequency.
    snapshot
        A snapshot that the history knows; its scope is the market.

    Returns
    -------
    MarketDelivery
        Without objects while no series has `contract.min_length` days, or when they hold these series already.
    """
    if forecasting.contract.frequency != "D":
        raise ConfigInvalid(f"{forecasting.name}: contract.frequency is {forecasting.contract.frequency}, not D")
    as_of = datetime.fromisoformat(snapshot.taken_at)
    today = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    loaded = _load(snapshot.scope, as_of, history)
    known = history.market(snapshot.scope, today)
    wanted = forecasting.contract.min_length
    series = market_series(known, wanted, forecasting.contract.max_gap)
    objects = _delivered(forecasting, series, store) if series.num_rows else ()
    days, count = seen_days(known), len(series.column(0).unique())
    log.info("%s: the market was seen on %d days, a series needs %d: %d series", forecasting.name, days, wanted, count)
    return MarketDelivery(days=days, wanted=wanted, loaded=loaded, series=count, objects=objects)


def _load(scope: str, as_of: datetime, history: VacancyHistory) -> int:
    """Load the days that the mart lacks, one after another; return their number."""
    days = 0
    for listings in _by_day(history.listings(scope, as_of)):
        history.load_market(market_of(listings, scope))
        days += 1
    return days


def _by_day(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the listings of one day after another; they come sorted by day."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        for day in pc.unique(batch.column("day")):
            if waiting and waiting[0].column("day")[0] != day:
                yield pa.Table.from_batches(waiting, LISTING_SCHEMA)
                waiting = []
            waiting.append(batch.filter(pc.equal(batch.column("day"), day)))
    if waiting:
        yield pa.Table.from_batches(waiting, LISTING_SCHEMA)


def _delivered(forecasting: Pipeline, series: pa.Table, store: ObjectStore) -> tuple[ObjectRef, ...]:
    """Write the series where train and predict look for them, in place of those of the day before.

    What is there already is left alone: a new object starts a prediction.
    """
    sink = io.BytesIO()
    pq.write_table(series, sink, compression="zstd")
    data = sink.getvalue()
    places = (forecasting.input.train, forecasting.input.predict)
    locations = [f"{place}{OBJECT}" if place.endswith("/") else place for place in places]
    return tuple(
        store.put(location, data).model_copy(update={"rows": series.num_rows})
        for location in locations
        if not _holds(store, location, data)
    )


def _holds(store: ObjectStore, location: str, data: bytes) -> bool:
    try:
        (found,) = store.list(location)
    except InputMissing:
        return False
    return found.size == len(data) and store.get(found) == data

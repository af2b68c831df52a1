"""From snapshots on S3 through the history to what is delivered, and to the market."""

import pyarrow as pa
import pytest
from vacancy_lives import DAY, RATES, Make, Snapshot, at, item

from xflow.adapters.memory import MemoryStore
from xflow.adapters.vacancy_history import GreenplumHistory
from xflow.domain.vacancies.market import LISTING_SCHEMA, market_of
from xflow.refs import HistoryUpdate, RunKey, SnapshotRef
from xflow.sample_vacancies import write_month
from xflow.settings import Settings
from xflow.steps.deliver import deliver
from xflow.steps.update_history import update_history
from xflow.vacancy_pipeline import VacancyPipeline

pytestmark = pytest.mark.services


def test_a_delivery_stays_what_it_was(stores: Settings, key: RunKey) -> None:
    """What was delivered from a snapshot is delivered the same after later and earlier ones were merged."""
    store = MemoryStore()
    refs = write_month(store, key.pipeline, vacancies=200, days=5)
    pipeline = vacancies_of(key.pipeline)
    history = GreenplumHistory(stores.greenplum_dsn, key.pipeline)
    manifests = {ref.manifest.uri: store.objects.pop(ref.manifest.uri) for ref in refs}

    def update(*chosen: SnapshotRef) -> HistoryUpdate:
        store.objects.update({ref.manifest.uri: manifests[ref.manifest.uri] for ref in chosen})
        return update_history(key.pipeline, store=store, history=history)

    first = update(*refs[:3])
    assert (first.ingested, first.newest) == (tuple(ref.snapshot_id for ref in refs[:3]), refs[2])
    deliver(pipeline, refs[1], store=store, history=history)
    made = deliver(pipeline, refs[2], store=store, history=history)
    assert made.predict is not None
    assert 0 < made.predict.rows < made.train.rows
    before = dict(store.objects)
    second = update(*refs)
    assert (second.ingested, second.newest) == (tuple(ref.snapshot_id for ref in refs[3:]), refs[4])
    assert update() == HistoryUpdate(ingested=(), newest=refs[4])
    assert deliver(pipeline, refs[2], store=store, history=history) == made
    assert {uri: store.objects[uri] for uri in before} == before


def test_nothing_to_merge(stores: Settings, key: RunKey) -> None:
    history = GreenplumHistory(stores.greenplum_dsn, key.pipeline)
    assert update_history(key.pipeline, store=MemoryStore(), history=history) == HistoryUpdate(ingested=(), newest=None)


def vacancies_of(name: str) -> VacancyPipeline:
    model = {"candidates": [{"name": "majority", "kind": "majority"}]}
    places = {"train": f"input/{name}/train/", "predict": f"input/{name}/predict/"}
    return VacancyPipeline.model_validate(
        {"pipeline": name, "kind": "vacancies", "description": "", "input": places, "model": model}
    )


def market_days(history: GreenplumHistory, day: float, scope: str = "a") -> list[tuple[float, str, str, int]]:
    """Bring the market up to date; return day, snapshot, role and open vacancies."""
    listings = pa.Table.from_batches(history.listings(scope, at(day)), LISTING_SCHEMA)
    if listings.num_rows:
        history.load_market(market_of(listings, scope))
    found = history.market(scope, at(day).replace(hour=0)).to_pylist()
    names = ("snapshot_id", "professional_role_id", "open")
    return [((row["day"] - DAY.replace(hour=0)).days, *(row[name] for name in names)) for row in found]


def test_the_market_of_whole_days(history_of: Make) -> None:
    other_role = {"professional_roles": [{"id": "160", "name": "DevOps"}]}
    days = [
        Snapshot(0, [item("1")]),
        Snapshot(0.25, [item("1"), item("2", **other_role)]),
        Snapshot(0.5, [], complete=False),
        Snapshot(1, [item("1")], scope="b"),
        Snapshot(2, [item("1", 2), item("3")]),
        Snapshot(3, [item("1", 2)]),
    ]
    history = history_of(days)
    expected_days = [(0, "s0.25-a", "160", 1), (0, "s0.25-a", "96", 1), (2, "s2-a", "96", 2)]
    assert market_days(history, 3) == expected_days
    assert list(history.listings("a", at(3))) == []
    assert market_days(history, 3, "b") == [(1, "s1-b", "96", 1)]
    late = Snapshot(0.625, [item("1")])
    history.ingest(late.ref, RATES, late.rows())
    assert market_days(history, 4) == [(0, "s0.625-a", "96", 1), (2, "s2-a", "96", 2), (3, "s3-a", "96", 1)]

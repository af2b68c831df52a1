"""What is delivered from the history, and under which names."""

import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xflow.adapters.memory import MemoryStore
from xflow.domain.vacancies.flat import DELIVERY_SCHEMA
from xflow.domain.vacancies.market import LISTING_SCHEMA, MARKET_SCHEMA
from xflow.errors import ConfigInvalid, ServiceUnavailable
from xflow.pipeline import Pipeline, load
from xflow.refs import ObjectRef, SnapshotRef
from xflow.schema import VACANCY_SCHEMA
from xflow.settings import REPOSITORY
from xflow.steps import deliver as deliver_step
from xflow.steps.deliver import deliver
from xflow.steps.market import market
from xflow.vacancy_pipeline import VacancyPipeline

TAKEN = datetime(2023, 12, 1, 6)


def pipeline(**prefixes: str) -> VacancyPipeline:
    places = {"train": "input/jobs/train/", "predict": "input/jobs/predict/"} | prefixes
    model = {"candidates": [{"name": "majority", "kind": "majority"}]}
    return VacancyPipeline.model_validate(
        {"pipeline": "jobs", "kind": "vacancies", "description": "", "input": places, "model": model}
    )


def snapshot(day: int = 0, name: str = "run-1") -> SnapshotRef:
    manifest = ObjectRef(uri="s3://memory/raw/_manifest.json", etag="e", size=1)
    taken_at = (TAKEN + timedelta(days=day)).isoformat()
    return SnapshotRef(
        prefix="s3://memory/raw/", snapshot_id=name, taken_at=taken_at, scope="a", complete=True, vacancies=1,
        source="hh.ru", manifest=manifest,
    )  # fmt: skip


class History:
    """Gives made-up rows, in batches of a size, and notes what it was asked for."""

    def __init__(self, changed: list[bool], batch: int = 100) -> None:
        self.changed, self.batch, self.asked = changed, batch, []

    def known(self) -> set[str]:
        return {"run-1", "run-2", "run-3"}

    def rows(self, as_of: datetime, since: datetime | None = None) -> Iterator[pa.RecordBatch]:
        self.asked.append((as_of, since))
        rows = [
            {"vacancy_id": f"{i:06d}", "snapshot_at": as_of, "name": f"name {i}", "changed": flag}
            for i, flag in enumerate(self.changed)
        ]
        for at in range(0, len(rows), self.batch):
            yield pa.RecordBatch.from_pylist(rows[at : at + self.batch], schema=DELIVERY_SCHEMA)


def names(store: MemoryStore) -> list[str]:
    return sorted(uri.removeprefix("s3://memory/") for uri in store.objects)


def table(store: MemoryStore, ref: ObjectRef | None) -> pa.Table:
    assert ref is not None
    return pq.read_table(io.BytesIO(store.objects[ref.uri]))


def test_train_gets_every_vacancy_and_predict_the_changed() -> None:
    store = MemoryStore()
    made = deliver(pipeline(), snapshot(), store=store, history=History([True, False, True]))
    assert names(store) == [f"input/jobs/{kind}/20231201T060000-run-1.parquet" for kind in ("predict", "train")]
    train, predict = table(store, made.train), table(store, made.predict)
    assert train.schema.equals(VACANCY_SCHEMA)
    assert predict.schema.equals(VACANCY_SCHEMA)
    assert train.column("vacancy_id").to_pylist() == ["000000", "000001", "000002"]
    assert predict.column("vacancy_id").to_pylist() == ["000000", "000002"]
    assert (made.train.rows, made.predict and made.predict.rows, made.since) == (3, 2, "")


def test_nothing_changed_is_no_predict_object() -> None:
    store = MemoryStore()
    made = deliver(pipeline(), snapshot(), store=store, history=History([False] * 3))
    assert made.predict is None
    assert names(store) == ["input/jobs/train/20231201T060000-run-1.parquet"]


@pytest.mark.parametrize("flags", [[i % 3 == 0 for i in range(50_000)], []], ids=["many", "none"])
def test_the_bytes_do_not_follow_from_the_batches(flags: list[bool]) -> None:
    written = []
    for batch in (1_000, 16_384, 33_333):
        store = MemoryStore()
        made = deliver(pipeline(), snapshot(), store=store, history=History(flags, batch))
        assert made.train.rows == table(store, made.train).num_rows == len(flags)
        written.append(store.objects)
    assert written[0] == written[1] == written[2]


def test_changes_count_from_the_delivery_before() -> None:
    store, history = MemoryStore(), History([True])
    store.put("input/jobs/train/notes.parquet", b"by hand")
    for one in (snapshot(0), snapshot(2, "run-3"), snapshot(1, "run-2"), snapshot(2, "run-3")):
        deliver(pipeline(), one, store=store, history=history)
    day = timedelta(days=1)
    assert history.asked == [
        (TAKEN, None), (TAKEN + 2 * day, TAKEN), (TAKEN + day, TAKEN), (TAKEN + 2 * day, TAKEN + day)
    ]  # fmt: skip


def test_deliveries_of_one_second_both_count_from_the_one_before() -> None:
    store, history = MemoryStore(), History([True])
    for one in (snapshot(0), snapshot(1, "run-2"), snapshot(1, "run-3")):
        deliver(pipeline(), one, store=store, history=history)
    assert [since for _, since in history.asked] == [None, TAKEN, TAKEN]


def test_a_delivery_that_broke_off_is_made_again_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, broken = MemoryStore(), MemoryStore()
    put = deliver_step._put

    def failing(store: MemoryStore, location: str, path: Path, rows: int) -> ObjectRef:
        if "/train/" in location and store is broken:
            raise ServiceUnavailable("gone")
        return put(store, location, path, rows)

    deliver(pipeline(), snapshot(), store=whole, history=History([True, False]))
    with monkeypatch.context() as patch:
        patch.setattr(deliver_step, "_put", failing)
        with pytest.raises(ServiceUnavailable):
            deliver(pipeline(), snapshot(), store=broken, history=History([True, False]))
    deliver(pipeline(), snapshot(), store=broken, history=History([True, False]))
    assert broken.objects == whole.objects


def test_an_input_that_is_no_prefix_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match=r"input\.predict is input/one\.parquet"):
        deliver(pipeline(predict="input/one.parquet"), snapshot(), store=MemoryStore(), history=History([True]))


def test_a_snapshot_that_the_history_lacks_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="update_history"):
        deliver(pipeline(), snapshot(name="run-9"), store=MemoryStore(), history=History([True]))


class Market:
    """Holds the days that the step loads; every day lists as many vacancies of a role as the day has."""

    def __init__(self, days: int) -> None:
        self.days, self.tables = days, []

    def listings(self, scope: str, as_of: datetime) -> Iterator[pa.RecordBatch]:
        facts = {"professional_role_id": "96", "area_id": "1", "salary_gross": False, "salary_rate": 1.0}
        first = as_of.replace(hour=0) - timedelta(days=self.days)
        rows = [
            {"day": first + timedelta(days=day), "snapshot_id": f"s{day}", "salary_from": 100.0 + day, **facts}
            for day in range(len(self.tables), self.days)
            for _ in range(5 + day % 7)
        ]
        for at in range(0, len(rows), 7):
            yield pa.RecordBatch.from_pylist(rows[at : at + 7], schema=LISTING_SCHEMA)

    def load_market(self, loaded: pa.Table) -> None:
        self.tables.append(loaded)

    def market(self, scope: str, before: datetime) -> pa.Table:
        return pa.concat_tables([MARKET_SCHEMA.empty_table(), *self.tables])


@pytest.fixture(scope="module")
def forecasting() -> Pipeline:
    loaded = load(REPOSITORY / "dags" / "pipelines" / "vacancy_market.yaml")
    assert isinstance(loaded, Pipeline)
    return loaded


def test_the_market_waits_for_enough_days(forecasting: Pipeline) -> None:
    store, few = MemoryStore(), Market(forecasting.contract.min_length - 1)
    made = market(forecasting, snapshot(), store=store, history=few)
    assert (made.days, made.wanted, made.loaded, made.series, made.objects) == (27, 28, 27, 0, ())
    assert names(store) == []


def test_the_market_is_delivered_once(forecasting: Pipeline) -> None:
    store, enough = MemoryStore(), Market(forecasting.contract.min_length)
    made = market(forecasting, snapshot(), store=store, history=enough)
    assert (made.days, made.loaded, made.series, len(made.objects)) == (28, 28, 2, 2)
    assert [len(one) for one in enough.tables] == [1] * 28
    assert names(store) == [f"input/vacancy_market/{kind}/market.parquet" for kind in ("predict", "train")]
    rows: list[dict[str, Any]] = table(store, made.objects[0]).to_pylist()
    assert {row["series_id"] for row in rows} == {"open|96|1", "salary|96|1"}
    assert [row["value"] for row in rows if row["series_id"] == "open|96|1"] == [5 + day % 7 for day in range(28)]
    again = market(forecasting, snapshot(), store=store, history=enough)
    assert (again.loaded, again.objects) == (0, ())


def test_a_market_that_is_not_daily_is_refused() -> None:
    monthly = load(REPOSITORY / "dags" / "pipelines" / "tourism_monthly.yaml")
    assert isinstance(monthly, Pipeline)
    with pytest.raises(ConfigInvalid, match="frequency is M, not D"):
        market(monthly, snapshot(), store=MemoryStore(), history=Market(1))

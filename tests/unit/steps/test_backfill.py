"""Predictions of a past date: by the version that served then, the same however often they are made."""

import json
from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from small_models import small_pipeline, small_series, small_version
from xflow.adapters.memory import MemoryFeatures, MemoryMart, MemoryStore
from xflow.adapters.memory_promotions import MemoryPromotions
from xflow.adapters.memory_registry import MemoryRegistry
from xflow.cli_predict import MOST, Every, dates
from xflow.environments import environment
from xflow.errors import ChampionMissing, ConfigInvalid, ModelMissing
from xflow.promotion_ports import PromotionRecord
from xflow.refs import CheckedInput, ObjectRef, PredictionRef, RunKey
from xflow.schema import series_tables
from xflow.steps.champions import versions
from xflow.steps.load_predictions import load_predictions
from xflow.steps.predict import predict

CHECKED = CheckedInput(
    objects=(ObjectRef(uri="s3://memory/input", etag="e", size=1),),
    verdict=ObjectRef(uri="s3://memory/verdict", etag="e", size=1),
    rows_in=1, rows_accepted=1, rows_rejected=0, entities=4, as_of="2022-12-01T00:00:00",
)  # fmt: skip
HISTORY = (("2026-03-10", "1"), ("2026-07-20", "2"), ("2026-08-25", "1"))
"""When which version came into service."""


def moment(day: str) -> datetime:
    return datetime.fromisoformat(day)


class World:
    """Versions that served one after the other, and a feature set to predict from."""

    def __init__(self, place: str = "prod") -> None:
        self.pipeline = small_pipeline()
        self.registry, self.ledger = MemoryRegistry(environment(place)), MemoryPromotions()
        self.store, self.features, self.mart = MemoryStore(), MemoryFeatures(), MemoryMart()
        self.mart.prepare("demo", series_tables((), (0.8, 0.95)))
        self.found = {str(width): small_version(self.registry, "demo", width) for width in (1, 2, 3)}
        for day, version in HISTORY:
            self.move(version, moment(day))

    def move(self, version: str, at: datetime | None = None, place: str = "prod") -> None:
        before = self.registry.champion("demo")
        self.ledger.record(
            PromotionRecord(
                pipeline="demo", model_name="demo", run_key=f"demo/train/{version}-{at}", action="judge",
                outcome="promoted", version=version, champion_before=before.version if before else "",
                champion_after=version, environment=place, alias="champion", reason="better", decided_at=at,
            )
        )  # fmt: skip
        self.registry.promote(self.registry.version("demo", version), before)

    def version(self, day: str) -> str:
        return versions(self.pipeline, moment(day), registry=self.registry, ledger=self.ledger)[""].version

    def predict(self, run_id: str, day: str | None = None) -> PredictionRef:
        key = RunKey(pipeline="demo", kind="predict", run_id=run_id)
        ready = self.features.write(key, {"frequency": "M", "exogenous": ""}, small_series())
        made = predict(
            key, self.pipeline, CHECKED, ready, None, "commit", store=self.store, feature_store=self.features,
            registry=self.registry, ledger=self.ledger, at=moment(day) if day else None,
        )  # fmt: skip
        load_predictions(key, self.pipeline, made, store=self.store, mart=self.mart)
        return made

    def rows(self, run_id: str) -> list[dict[str, Any]]:
        return self.mart.rows[f"demo/predict/{run_id}", "demo_prediction"]


@pytest.mark.parametrize(
    ("day", "version"),
    [
        ("2026-03-10", "1"),
        ("2026-07-19T23:59", "1"),
        ("2026-07-20", "2"),
        ("2026-08-24T23:59:59", "2"),
        ("2026-08-25", "1"),  # which was a rollback
        ("2030-01-01", "1"),
    ],
)
def test_the_version_that_served_at_a_date_predicts_for_it(day: str, version: str) -> None:
    assert World().version(day) == version


def test_a_date_before_the_first_champion_says_when_that_was() -> None:
    with pytest.raises(ChampionMissing, match=r"no version served at 2026-03-09T23:59:59.* 2026-03-10T00:00:00"):
        World().version("2026-03-09T23:59:59")


def test_what_served_in_another_environment_does_not_count() -> None:
    with pytest.raises(ChampionMissing, match="None was ever promoted"):
        World("staging").version("2026-09-01")


def test_a_version_that_is_gone_from_the_registry_is_named() -> None:
    world = World()
    world.registry.versions["demo"] = world.registry.versions["demo"][:1]
    with pytest.raises(ModelMissing, match="no version 2"):
        world.version("2026-08-01")


def test_a_past_date_predicted_again_under_another_champion_gives_the_same_numbers() -> None:
    world = World()
    first = world.predict("august", "2026-08-01")
    before = world.rows("august")
    assert [model.version for model in first.models] == ["2"]
    world.move("3")
    again = world.predict("august", "2026-08-01")
    assert world.rows("august") == before
    assert again == first
    assert json.loads(world.store.get(again.manifest))["champions_at"] == "2026-08-01T00:00:00"


def test_an_old_date_replaces_its_own_rows_and_no_others() -> None:
    world = World()
    world.predict("today")
    world.predict("august", "2026-08-01")
    today, august = world.rows("today"), world.rows("august")
    assert {row["model_version"] for row in today} == {"1"}
    assert {row["model_version"] for row in august} == {"2"}
    world.predict("august", "2026-04-01")
    assert {row["model_version"] for row in world.rows("august")} == {"1"}
    assert len(world.rows("august")) == len(august)
    assert world.rows("today") == today


def test_without_a_date_todays_champion_predicts_whatever_as_of_says() -> None:
    world = World()
    world.move("3")
    made = world.predict("by hand")
    assert [model.version for model in made.models] == ["3"]
    assert "champions_at" not in json.loads(world.store.get(made.manifest))


@pytest.mark.parametrize(
    ("first", "last", "every", "found"),
    [
        ("2026-08-01", "2026-08-03", Every.day, ["2026-08-01", "2026-08-02", "2026-08-03"]),
        ("2026-01-31", "2026-04-30", Every.month, ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]),
        ("2026-08-01T06:00", "2026-08-14", Every.week, ["2026-08-01T06:00", "2026-08-08T06:00"]),
        ("2026-08-01", "2026-08-01", Every.hour, ["2026-08-01"]),
    ],
)
def test_the_dates_of_a_backfill_include_both_ends(first: str, last: str, every: Every, found: list[str]) -> None:
    assert dates(first, last, every) == [moment(day) for day in found]


@pytest.mark.parametrize(
    ("first", "last", "every", "said"),
    [
        ("2026-08-02", "2026-08-01", Every.day, "before --from"),
        ("2026-01-01", "2027-01-01", Every.hour, f"more than {MOST}"),
        ("01.08.2026", "2026-08-01", Every.day, "no ISO date"),
    ],
)
def test_dates_that_make_no_sense_are_refused(first: str, last: str, every: Every, said: str) -> None:
    with pytest.raises(ConfigInvalid, match=said):
        dates(first, last, every)


@pytest.mark.parametrize("cron", ["0 6 1 * *", "*/5 * * * *", "0 6 * * MON-FRI"])
def test_a_schedule_of_predictions_is_a_cron_expression(cron: str) -> None:
    assert small_pipeline(predict_schedule=cron).predict_schedule == cron


@pytest.mark.parametrize("cron", ["every day", "0 6 1 *", "06:00", ""])
def test_another_schedule_of_predictions_is_refused_with_the_file(cron: str) -> None:
    with pytest.raises(ValidationError, match="predict_schedule"):
        small_pipeline(predict_schedule=cron)

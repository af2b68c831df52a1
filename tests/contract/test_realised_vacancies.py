"""Predicted cohorts beside what became known of the vacancies later, on a real server."""

import json
from datetime import datetime, timedelta
from math import log
from typing import Any

import pytest
from realised_world import World

from xflow.refs import RunKey
from xflow.settings import Settings
from xflow.vacancy_pipeline import VacancyPipeline

pytestmark = pytest.mark.services

MONDAY = datetime(2026, 9, 7)
SALARY = ("not stated", "below 100k", "100k and more")
DEMAND = ("below 10 days", "10 days and more")


def day(number: float) -> datetime:
    return MONDAY + timedelta(days=number)


def vacancy(name: str, seen: float, **facts: Any) -> dict[str, Any]:
    """Return a vacancy that was first seen and published on day 0, as it was known on a day."""
    given = {
        "vacancy_id": name, "snapshot_at": day(seen), "published_at": day(0), "first_seen": day(0),
        "last_seen": day(seen), "employer_id": "e", "salary_currency": "RUR", "salary_gross": False,
        "professional_role": "Программист", "area_id": "1",
    }  # fmt: skip
    return given | facts


def prediction(name: str, row: int, chance: float, *, target: str = "salary", version: str = "1", model: str) -> Any:
    """Return a prediction that gives the last cohort a chance, and the first the rest."""
    cohorts = SALARY if target == "salary" else DEMAND
    shares = dict.fromkeys(cohorts, 0.0) | {cohorts[0]: 1 - chance, cohorts[-1]: chance}
    return {
        "vacancy_id": name, "target": target, "cohort": max(shares, key=lambda each: shares[each]),
        "probability": max(shares.values()), "probabilities": json.dumps(shares), "model_name": f"{model}_{target}",
        "model_version": version, "input_row_id": row,
    }  # fmt: skip


@pytest.fixture
def world(stores: Settings, key: RunKey) -> World:
    model = {
        "salary": {"boundaries": [100_000]}, "demand": {"boundaries": [10], "measure": "lifetime"},
        "candidates": [{"name": "majority", "kind": "majority"}],
    }  # fmt: skip
    document = {
        "pipeline": key.pipeline, "kind": "vacancies", "description": "", "input": {"train": "a/", "predict": "b/"},
        "model": model, "monitor": {"min_count": 1},
    }  # fmt: skip
    return World(stores, VacancyPipeline.model_validate(document))


def test_salary_cohorts_by_hand(world: World) -> None:
    name = world.pipeline.name
    world.version("salary", log_loss=0.7, log_loss_floor=1.1, accuracy=0.6)
    rows = [
        vacancy("1", 1, salary_from=150_000.0),
        vacancy("2", 1),
        vacancy("3", 1, salary_from=50_000.0, professional_role=None, professional_role_id="99"),
    ]
    chances = [0.8, 0.4, 0.5]
    made = [prediction(row["vacancy_id"], i, chances[i], model=name) for i, row in enumerate(rows)]
    world.run("predict", "p", rows, made)
    found = world.look()
    # Right with 0.8; right with 0.6; of a cohort that got nothing, which counts as a millionth.
    assert world.figures("all", "log_loss", target="salary") == {
        "": (pytest.approx(-(log(0.8) + log(0.6) + log(1e-6)) / 3, abs=1e-6), 3)
    }
    assert world.figures("cohort", "accuracy", target="salary") == {
        "100k and more": (1.0, 1), "below 100k": (0.0, 1), "not stated": (1.0, 1)
    }  # fmt: skip
    assert world.figures("role", "accuracy", target="salary") == {"Программист": (1.0, 2), "99": (0.0, 1)}
    assert world.figures("area", "accuracy", target="salary") == {"1": (pytest.approx(2 / 3, abs=1e-6), 3)}
    window = next(row for row in world.rows() if (row["slice"], row["metric"]) == ("window", "log_loss"))
    assert (window["item"], window["holdout"], window["floor"], window["bad"]) == ("2026-09-07", 0.7, 1.1, True)
    assert found.figures["salary_holdout_accuracy"] == 0.6
    # The salary of the second is stated later, that of the third was wrong.
    world.run("predict", "next", [vacancy("2", 3, salary_from=120_000.0), vacancy("3", 3)])
    world.look()
    assert {item: n for item, (_, n) in world.figures("cohort", "accuracy", target="salary").items()} == {
        "100k and more": 2, "not stated": 1
    }  # fmt: skip
    # What failed counts for nothing, and neither does a run that read an older snapshot later.
    wrong = prediction("1", 0, 0.1, model=name)
    world.reject(world.run("predict", "wrong", [vacancy("1", 2)], [wrong]))
    world.run("train", "older", [vacancy("2", 1)])
    before = world.rows()
    world.look()
    assert world.rows() == before


def test_a_label_that_cannot_be_is_no_outcome(world: World) -> None:
    name = world.pipeline.name
    for target in ("salary", "demand"):
        world.version(
            target, {"measure": "lifetime", "boundaries": "[10]"} if target == "demand" else None, log_loss=0.7
        )
    stated = {"salary_from": 150_000.0}
    bad = [
        stated | {"salary_mode": "HOUR"},
        stated | {"salary_mode": "DECADE"},
        stated | {"salary_currency": "XTS"},
        stated | {"salary_to": 1.0},
        {"salary_from": -5.0, "salary_to": 150_000.0},
    ]
    seen = [vacancy(str(i), 30, closed_at=day(25), **facts) for i, facts in enumerate([stated, *bad])]
    seen.append(vacancy("ahead", 30, closed_at=day(-9), **stated))
    made = [
        prediction(row["vacancy_id"], i, 0.8, target=target, model=name)
        for i, row in enumerate(seen)
        for target in ("salary", "demand")
    ]
    world.run("predict", "p", seen, made)
    world.look()
    assert world.figures("cohort", "accuracy", target="salary") == {"100k and more": (1.0, 2)}
    assert world.figures("cohort", "accuracy", target="demand") == {"10 days and more": (1.0, 6)}


def test_lifetimes_are_judged_when_they_are_known_whichever_they_are(world: World) -> None:
    name = world.pipeline.name
    world.version("demand", {"measure": "lifetime", "boundaries": "[10]"}, log_loss=0.7)
    rows = [vacancy(each, 1) for each in ("short", "long", "open", "old")]
    rows[3] |= {"published_at": day(-30)}  # seen late in its life
    made = [prediction(row["vacancy_id"], i, 0.75, target="demand", model=name) for i, row in enumerate(rows)]
    world.run("predict", "p", rows, made)
    assert world.look().rows == 0
    closed = {"closed_at": day(5)}
    world.run("train", "t1", [vacancy("short", 6, **closed), vacancy("long", 6), vacancy("open", 6)])
    assert world.look().rows == 0  # day 6: only a short life could be known
    later = [vacancy("short", 6, **closed), vacancy("long", 12, closed_at=day(11)), vacancy("open", 12)]
    world.run("train", "t2", later)
    world.look()
    assert world.figures("cohort", "log_loss", target="demand") == {
        "below 10 days": (round(-log(0.25), 6), 1), "10 days and more": (round(-log(0.75), 6), 2)
    }  # fmt: skip
    assert world.look(as_of=day(6).isoformat()).rows == 0


def test_what_a_training_knew_is_no_outcome(world: World) -> None:
    name = world.pipeline.name
    for target in ("salary", "demand"):
        world.version(target, log_loss=0.7)
    rows = [vacancy("1", 1, salary_from=150_000.0), vacancy("2", 1, salary_from=150_000.0)]
    names, versions = f"{name}_salary, {name}_demand", "1, 1"
    world.run("train", "t", rows[:1], model_name=names, model_version=versions, as_of=day(1).isoformat())
    made = [
        prediction(row["vacancy_id"], i, 0.8, target=target, model=name)
        for i, row in enumerate(rows)
        for target in ("salary", "demand")
    ]
    world.run("predict", "p", rows, made)
    world.look()
    assert world.figures("all", "accuracy", target="salary") == {"": (1.0, 1)}
    # How long the first would live, its training did not know.
    world.run("train", "later", [vacancy("1", 20), vacancy("2", 20)])
    world.look()
    assert world.figures("all", "accuracy", target="demand") == {"": (1.0, 2)}
    world.run("train", "t", rows[:1], model_name=names, model_version=versions, as_of=day(30).isoformat())
    world.look()
    assert world.figures("all", "accuracy", target="demand") == {"": (1.0, 1)}


def test_a_vacancy_counts_once_a_window_and_every_run_and_version_by_itself(world: World) -> None:
    name = world.pipeline.name
    world.version("salary", log_loss=0.7)
    world.version("salary", log_loss=0.5)
    stated = {"salary_from": 150_000.0}
    for seen, chance, version in ((1, 0.3, "1"), (2, 0.8, "1"), (3, 0.9, "2"), (8, 0.2, "2")):
        made = [prediction("1", 0, chance, version=version, model=name)]
        world.run("predict", f"p{seen}", [vacancy("1", seen, **stated)], made)
    world.look()
    assert world.figures("window", "log_loss", target="salary") == {
        "2026-09-07": (round(-log(0.9), 6), 1), "2026-09-14": (round(-log(0.2), 6), 1)
    }  # fmt: skip
    assert world.figures("all", "log_loss", "1", target="salary") == {"": (round(-log(0.8), 6), 1)}
    assert world.figures("all", "accuracy", "2", target="salary") == {"": (0.5, 2)}
    assert len(world.figures("run", "log_loss", target="salary")) == 4


def test_ages_and_other_cohorts_are_not_judged(world: World) -> None:
    name = world.pipeline.name
    world.version("demand", {"measure": "age", "boundaries": "[10]"}, log_loss=0.7)
    world.version("salary", {"measure": "", "boundaries": "[120000]"}, log_loss=0.7)
    rows = [vacancy("1", 1, salary_from=150_000.0)]
    made = [prediction("1", 0, 0.8, target=target, model=name) for target in ("salary", "demand")]
    world.run("predict", "p", rows, made)
    world.run("train", "later", [vacancy("1", 20, closed_at=day(15))])
    assert world.look().rows == 0

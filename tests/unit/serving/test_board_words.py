"""Words of the models in service, as the board shows them."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from xflow.domain.vacancies.model import CohortModel
from xflow.refs import ModelVersionRef
from xflow.serving.board.words import words
from xflow.serving.served import ServedModel, ServedModels
from xflow.vacancy_pipeline import VacancyPipeline

PIPELINE = VacancyPipeline.model_validate(
    {
        "pipeline": "v",
        "kind": "vacancies",
        "description": "",
        "input": {"train": "a/", "predict": "b/"},
        "model": {"candidates": [{"name": "majority", "kind": "majority"}], "floor": "majority"},
    }
)
TOP = [
    ("name_words__python", 0.9), ("responsibility_chars__pyt", 0.8), ("responsibility_counts__length", 0.7),
    ("categories__employment_id_full", 0.6), ("responsibility_words__a__b", 0.5), ("responsibility_words__sql", 0.0),
]  # fmt: skip


@pytest.fixture
def models() -> ServedModels:
    return ServedModels()


def view(models: ServedModels) -> Any:
    return SimpleNamespace(models=models, vacancy_pipeline=lambda name: PIPELINE)


def serve(models: ServedModels, target: str, model: Any) -> None:
    version = ModelVersionRef(name=PIPELINE.model_name(target), version="3", mlflow_run_id="r")
    models.swap(ServedModel(PIPELINE, target, version, model, None, datetime.now(UTC)))


def test_words_and_categories_that_speak_for_a_cohort(models: ServedModels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CohortModel, "top_features", lambda model, count: {"below 10 days": TOP[:count]})
    serve(models, "demand", CohortModel("demand", (), (), "", (), (), {}))
    (target,) = words(view(models), "v", 12)["targets"]
    assert (target["target"], target["model"], target["version"]) == ("demand", "v_demand", "3")
    assert target["cohorts"] == [
        {"cohort": "below 10 days", "words": [
            {"word": "python", "column": "name", "kind": "words", "weight": 0.9},
            {"word": "employment_id_full", "column": "categories", "kind": "categories", "weight": 0.6},
            {"word": "a__b", "column": "responsibility", "kind": "words", "weight": 0.5},
        ]},
    ]  # fmt: skip
    assert len(words(view(models), "v", 1)["targets"][0]["cohorts"][0]["words"]) == 1


def test_no_model_and_no_linear_member_have_no_words(models: ServedModels) -> None:
    assert words(view(models), "v", 3) == {"targets": []}
    serve(models, "salary", CohortModel("salary", (), (), "", (), (), {}))
    assert words(view(models), "v", 3)["targets"][0]["cohorts"] == []

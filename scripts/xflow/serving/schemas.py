"""What a request for cohorts of vacancies holds, and its answer."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from xflow.serving.answering import ModelVersion
from xflow.serving.sizes import MOST_LISTED

LONGEST_TEXT = 20_000
LONGEST_ID = 200


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    return text


Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_no_nul)]
Code = Annotated[str, Field(max_length=LONGEST_ID), AfterValidator(_no_nul)]
ENGINEER: dict[str, Any] = {
    "id": "1",
    "responsibility": "Проектировать и развивать сервисы на Python, проводить код-ревью",
    "area_id": "1",
    "experience_id": "between3And6",
}
COURIER: dict[str, Any] = {"id": "2", "responsibility": "Доставлять заказы по району, принимать оплату"}


class Vacancy(BaseModel):
    """A vacancy as hh.ru's API gives it. Columns that the pipeline's models do not use are taken and not looked at."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[Code, Field(min_length=1)] = Field(description="Any name; the answer carries it", examples=["1"])
    responsibility: Text = Field(description="Duties; markup is taken out. What else is given makes the answer better")
    name: Text | None = Field(default=None, description="Title")
    requirement: Text | None = None
    description: Text | None = None
    key_skills: Text | None = None
    area_id: Code | None = Field(default=None, description="Codes are those of hh.ru, as texts", examples=["1"])
    professional_role_id: Code | None = None
    experience_id: Code | None = None
    employment_id: Code | None = None
    schedule_id: Code | None = None
    employer_id: Code | None = None


def _few(given: object) -> object:
    if isinstance(given, list) and len(given) > MOST_LISTED:
        raise ValueError(f"holds {len(given)} vacancies: send fewer at once")
    return given


class VacanciesAsked(BaseModel):
    """Vacancies whose cohorts are asked for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"vacancies": [ENGINEER, COURIER]}]})

    vacancies: Annotated[list[Vacancy], BeforeValidator(_few)] = Field(min_length=1, description="Each id once")


class Cohort(BaseModel):
    """What one model says of a vacancy."""

    cohort: str = Field(description="The likeliest", examples=["200k and more"])
    probability: float = Field(ge=0, le=1, description="Of that cohort")
    probabilities: dict[str, float] = Field(description="Of every cohort, in ascending order; they sum to 1")


class VacancyPredicted(BaseModel):
    """The cohorts of one vacancy, by target; a target is absent while it has no model in service."""

    id: str
    salary: Cohort | None = Field(default=None, description="Monthly net salary in roubles")
    demand: Cohort | None = Field(default=None, description="Days until the vacancy closes")


class VacanciesPredicted(BaseModel):
    """The cohorts of vacancies, in the order of the request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "request_id": "5f0c6b6f9d5f4d0a8a3f5f5b7c1d2e3f",
                    "pipeline": "vacancies",
                    "models": {"salary": {"name": "vacancies_salary", "version": "7"}},
                    "predictions": [
                        {
                            "id": "1",
                            "salary": {
                                "cohort": "200k and more",
                                "probability": 0.61,
                                "probabilities": {"below 100k": 0.04, "100k-200k": 0.35, "200k and more": 0.61},
                            },
                        }
                    ],
                }
            ]
        }
    )

    request_id: str
    pipeline: str
    models: dict[str, ModelVersion] = Field(description="The versions that answered, by target")
    predictions: list[VacancyPredicted]

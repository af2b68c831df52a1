"""The file of a vacancies pipeline: what to collect from hh.ru, and which cohorts to learn from the texts."""

import re
from itertools import pairwise
from math import inf
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from xflow.candidate_check import parameters
from xflow.candidate_params import EncodingParams
from xflow.columns import IDENTIFIER
from xflow.pipeline_base import MOST_SEED, BaseCandidate, BasePipeline, Cron, Places, Section

TEXTS = ("responsibility", "name", "requirement", "description", "key_skills")
CATEGORIES = (
    "area_id",
    "professional_role_id",
    "experience_id",
    "employment_id",
    "schedule_id",
    "employer_id",
)
SHOWN = ("responsibility", "name", "requirement")
"""Texts that a model sees by default: every search shows them.

Descriptions and skills come with details, which are fetched of vacancies that vanished first: to have one tells that a
vacancy has closed.
"""
FIELDS = tuple(name for name in CATEGORIES if name != "employer_id")
"""Categories that a model sees by default: an employer is never on both sides, so its id says nothing of others."""
TARGETS = ("salary", "demand")
USER_AGENT = re.compile(r"^\S+/\S+ \(\S+@\S+\)\Z")


class VacancyInput(Places):
    """Where the flat vacancies lie and what their columns are called.

    Attributes
    ----------
    train, predict
        ``s3://`` URIs, or keys in the default bucket, of one parquet object or of a prefix ending
        in ``/``.
    take
        Of a prefix: ``newest`` reads the newest delivery, all parts of it; ``all`` reads every object. See
        `xflow.steps.kinds.vacancy_input.VacancyInput.chosen`.
    columns
        Canonical name to the name that the objects carry, where they differ.
    ignore
        Columns of the objects that are left out.
    """

    take: Literal["all", "newest"] = "newest"
    columns: dict[str, str] = {}
    ignore: tuple[str, ...] = ()


class VacancyContract(Section):
    """What a vacancy must fulfil.

    Attributes
    ----------
    max_rejected
        Largest share of rejected rows, 0 to 1, that a run tolerates.
    rates
        Units of a currency for one rouble, by its code, where a row brings no rate of its own.
    """

    max_rejected: float = Field(default=0.25, ge=0, le=1)
    rates: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = {}


class Query(Section):
    """One search of hh.ru; the ids are those of the API's dictionaries."""

    text: str | None = None
    search_field: str | None = None
    area: tuple[str, ...] = ()
    professional_role: tuple[str, ...] = ()


class Collect(Section):
    """How vacancies are collected.

    Attributes
    ----------
    user_agent
        ``name/version (mail)``: the API wants to know who asks.
    requests_per_second
        Of all workers together.
    details
        Most vacancies a run whose details are fetched.
    window_days
        Days of publication that a snapshot covers; hh.ru lists a vacancy for 30 days.
    gone_after
        Complete snapshots in a row without a vacancy after which it counts as closed.
    market
        Name of the forecasting pipeline that gets the daily market: counts and median salaries.
    """

    schedule: Cron | None = "0 * * * *"
    url: str = "https://api.hh.ru"
    user_agent: str
    queries: tuple[Query, ...] = Field(min_length=1)
    requests_per_second: float = Field(default=5, gt=0, le=10)
    details: int = Field(default=500, ge=0)
    window_days: int = Field(default=30, ge=1, le=30)
    gone_after: int = Field(default=2, ge=1)
    market: str | None = Field(default=None, pattern=IDENTIFIER.pattern)

    @field_validator("url")
    @classmethod
    def _plain(cls, url: str) -> str:
        if not re.match(r"^https?://[^@/\s]+(/\S*)?$", url):
            raise ValueError("write the API's address as https://api.hh.ru; a token goes into XFLOW_HH_TOKEN")
        return url

    @field_validator("user_agent")
    @classmethod
    def _contact(cls, agent: str) -> str:
        if not USER_AGENT.match(agent):
            raise ValueError("hh.ru wants a user agent with a contact, as xflow/1.0 (you@your.domain)")
        return agent


class SalaryTarget(Section):
    """Salary cohorts, from the monthly net figure in roubles.

    Attributes
    ----------
    boundaries
        Lower ends of the second and further cohorts: a salary of exactly 100,000 lies in the cohort
        that begins there.
    quantiles
        Number of equal cohorts whose boundaries are fitted on the training part instead. Cohorts that moved
        cannot be compared: the champion then stays until a person decides.
    not_stated
        Vacancies without a salary are a ``cohort`` of their own, or ``leave_out``.
    """

    boundaries: tuple[float, ...] = (100_000, 150_000, 200_000)
    quantiles: int | None = Field(default=None, ge=2, le=10)
    not_stated: Literal["cohort", "leave_out"] = "cohort"

    @field_validator("boundaries")
    @classmethod
    def _ascending(cls, boundaries: tuple[float, ...]) -> tuple[float, ...]:
        return ascending(boundaries)


class DemandTarget(Section):
    """Demand cohorts, from the days that a vacancy lives: the fewer, the higher the demand.

    Attributes
    ----------
    boundaries
        Lower ends of the second and further cohorts, in days.
    measure
        ``lifetime`` learns from closed and still open (censored) vacancies and needs a history;
        ``age`` is the age so far of open vacancies; ``auto`` takes the lifetime when at least
        `min_closed` vacancies have closed.
    """

    boundaries: tuple[float, ...] = (10, 20)
    measure: Literal["auto", "lifetime", "age"] = "auto"
    min_closed: int = Field(default=100, ge=1)

    @field_validator("boundaries")
    @classmethod
    def _ascending(cls, boundaries: tuple[float, ...]) -> tuple[float, ...]:
        return ascending(boundaries)


class CohortCandidate(BaseCandidate):
    """A model to tune for every target that it suits."""

    kind: Literal["majority", "logistic", "xgb", "aft"]
    targets: tuple[Literal["salary", "demand"], ...] = TARGETS  # type: ignore[assignment]


class CohortSection(Section):
    """How the cohort models are made, judged and used.

    Attributes
    ----------
    texts
        Text columns, by default those that every search shows; `responsibility` always is one.
    categories
        Categorical columns, by default all but `employer_id`.
    holdout
        Share of the vacancies that no candidate sees, whole employers drawn by their ids.
    folds
        Folds of the cross-validation, by employer and near-duplicate texts.
    """

    texts: tuple[str, ...] = SHOWN
    categories: tuple[str, ...] = FIELDS
    salary: SalaryTarget | None = SalaryTarget()
    demand: DemandTarget | None = DemandTarget()
    metric: Literal["log_loss"] = "log_loss"
    holdout: float = Field(default=0.2, gt=0, lt=0.9)
    folds: int = Field(default=5, ge=2, le=20)
    trials: int = Field(default=8, ge=1, le=1000)
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    floor: str = "majority"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    candidates: tuple[CohortCandidate, ...]

    @model_validator(mode="after")
    def _consistent(self) -> "CohortSection":
        for name, allowed in (("texts", TEXTS), ("categories", CATEGORIES)):
            wrong = [column for column in getattr(self, name) if column not in allowed]
            if wrong:
                raise ValueError(f"{name}: {', '.join(wrong)} is not among {', '.join(allowed)}")
            if len(set(getattr(self, name))) != len(getattr(self, name)):
                raise ValueError(f"{name}: name each column once")
        if "responsibility" not in self.texts:
            raise ValueError("texts: responsibility is required")
        names = [candidate.name for candidate in self.candidates]
        if len(set(names)) != len(names):
            raise ValueError(f"candidates need distinct names: {names}")
        floor = next((candidate for candidate in self.candidates if candidate.name == self.floor), None)
        if floor is None or set(floor.targets) != set(TARGETS):
            raise ValueError(f"floor {self.floor!r} is not among the candidates of every target: {names}")
        if self.salary is None and self.demand is None:
            raise ValueError("give at least one of salary and demand")
        return self

    @model_validator(mode="after")
    def _able(self) -> "CohortSection":
        """Refuse candidates that could learn nothing, or not what they are to learn."""
        for each in self.candidates:
            seen = parameters(each.kind, each.params)
            inputs = isinstance(seen, EncodingParams) and (seen.words, seen.chars, seen.counts)
            if inputs and not any(inputs) and not (self.categories and seen.categories):
                raise ValueError(f"candidate {each.name}: words, chars and counts are 0 and there are no categories")
        days = [each.name for each in self.candidates if each.kind == "aft" and "salary" in each.targets]
        if days and self.salary is not None:
            raise ValueError(f"candidate {', '.join(days)}: kind aft predicts days: give it targets: [demand]")
        return self


class VacancyPipeline(BasePipeline):
    """A pipeline that learns the salary and the demand cohort of vacancies."""

    kind: Literal["vacancies"]
    collect: Collect | None = None
    input: VacancyInput
    contract: VacancyContract = VacancyContract()
    model: CohortSection

    @property
    def targets(self) -> tuple[str, ...]:
        """``salary`` and ``demand``, as far as the model has them."""
        return tuple(target for target in TARGETS if getattr(self.model, target) is not None)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed, and may not be what was meant."""
        return ()

    def candidates(self, target: str) -> tuple[CohortCandidate, ...]:
        """Return the models to tune for a target."""
        return tuple(each for each in self.model.candidates if target in each.targets)


def ascending(boundaries: tuple[float, ...]) -> tuple[float, ...]:
    """Return boundaries as they are.

    Raises
    ------
    ValueError
        They are not positive and ascending, or differ by less than their first six digits, which name the cohorts.
    """
    if not boundaries or not all(0 < a < b for a, b in pairwise((*boundaries, inf))):
        raise ValueError("boundaries must be positive, finite and ascend, as [100000, 150000, 200000]")
    if len({f"{each:g}" for each in boundaries}) < len(boundaries):
        raise ValueError("boundaries must differ within their first six digits: cohorts are named by them")
    return boundaries

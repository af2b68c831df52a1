"""What the files of all kinds of pipelines share."""

import math
import re
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from xflow.candidate_check import checked_params, checked_search
from xflow.columns import IDENTIFIER
from xflow.domain.alert import AlertEvent
from xflow.domain.object_names import plain_location
from xflow.errors import ConfigInvalid

CRON_FIELD = r"[\w*,/#?-]+"
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
"""Of the fields of a cron expression: minute, hour, day of the month, month, day of the week."""
PRESETS = frozenset({"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"})
COLLECTED = "collected"
"""What `schedule` says to train after every collection."""
MOST_SEED = 2_000_000_000
"""XGBoost takes no larger ones, and each bag adds one."""


class Section(BaseModel):
    """A part of a pipeline's file: frozen, and strict about unknown fields, booleans for numbers, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _boolean(cls, value: object, info: ValidationInfo) -> object:
        """Refuse a boolean where none is wanted: Python would count with it."""
        field = cls.model_fields[info.field_name or ""]
        given = value if isinstance(value, list | tuple) else value.values() if isinstance(value, dict) else [value]
        if any(isinstance(each, bool) for each in given) and not _may_be_boolean(field.annotation):
            raise ValueError("true and false are no values here; a text of these letters needs quotes")
        return value


def _may_be_boolean(annotation: object) -> bool:
    inside = any(_may_be_boolean(each) for each in get_args(annotation))
    return (
        inside
        or annotation is bool
        or annotation is Any
        or (isinstance(annotation, type) and issubclass(annotation, Section))
    )


def cron(expression: str) -> str:
    """Return a cron expression as it is.

    Raises
    ------
    ValueError
        It is none: five fields within their bounds, or one of the words that stand for them.
    """
    fields = expression.split()
    right = len(fields) == len(BOUNDS) and all(
        re.fullmatch(CRON_FIELD, field) and all(low <= int(n) <= high for n in re.findall(r"(?<!/)\b\d+", field))
        for field, (low, high) in zip(fields, BOUNDS, strict=True)
    )
    if not right and expression not in PRESETS:
        raise ValueError(
            f"{expression!r} is no cron expression: write minute, hour, day of the month, month and day of the week, "
            'in quotes, as "0 6 * * 1", or @daily'
        )
    return expression


Cron = Annotated[str, AfterValidator(cron)]


class Places(Section):
    """Where the input lies: URIs, or keys in the default bucket, of one object or of a prefix ending in ``/``."""

    train: str
    predict: str

    @field_validator("train", "predict")
    @classmethod
    def _location(cls, location: str) -> str:
        try:
            return plain_location(location)
        except ConfigInvalid as error:
            raise ValueError(str(error)) from None


class PromotionPolicy(Section):
    """When a challenger becomes the champion.

    Attributes
    ----------
    confidence
        Of the bootstrap interval of the paired difference, 0.5 to 1: the challenger must be better by all of it.
        Of two models that are equally good one is promoted by chance in ``(1 - confidence) / 2`` of the cases.
    min_gain
        Share of the champion's error by which the challenger must be better at least, 0 to 1.
    resamples
        Of the bootstrap.
    approval
        Ask a person before a version that won serves.
    approval_hours
        How long an answer is waited for; nobody's answer is a refusal. The next training waits as long.
    """

    confidence: float = Field(default=0.95, ge=0.5, lt=1)
    min_gain: float = Field(default=0.0, ge=0, lt=1)
    resamples: int = Field(default=2_000, ge=200, le=100_000)
    approval: bool = False
    approval_hours: float = Field(default=72, gt=0, le=24 * 90)

    @model_validator(mode="after")
    def _reachable(self) -> "PromotionPolicy":
        if 1 / (self.resamples + 1) > (1 - self.confidence) / 2:
            raise ValueError(
                f"resamples {self.resamples} cannot tell a gain from chance with confidence {self.confidence}: no "
                f"version would ever win. Set resamples to {math.ceil(round(2 / (1 - self.confidence), 6))} or more"
            )
        return self


class DriftPolicy(Section):
    """How far an input, and what is predicted from it, may be from the training before predictions are held back.

    Attributes
    ----------
    gate
        ``stop`` holds the predictions back, ``warn`` only tells, ``off`` does not look.
    warn, stop
        Share of the sample, 0 to 1, that moved: by a check, and by one column.
    alpha
        Chance that a sample of which nothing moved is called drifted, by all checks of one model together.
    sample
        Most series, or employers' vacancies, that are compared.
    ignore
        Columns of the report that are left out.
    """

    gate: Literal["stop", "warn", "off"] = "stop"
    warn: float = Field(default=0.2, gt=0, le=1)
    stop: float = Field(default=0.5, gt=0, le=1)
    alpha: float = Field(default=0.01, gt=0, lt=1)
    sample: int = Field(default=2_000, ge=50, le=5_000)
    ignore: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _ascending(self) -> "DriftPolicy":
        if self.warn > self.stop:
            raise ValueError(f"warn {self.warn} is more than stop {self.stop}")
        return self


class MonitorPolicy(Section):
    """When realised figures are looked at, and when they ask for a retraining.

    Attributes
    ----------
    schedule
        Cron expression of the monitor; None: by hand.
    windows, bad
        So many bad windows of the last ones ask for a retraining. A window is a day of minutes or hours, a week of
        days, a month of weeks or months, a quarter, a year; of vacancies it is a week.
    worse_than
        A window is bad when its error is more than this times the model's error on its holdout.
    min_count
        Outcomes that a window needs to be judged.
    """

    schedule: Cron | None = "0 7 * * *"
    windows: int = Field(default=6, ge=1, le=100)
    bad: int = Field(default=3, ge=1, le=100)
    worse_than: float = Field(default=1.25, gt=0, allow_inf_nan=False)
    min_count: int = Field(default=30, ge=1)

    @model_validator(mode="after")
    def _reachable(self) -> "MonitorPolicy":
        if self.bad > self.windows:
            raise ValueError(
                f"bad {self.bad} is more than windows {self.windows}: a retraining would never be asked for"
            )
        return self


class AlertPolicy(Section):
    """Of what people are told, through the addresses of ``XFLOW_ALERTS``.

    Attributes
    ----------
    events
        ``failure`` of a run, ``drift`` that warns or stops, ``promotion``, ``rollback``, ``deadline`` that passed
        without predictions, and ``success`` of a run.
    """

    events: tuple[AlertEvent, ...] = ("failure", "drift", "promotion", "rollback", "deadline")


class ServingPolicy(Section):
    """What a version must pass before the prediction service lets it answer.

    Attributes
    ----------
    max_latency_ms
        Of one vacancy or series: the median of thirty calls, in milliseconds.
    tolerance
        By how much its answers to the golden rows, which were logged with it, may differ from those of the training:
        relative to the number, and absolute below 1. A GPU sums in another order than a processor does.
    """

    max_latency_ms: float = Field(default=1_000, gt=0, allow_inf_nan=False)
    tolerance: float = Field(default=1e-5, ge=0, allow_inf_nan=False)


class BaseCandidate(Section):
    """A model to tune: fixed `params`, and a `search` space of ``name: [low, high]`` or choices."""

    name: str = Field(pattern=IDENTIFIER.pattern)
    kind: str
    params: dict[str, Any] = {}
    search: dict[str, list[Any]] = {}

    @field_validator("params", "search")
    @classmethod
    def _of_its_kind(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Check what is given by the kind's parameters; values get their types."""
        kind, params = info.data.get("kind"), info.data.get("params")
        if kind is None or (info.field_name == "search" and params is None):  # they are wrong themselves
            return given
        try:
            return checked_params(kind, given) if params is None else checked_search(kind, params, given)
        except ConfigInvalid as error:
            raise ValueError(str(error)) from None


class BasePipeline(Section):
    """Name, schedule and tags; the kinds add their input, contract and model."""

    pipeline: str
    description: str
    schedule: str | None = None
    tags: tuple[str, ...] = ()
    promotion: PromotionPolicy = PromotionPolicy()
    alerts: AlertPolicy = AlertPolicy()
    drift: DriftPolicy = DriftPolicy()
    monitor: MonitorPolicy = MonitorPolicy()
    serving: ServingPolicy = ServingPolicy()
    predictions_by: str | None = None
    predict_schedule: Cron | None = None

    @field_validator("schedule")
    @classmethod
    def _schedule(cls, schedule: str | None) -> str | None:
        return schedule if schedule in {None, COLLECTED} else cron(schedule)

    @field_validator("predictions_by")
    @classmethod
    def _time_of_day(cls, by: str | None) -> str | None:
        if by is not None and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", by):
            raise ValueError('a time of day in UTC, in quotes, as "07:00"')
        return by

    @field_validator("pipeline")
    @classmethod
    def _name(cls, name: str) -> str:
        if not IDENTIFIER.fullmatch(name) or len(name) > 40:
            raise ValueError("a pipeline's name is at most 40 lower-case letters, digits and _, as tourism_monthly")
        return name

    @property
    def name(self) -> str:
        """The pipeline's name, also the prefix of its DAGs, tables and registered models."""
        return self.pipeline

    @property
    def targets(self) -> tuple[str, ...]:
        """What the pipeline's models predict, one registered model each; ``""`` when there is one alone."""
        return ("",)

    def model_name(self, target: str) -> str:
        """Return the name of the registered model of one target."""
        return f"{self.name}_{target}" if target else self.name

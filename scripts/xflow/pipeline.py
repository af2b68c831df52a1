"""A pipeline's YAML file as a frozen, checked configuration. One file is one pipeline."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from xflow import environments
from xflow.columns import IDENTIFIER, RESERVED
from xflow.errors import ConfigInvalid
from xflow.pipeline_base import BasePipeline, Section
from xflow.settings import environment_name
from xflow.vacancy_pipeline import VacancyPipeline

FREQUENCY = r"^([1-9]\d*)?(min|h|D|M|W(-(MON|TUE|WED|THU|FRI|SAT|SUN))?|[QY](-[A-Z]{3})?)$"


class Columns(Section):
    """Names that the input's columns carry in its parquet objects."""

    series_id: str = "series_id"
    timestamp: str = "timestamp"
    value: str = "value"


class Input(Section):
    """Where the input lies and what its columns are called.

    `train` and `predict` are ``s3://`` URIs, or keys in the default bucket, of one parquet object
    or of a prefix (ending in ``/``) of several.
    """

    train: str
    predict: str
    columns: Columns = Columns()
    exogenous: tuple[str, ...] = ()

    @field_validator("exogenous")
    @classmethod
    def _names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [n for n in names if not IDENTIFIER.match(n) or n in RESERVED]
        if wrong or len(set(names)) != len(names):
            raise ValueError(
                f"exogenous columns need distinct lower_case names outside {sorted(RESERVED)}: "
                f"{', '.join(wrong) or names}"
            )
        return names

    @model_validator(mode="after")
    def _distinct(self) -> "Input":
        names = [self.columns.series_id, self.columns.timestamp, self.columns.value, *self.exogenous]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: one column cannot be two of columns and exogenous")
        return self


class Contract(Section):
    """What a row and a series must fulfil.

    Attributes
    ----------
    frequency
        A pandas period alias: ``M``, ``D``, ``h``, ``15min``, ``W-SUN``, ``Q-DEC``, ``Y-DEC``.
    min_length
        Shortest series, in steps, up to `as_of`, for train; predict takes any.
    max_gap
        Longest run of missing steps that is filled by linear interpolation; a longer gap rejects
        the series.
    max_rejected
        Largest share of rejected rows, 0 to 1, that a run tolerates.
    """

    frequency: str = Field(pattern=FREQUENCY)
    min_length: int = Field(default=3, ge=3)
    max_gap: int = Field(default=0, ge=0)
    max_rejected: float = Field(default=0.05, ge=0, le=1)


class Candidate(Section):
    """A model to tune: fixed `params`, and a `search` space of ``name: [low, high]`` or choices."""

    name: str = Field(pattern=IDENTIFIER.pattern)
    kind: Literal["seasonal_naive", "theta", "ets", "arima", "global_xgb"]
    params: dict[str, Any] = {}
    search: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}


class Model(Section):
    """How the models are made, judged and used.

    `origin` says where a forecast starts: after each series' own last value, or after `as_of` for
    all of them.
    """

    seasonality: int = Field(ge=1)
    horizon: int = Field(ge=1)
    origin: Literal["series_end", "as_of"] = "series_end"
    metric: Literal["mase", "smape", "mae", "rmse"] = "mase"
    folds: int = Field(default=2, ge=1)
    min_train: int = Field(default=0, ge=0)
    trials: int = Field(default=8, ge=1, le=1000)
    seed: int = 0
    levels: tuple[float, ...] = (0.8, 0.95)
    floor: str = "seasonal_naive"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    candidates: tuple[Candidate, ...]

    @field_validator("levels")
    @classmethod
    def _levels(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        percent = [round(level * 100) for level in levels]
        if not levels or any(not 0 < p < 100 for p in percent) or len(set(percent)) != len(percent):
            raise ValueError("levels must be distinct whole percentages between 0 and 1, as [0.8, 0.95]")
        return levels

    @model_validator(mode="after")
    def _candidates(self) -> "Model":
        names = [candidate.name for candidate in self.candidates]
        if len(set(names)) != len(names):
            raise ValueError(f"candidates need distinct names: {names}")
        if self.floor not in names:
            raise ValueError(f"floor {self.floor!r} is not among the candidates {names}")
        return self


class Pipeline(BasePipeline):
    """A forecasting pipeline: its input, contract, model and schedule."""

    kind: Literal["forecasting"] = "forecasting"
    input: Input
    contract: Contract
    model: Model

    def candidates(self, target: str) -> tuple[Candidate, ...]:  # noqa: ARG002  # one target alone
        """Return the models to tune."""
        return self.model.candidates


AnyPipeline = Pipeline | VacancyPipeline
KINDS: dict[str, type[AnyPipeline]] = {"forecasting": Pipeline, "vacancies": VacancyPipeline}


def load(path: Path, environment: str | None = None) -> AnyPipeline:
    """Read and check one pipeline file.

    Parameters
    ----------
    environment
        ``dev``, ``staging`` or ``prod``: what ``<environment>/<pipeline>.yaml`` beside the file says, where there is
        one, counts before the file. That of the settings (``XFLOW_ENV``) when left out.

    Raises
    ------
    ConfigInvalid
        The file is absent, is not YAML, or breaks the schema; the message names every field.
    """
    try:
        document = _document(path)
    except FileNotFoundError:
        raise ConfigInvalid(f"pipeline {path.stem}: no file {path}. {_choices(path.parent)}") from None
    overlay = path.parent / environments.environment(environment or environment_name()).name / path.name
    files = str(path)
    if overlay.is_file():
        document, files = _merged(document, _document(overlay) or {}), f"{path} with {overlay}"
    try:
        loaded = _kind(document).model_validate(document)
    except ConfigInvalid as error:
        raise ConfigInvalid(f"pipeline file {files}: {error}") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ConfigInvalid(f"pipeline file {files}: {faults}") from error
    if loaded.pipeline != path.stem:
        raise ConfigInvalid(f"pipeline file {files}: pipeline is {loaded.pipeline!r}, but the file is {path.stem!r}")
    return loaded


def load_all(folder: Path) -> list[AnyPipeline]:
    """Read every ``*.yaml`` of a folder, sorted by name."""
    check_overlays(folder)
    return [load(path) for path in sorted(folder.glob("*.yaml"))]


def check_overlays(folder: Path) -> None:
    """Check that every file of an environment has the pipeline's file to lie over.

    Raises
    ------
    ConfigInvalid
        Some have none; the message names them.
    """
    found = (path for name in environments.ENVIRONMENTS for path in sorted((folder / name).glob("*.yaml")))
    alone = [str(path) for path in found if not (folder / path.name).is_file()]
    if alone:
        raise ConfigInvalid(f"{', '.join(alone)}: there is no pipeline file of that name in {folder} to change")


def _document(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"pipeline file {path}: not YAML: {error}") from error


def _merged(base: Any, over: Any) -> Any:
    """Return `over` laid over `base`: sections are merged field by field, everything else is replaced."""
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {name: _merged(base.get(name), value) for name, value in over.items()}
    return over


def _kind(document: Any) -> type[AnyPipeline]:
    """Return the class that a document's `kind` asks for; forecasting when it says none."""
    kind = document.get("kind", "forecasting") if isinstance(document, dict) else "forecasting"
    if kind not in KINDS:
        raise ConfigInvalid(f"kind {kind!r} is not among {', '.join(KINDS)}")
    return KINDS[kind]


def _choices(folder: Path) -> str:
    names = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
    return f"There are: {names}." if names else f"There are no pipeline files in {folder}."

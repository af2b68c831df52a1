"""A pipeline's YAML file as a frozen, checked configuration. One file is one pipeline."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from xflow import environments, names
from xflow.candidate_params import USES_EXOGENOUS
from xflow.columns import IDENTIFIER, RESERVED
from xflow.domain.zones import check_zone
from xflow.errors import ConfigInvalid
from xflow.frequencies import period_alias
from xflow.pipeline_base import MOST_SEED, BaseCandidate, BasePipeline, Places, Section
from xflow.settings import environment_name
from xflow.vacancy_pipeline import VacancyPipeline
from xflow.yaml_file import read_yaml

MOST_STEPS = 10_000
"""Steps ahead that a run may forecast: of each series as many rows of output."""


class Columns(Section):
    """Names that the input's columns carry in its parquet objects."""

    series_id: str = "series_id"
    timestamp: str = "timestamp"
    value: str = "value"


class Input(Places):
    """Where the input lies and what its columns are called.

    `train` and `predict` are ``s3://`` URIs, or keys in the default bucket, of one parquet object
    or of a prefix (ending in ``/``) of several. `ignore` names columns of the objects that are left out.
    """

    columns: Columns = Columns()
    exogenous: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    @field_validator("exogenous")
    @classmethod
    def _names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if taken := [name for name in names if name in RESERVED]:
            raise ValueError(
                f"exogenous columns need distinct names of their own, as {taken[0]}_of_input: {', '.join(taken)} is a "
                f"column that xFlow or the database has by itself, one of {', '.join(sorted(RESERVED))}"
            )
        wrong = [name for name in names if not IDENTIFIER.fullmatch(name)]
        if wrong or len(set(names)) != len(names):
            raise ValueError(
                "exogenous columns need distinct names of at most 63 lower-case letters, digits and _: "
                f"{', '.join(wrong) or ', '.join(names)}"
            )
        return names

    @model_validator(mode="after")
    def _distinct(self) -> "Input":
        read = [self.columns.series_id, self.columns.timestamp, self.columns.value, *self.exogenous]
        names = [*read, *dict.fromkeys(self.ignore)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: one column cannot be two of columns, exogenous and ignore")
        return self


class Contract(Section):
    """What a row and a series must fulfil.

    Attributes
    ----------
    frequency
        A pandas period alias: ``M``, ``D``, ``h``, ``15min``, ``W-SUN``, ``Q-DEC``, ``Y-DEC``; pandas' names of offsets
        are taken as the periods that they stand for.
    timezone
        IANA name of the zone whose clock timestamps are read by, and forecasts written: periods begin by it. None: UTC.
    min_length
        Shortest series, in steps, up to `as_of`, for train; predict takes any. A training stops at a series of less
        than the model needs: `Model.trains_on` and a horizon.
    max_gap
        Longest run of missing steps that is filled by linear interpolation; a longer gap rejects
        the series.
    max_rejected
        Largest share of rejected rows, 0 to 1, that a run tolerates.
    """

    frequency: Annotated[str, AfterValidator(period_alias)]
    timezone: str | None = None
    min_length: int = Field(default=3, ge=3)
    max_gap: int = Field(default=0, ge=0)
    max_rejected: float = Field(default=0.05, ge=0, le=1)

    @model_validator(mode="after")
    def _zone(self) -> "Contract":
        if self.timezone is not None:
            check_zone(self.timezone, shifts=self.frequency.endswith(("min", "h")))
        return self


class Candidate(BaseCandidate):
    """A forecasting model to tune."""

    kind: Literal["seasonal_naive", "theta", "ets", "arima", "global_xgb"]


class Model(Section):
    """How the models are made, judged and used.

    `origin` says where a forecast starts: after each series' own last value, or after `as_of` for
    all of them.
    """

    seasonality: int = Field(ge=1, le=100_000)
    horizon: int = Field(ge=1, le=MOST_STEPS)
    origin: Literal["series_end", "as_of"] = "series_end"
    metric: Literal["mase", "smape", "mae", "rmse"] = "mase"
    folds: int = Field(default=2, ge=1, le=100)
    min_train: int = Field(default=0, ge=0)
    trials: int = Field(default=8, ge=1, le=1000)
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    levels: tuple[float, ...] = (0.8, 0.95)
    floor: str = "seasonal_naive"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    candidates: tuple[Candidate, ...]

    @field_validator("levels")
    @classmethod
    def _levels(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        percent = [round(level * 100) for level in levels]
        whole = all(abs(level * 100 - p) < 1e-9 for level, p in zip(levels, percent, strict=True))
        if not levels or not whole or any(not 0 < p < 100 for p in percent) or len(set(percent)) != len(percent):
            raise ValueError(f"levels {list(levels)}: write distinct whole percentages between 0 and 1, as [0.8, 0.95]")
        return levels

    @model_validator(mode="after")
    def _candidates(self) -> "Model":
        names = [candidate.name for candidate in self.candidates]
        if len(set(names)) != len(names):
            raise ValueError(f"candidates need distinct names: {names}")
        if self.floor not in names:
            raise ValueError(f"floor {self.floor!r} is not among the candidates {names}")
        for candidate in self.candidates:
            seasons = [candidate.params.get("seasons", []), *candidate.search.get("seasons", [])]
            if any(self.seasonality in each for each in seasons):
                raise ValueError(
                    f"candidate {candidate.name}: seasons are further ones beside model.seasonality: leave "
                    f"{self.seasonality} out"
                )
        return self

    @property
    def trains_on(self) -> int:
        """Values that a series needs before its holdout: `min_train`, or two seasons and one."""
        return self.min_train or 2 * self.seasonality + 1


class Pipeline(BasePipeline):
    """A forecasting pipeline: its input, contract, model and schedule."""

    kind: Literal["forecasting"] = "forecasting"
    input: Input
    contract: Contract
    model: Model

    def candidates(self, target: str) -> tuple[Candidate, ...]:  # noqa: ARG002  # one target alone
        """Return the models to tune."""
        return self.model.candidates

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed, and may not be what was meant."""
        said, needed = [], self.model.trains_on + self.model.horizon
        if self.contract.min_length < needed:
            said.append(
                f"contract.min_length {self.contract.min_length} lets series through that a training stops at: each "
                f"needs {needed} steps, {self.model.trains_on} to train on (model.min_train; two seasons and one when "
                f"left out) and the horizon of {self.model.horizon}. Write min_length: {needed}, or lower min_train or "
                "horizon"
            )
        if self.input.exogenous:
            said += self._ignoring()
        return tuple(said)

    @property
    def uses_exogenous(self) -> tuple[str, ...]:
        """Names of the candidates that use the columns under ``input.exogenous``."""
        return tuple(each.name for each in self.model.candidates if each.kind in USES_EXOGENOUS)

    def _ignoring(self) -> list[str]:
        ignoring = [each.name for each in self.model.candidates if each.kind not in USES_EXOGENOUS]
        using = self.uses_exogenous
        columns = f"input.exogenous {', '.join(self.input.exogenous)}"
        if not using:
            return [f"{columns}: no candidate uses it; {', '.join(USES_EXOGENOUS)} is the kind that does"]
        return [f"{columns}: used by {', '.join(using)} alone, ignored by {', '.join(ignoring)}"] if ignoring else []


AnyPipeline = Pipeline | VacancyPipeline
KINDS: dict[str, type[AnyPipeline]] = {"forecasting": Pipeline, "vacancies": VacancyPipeline}


def check_steps(horizon: int | None) -> None:
    """Check how many steps ahead a run shall forecast; None is the pipeline's own horizon.

    Raises
    ------
    ConfigInvalid
        Fewer than 1 or more than `MOST_STEPS`.
    """
    if horizon is not None and not 1 <= horizon <= MOST_STEPS:
        raise ConfigInvalid(
            f"horizon {horizon}: from 1 to {MOST_STEPS} steps, each a row of output a series. Ask for fewer, or bring "
            "the series at a coarser frequency"
        )


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
        faults = "; ".join(_fault(each) for each in error.errors())
        raise ConfigInvalid(f"pipeline file {files}: {faults}") from error
    if loaded.pipeline != path.stem:
        raise ConfigInvalid(f"pipeline file {files}: pipeline is {loaded.pipeline!r}, but the file is {path.stem!r}")
    if taken := names.clash(loaded.name, loaded.kind, _shorter(path)):
        raise ConfigInvalid(f"pipeline file {files}: pipeline {taken}")
    return loaded


def load_all(folder: Path) -> list[AnyPipeline]:
    """Read every ``*.yaml`` of a folder, sorted by name.

    Raises
    ------
    ConfigInvalid
        Some are wrong; the message names all of them, one a line.
    """
    check_overlays(folder)
    found, faults = list[AnyPipeline](), list[str]()
    for path in sorted(folder.glob("*.yaml")):
        try:
            found.append(load(path))
        except ConfigInvalid as error:
            faults.append(str(error))
    if faults:
        raise ConfigInvalid("\n".join(faults))
    return found


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
        return read_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"pipeline file {path}: not YAML: {error}") from error


def _fault(error: Any) -> str:
    """Return a field's path, what is wrong with it, and the value where the words do not say it."""
    where, said, value = (
        ".".join(map(str, error["loc"])) or "file",
        error["msg"].removeprefix("Value error, "),
        error["input"],
    )
    if error["type"] == "string_pattern_mismatch":  # of names alone
        said = "a name is at most 63 lower-case letters, digits and _, a letter first"
    if error["type"] in {"value_error", "missing", "extra_forbidden"} or not isinstance(
        value, str | int | float | None
    ):
        return f"{where}: {said}"
    quoted = ": write it in quotes" if error["type"] == "string_type" and value is not None else ""
    return f"{where}: {said}, it is {value!r}{quoted}"


def _shorter(path: Path) -> list[tuple[str, str]]:
    """Return names and kinds of the other pipelines whose names a pipeline's name goes on from."""
    others = [each for each in sorted(path.parent.glob("*.yaml")) if path.stem.startswith(f"{each.stem}_")]
    found = []
    for other in others:
        try:
            found.append((other.stem, get_args(_kind(_document(other)).model_fields["kind"].annotation)[0]))
        except ConfigInvalid:  # told when it is read itself
            continue
    return found


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

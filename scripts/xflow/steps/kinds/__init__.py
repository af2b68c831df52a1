"""What differs between kinds of pipelines: strategies behind the same steps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from xflow.domain.tuning import TuneResult
from xflow.domain.verdict import ContractRule, Verdict
from xflow.pipeline import AnyPipeline, Pipeline
from xflow.ports import FeatureStore, ObjectStore
from xflow.refs import CheckedInput, FeatureSetRef, FittedModel, FoldPlan, ModelVersionRef, ObjectRef, Selection
from xflow.schema import PipelineTables

if TYPE_CHECKING:
    from xflow.ports import AnyModel, Block
    from xflow.steps.input_objects import LocalInput

Codes = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]


class Columns(Protocol):
    """The columns of an input's objects; see `xflow.domain.input_columns.InputColumns`."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the pipeline's file calls the columns, in canonical order."""

    def check(self, schema: pa.Schema, source: str) -> None:
        """Raise `InputUnreadable` when an object's columns are not the pipeline's."""

    def read(self, schema: pa.Schema) -> list[str]:
        """Return what an object that passed `check` calls the columns to read from it."""

    def left_out(self, schema: pa.Schema) -> tuple[str, ...]:
        """Return the object's columns that are left out though nobody said so."""

    def canonical(self, batch: pa.RecordBatch, source: str) -> pa.RecordBatch:
        """Return a batch in canonical columns; the first is the id of the row's series or vacancy."""


class Checker(Protocol):
    """Judges the rows of an input, which come in batches."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Judge the rows of a canonical batch."""

    def finish(self) -> Verdict:
        """Return the verdict of every row."""


class InputKind(Protocol):
    """What differs between inputs, from the contract to the features."""

    entity: str
    """What the rows are about, for messages: ``series`` or ``vacancy``."""
    rules: type[ContractRule]
    hinted: frozenset[ContractRule]
    """Rules of which the rows that broke them say more; see `hint`."""

    @property
    def timezone(self) -> str | None:
        """IANA name of the zone whose clock the input's times show; None: UTC."""

    @property
    def columns(self) -> Columns:
        """The columns of the input's objects."""

    @property
    def tables(self) -> PipelineTables:
        """The mart's tables of the pipeline."""

    def chosen(self, objects: Sequence[ObjectRef], location: str, until: datetime | None) -> Sequence[ObjectRef]:
        """Return those of a location's objects, sorted by name, that a run as of `until` reads; may be none.

        `location` is the URI below which they lie, or of the one object.
        """

    def used_until(self, until: datetime | None, newest: datetime | None) -> datetime | None:
        """Return the run's as_of, `until` being the one asked for and `newest` the newest time of the input."""

    def known_at(self, moment: datetime) -> datetime:
        """Return the as_of of a run at a past moment, given in UTC: the newest time whose values were known by then."""

    def checker(self, train: bool, until: datetime | None) -> Checker:
        """Return what judges the rows by the pipeline's contract, `until` being the run's as_of."""

    def offending(self, rows: pa.RecordBatch, rule: ContractRule) -> tuple[pa.Array, pa.Array]:
        """Return the column, by its canonical name, and the value that broke a rule, a row each."""

    def hint(self, rule: ContractRule, rows: pa.RecordBatch) -> str:
        """Return what rows that broke a rule of `hinted` say of what would mend it; may be nothing."""

    def facts(self, checked: CheckedInput) -> dict[str, str]:
        """Return what is kept beside the feature set."""

    def blocks(self, local: "LocalInput", codes: Codes, checked: CheckedInput) -> "Iterator[Block]":
        """Yield the features of the accepted rows up to as_of."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model with all that is logged beside it; `holdout` is what it predicts for the holdout."""

    model: "AnyModel"
    metrics: dict[str, float]
    figures: dict[str, Any]
    example: Any
    holdout: pa.Table


@dataclass(frozen=True, slots=True)
class Champion:
    """A model that predicts, and which version it is."""

    version: ModelVersionRef
    model: Any


class ModelKind(Protocol):
    """What differs between models, from the split to the prediction; `data` is the kind's own."""

    unit: str
    """What a model is judged by one by one: ``series`` or ``vacancies``."""
    fewest: int
    """Units that champion and challenger must both be judged by."""

    def plan(
        self, ref: FeatureSetRef, target: str, horizon: int | None, trials: int, features: FeatureStore
    ) -> FoldPlan:
        """Freeze the holdout and lay out the folds; raise `ContractViolated` when the data do not allow it."""

    def params(self, plan: FoldPlan) -> dict[str, object]:
        """Return what the plan alone does not say about the training, for the registry."""

    def data(self, plan: FoldPlan, features: FeatureStore) -> Any:
        """Read the plan's feature set and split it as planned."""

    def tune(self, candidate: Any, data: Any, plan: FoldPlan, progress: Progress | None) -> TuneResult:
        """Search a candidate's parameters by the folds."""

    def combine(self, oof: Mapping[str, np.ndarray], data: Any) -> tuple[dict[str, float], float]:
        """Return the members' weights, and the error of their average, from out-of-fold predictions."""

    def fit(self, data: Any, plan: FoldPlan, selection: Selection, oof: Mapping[str, np.ndarray]) -> Fitted:
        """Fit the members on everything before the holdout, and score them on it."""

    def holdout(self, model: Any, data: Any) -> pa.Table:
        """Return what a model predicts for the holdout, as `Fitted.holdout`."""

    def description(self, plan: FoldPlan, fitted: FittedModel) -> str:
        """Return in a line what was fitted on what."""

    def errors(self, model: Any, data: Any) -> np.ndarray:
        """Return a model's error on each unit of the holdout, shape (n,); NaN: cannot be scored."""

    def mismatch(self, model: Any, plan: FoldPlan | None = None) -> str | None:
        """Return why a model cannot serve the pipeline (or be judged by a plan) any more, or None."""

    def holdout_hash(self, data: Any) -> str:
        """Return the name of the holdout by its content, as the plan froze it."""

    def groups(self, data: Any) -> np.ndarray:
        """Return the number of the group of each unit of the holdout, int64, shape (n,): errors in one depend."""

    def seen(self, model: Any, data: Any) -> str | None:
        """Return what of the holdout a model was trained on, so that it cannot be compared by it, or None."""

    def outranks(self, champion: Any, plan: FoldPlan) -> str | None:
        """Return why a champion stays that a plan cannot judge, or None."""

    def predictions(
        self,
        champions: Mapping[str, Champion],
        ref: FeatureSetRef,
        checked: CheckedInput,
        horizon: int | None,
        features: FeatureStore,
        store: ObjectStore,
    ) -> "Iterator[Predicted]":
        """Predict chunk by chunk; what of the input has no features comes last, where the kind tells of it."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """One chunk of predictions: all columns of the output but the prediction's id, and what is counted of them."""

    columns: dict[str, Any]
    entities: int
    figures: Mapping[str, int] = field(default_factory=dict)


def input_kind(pipeline: AnyPipeline) -> InputKind:
    """Return what is special to the input of a pipeline."""
    if isinstance(pipeline, Pipeline):
        from xflow.steps.kinds.series_input import SeriesInput

        return SeriesInput(pipeline)
    from xflow.steps.kinds.vacancy_input import VacancyInput

    return VacancyInput(pipeline)


def model_kind(pipeline: AnyPipeline) -> ModelKind:
    """Return what is special to the models of a pipeline."""
    if isinstance(pipeline, Pipeline):
        from xflow.steps.kinds.series_models import SeriesModels

        return SeriesModels(pipeline)
    from xflow.steps.kinds.cohort_models import CohortModels

    return CohortModels(pipeline)

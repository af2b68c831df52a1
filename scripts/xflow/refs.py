"""Small typed references that steps hand to one another (never frames).

Every reference is a frozen pydantic model: `model_dump(mode="json")` travels through XCom,
`model_validate` brings it back.
"""

import hashlib
import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue


class Ref(BaseModel):
    """Base of all references: frozen, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RunKey(Ref):
    """What identifies a run everywhere it leaves a trace.

    Attributes
    ----------
    pipeline, kind, run_id
        For example ``tourism_monthly``, ``train`` and Airflow's run id.
    """

    pipeline: str
    kind: Literal["train", "predict", "collect", "monitor", "rollback", "reproduce", "deploy"]
    run_id: str

    @property
    def slug(self) -> str:
        """The run id as a name that is safe in paths, unique among all run ids."""
        safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", self.run_id)[:80]
        if safe == self.run_id and safe.strip("."):
            return safe
        return f"{safe}-{hashlib.sha256(self.run_id.encode()).hexdigest()[:8]}"

    def __str__(self) -> str:
        """Return ``pipeline/kind/slug``, the form stored in every table."""
        return f"{self.pipeline}/{self.kind}/{self.slug}"

    @property
    def job(self) -> str:
        """What the run is one of: ``pipeline/kind``. Runs of one job replace one another in time."""
        return f"{self.pipeline}/{self.kind}"

    @property
    def work_prefix(self) -> str:
        """Prefix of the objects that steps of this run leave for later steps."""
        return f"runs/{self}/"


class ObjectRef(Ref):
    """One object on S3, pinned to the content that was read."""

    uri: str
    etag: str
    size: int
    sha256: str = ""
    rows: int = 0


class Listing(Ref):
    """What lies at a location: the objects that are data, sorted by URI, and the URIs of those left out."""

    objects: tuple[ObjectRef, ...]
    left_out: tuple[str, ...] = ()


class CheckedInput(Ref):
    """An input that passed the contract, with the verdict of every row.

    Attributes
    ----------
    objects
        The input's objects in reading order; a row's id is its position in their concatenation.
    verdict
        Object with one rule code a row (0: accepted).
    rows_in, rows_accepted, rows_rejected
        ``rows_in == rows_accepted + rows_rejected``.
    rejected_by_rule
        Rejected rows by rule name.
    accepted_without
        Accepted rows by the name of a rule that they break all the same: that part of them gives no label.
    entities
        Number of series, or of vacancies, with at least one accepted row.
    as_of
        ISO timestamp up to which values may be used (inclusive).
    asked_as_of
        The as_of that the run was asked for; empty for the newest of the input.
    notes
        What people should be told of the input: what was left out, and what stands out.
    """

    objects: tuple[ObjectRef, ...]
    verdict: ObjectRef
    rows_in: int
    rows_accepted: int
    rows_rejected: int
    rejected_by_rule: dict[str, int] = {}
    accepted_without: dict[str, int] = {}
    entities: int
    as_of: str
    asked_as_of: str = ""
    notes: tuple[str, ...] = ()


class TableLoad(Ref):
    """Rows that a run wrote to one table."""

    table: str
    rows: int


class FeatureSetRef(Ref):
    """A feature set that was marked ready in Tarantool, of so many series, or vacancies."""

    id: str
    entities: int
    rows: int
    checksum: str


class FoldPlan(Ref):
    """How a feature set is split into a holdout and the folds before it.

    Attributes
    ----------
    target
        What is learned; ``""`` when the pipeline has one target alone.
    scored
        Number of series, or of vacancies, that the folds score.
    horizon, min_train
        Of series: the steps of the holdout and of each fold, and the values before a fold's origin.
    boundaries, measure
        Of cohorts: where the second and further ones begin, and what their quantity is.
    """

    feature_set: FeatureSetRef
    target: str = ""
    folds: int
    trials: int
    holdout_hash: str
    scored: int
    horizon: int = 0
    min_train: int = 0
    boundaries: tuple[float, ...] = ()
    measure: str = ""


class CandidateScore(Ref):
    """One tuned candidate and its backtest.

    `score` is the mean of the pipeline's metric over folds and series, `fold_metrics` has every
    metric by fold, `oof` holds the out-of-fold forecasts, `tried` counts the parameter sets, `fell_back` the
    forecasts, of a fold and a series, that are simple ones since the candidate failed on the series.
    `reused_from` names the run that computed it in so many seconds, when an earlier one did.
    """

    name: str
    kind: str
    params: dict[str, JsonValue]
    score: float
    fold_metrics: tuple[dict[str, float], ...]
    tried: int
    oof: ObjectRef
    seconds: float
    reused_from: str = ""
    fell_back: int = 0


class Selection(Ref):
    """The candidates that make up the model, with their weights, and the floor they had to beat."""

    members: tuple[CandidateScore, ...]
    weights: tuple[float, ...]
    metric: str
    score: float
    floor: CandidateScore
    scores: dict[str, float]


class FittedModel(Ref):
    """A model logged to MLflow, not yet registered; `weights` is each member's share of the forecast."""

    mlflow_run_id: str
    model_uri: str
    metrics: dict[str, float]
    weights: dict[str, float]


class ModelVersionRef(Ref):
    """A registered model version."""

    name: str
    version: str
    mlflow_run_id: str
    metrics: dict[str, float] = {}


class Verdict(Ref):
    """What the judgement of a new version decided; nothing serves by it yet.

    Attributes
    ----------
    champion
        The version that serves, ``""`` when there is none.
    outcome
        ``promoted``: it won; ``kept``: it did not; ``refused``: it could not be compared.
    metric, unit, figures
        What was compared, on units such as ``series``, and every figure.
    champion_damage
        Why the version that serves could not be loaded; ``""`` when it could.
    """

    version: ModelVersionRef
    target: str = ""
    champion: str
    outcome: Literal["promoted", "kept", "refused"]
    reason: str
    metric: str
    unit: str
    figures: dict[str, float] = {}
    holdout_hash: str
    feature_set: str
    champion_damage: str = ""

    @property
    def promote(self) -> bool:
        """Whether the version won."""
        return self.outcome == "promoted"


class Approval(Ref):
    """What a person said about a version that won; `by` is ``""`` when nobody answered in time."""

    approved: bool
    by: str = ""
    note: str = ""


class Promotion(Ref):
    """What was decided about a new model version, and why; `metrics` are the version's own figures."""

    name: str
    version: str
    target: str = ""
    champion: str
    promoted: bool
    reason: str
    figures: dict[str, float] = {}
    metrics: dict[str, float] = {}


class DriftVerdict(Ref):
    """What the drift gate found.

    Attributes
    ----------
    verdict
        ``ok``, ``warn`` or ``stop``; ``""`` when nothing was checked.
    reason
        What drifted; ``""`` when nothing did.
    reports
        URIs of the reports, one a champion.
    figures
        By champion: the share of columns that drifted, the smallest p-value, the largest share that moved.
    models
        The champions that were looked at, by target: they predict, whatever serves a moment later.
    """

    verdict: str
    reason: str = ""
    reports: tuple[str, ...] = ()
    mlflow_run_id: str = ""
    figures: dict[str, float] = {}
    models: dict[str, ModelVersionRef] = {}


class PredictionRef(Ref):
    """Prediction parquet under a prefix whose manifest was written last; one model a target.

    `figures` says of series how many fell back to a simple forecast and how many have none.
    """

    prefix: str
    manifest: ObjectRef
    rows: int
    entities: int
    models: tuple[ModelVersionRef, ...]
    figures: dict[str, int] = {}


class SnapshotRef(Ref):
    """Raw responses of one collection, under a prefix whose manifest was written last.

    Attributes
    ----------
    snapshot_id
        The slug of the run that collected it.
    taken_at
        ISO timestamp in UTC, without a zone.
    scope
        Hash of the queries and of the window: snapshots of one scope may be compared.
    complete
        Every slice of the search was fetched whole: what is absent was not listed.
    vacancies
        Distinct vacancies listed.
    source
        ``hh.ru``, or ``generated`` for a sample.
    """

    prefix: str
    snapshot_id: str
    taken_at: str
    scope: str
    complete: bool
    vacancies: int
    source: str
    manifest: ObjectRef


class HistoryUpdate(Ref):
    """Snapshots that were merged into the history, and the newest one that it knows now; None: there is none."""

    ingested: tuple[str, ...]
    newest: SnapshotRef | None


class Delivery(Ref):
    """What was delivered to train and predict from the history as it was known at `as_of`.

    Attributes
    ----------
    train
        Every vacancy.
    predict
        Those open that are new or have changed since the delivery before; None when there are none.
    salary_modes
        Vacancies of `train` by what is paid for, where a salary is stated that is not by the month.
    """

    as_of: str
    since: str
    train: ObjectRef
    predict: ObjectRef | None
    salary_modes: dict[str, int] = {}


class MarketDelivery(Ref):
    """What of the market was loaded and delivered.

    Attributes
    ----------
    days
        Days on which the market was seen.
    wanted
        Days that the forecasting pipeline wants before it can start.
    loaded
        Days that were loaded into the mart now.
    series
        Series delivered.
    objects
        The train and the predict object; none while there are too few days.
    """

    days: int
    wanted: int
    loaded: int
    series: int
    objects: tuple[ObjectRef, ...]

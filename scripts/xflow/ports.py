"""The narrow ports through which steps reach the outside world.

Adapters map every driver error to `xflow.errors` at this boundary. `xflow.adapters.memory` holds a
fake of each port; one contract suite runs over the fakes and the real services.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from xflow.environments import Environment
from xflow.refs import FeatureSetRef, Listing, ModelVersionRef, ObjectRef, RunKey, TableLoad

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from xflow.domain.forecaster import Forecaster
    from xflow.domain.vacancies.model import CohortModel
    from xflow.domain.vacancies.records import RecordBlock
    from xflow.schema import PipelineTables

    type AnyModel = Forecaster | CohortModel


class ObjectStore(Protocol):
    """Objects on S3. A `location` is an ``s3://bucket/key`` URI or a key in the default bucket.

    `xflow.domain.object_names` says what else may be written, and which objects below a prefix are data.
    """

    def uri(self, location: str) -> str:
        """Return the full ``s3://`` URI of a location."""

    def list(self, location: str) -> list[ObjectRef]:
        """Return the objects of `listing`."""

    def listing(self, location: str) -> Listing:
        """Return what lies at a location: one object, or all that are data below a prefix ending in ``/``.

        Raises `InputMissing` when there are none.
        """

    def manifests(self, prefix: str) -> "Sequence[ObjectRef]":
        """Return the manifests below a prefix ending in ``/``, sorted by URI; none is no error."""

    def download(self, ref: ObjectRef, target: Path) -> ObjectRef:
        """Stream an object to a file; return its reference with `sha256` and `size` filled.

        Raises `InputChanged` when the object's etag is no longer that of `ref`, or its sha256
        differs from a given one, and `InputMissing` when it is gone.
        """

    def get(self, ref: ObjectRef) -> bytes:
        """Return a small object's bytes, checked like `download`."""

    def put(self, location: str, data: bytes | Path) -> ObjectRef:
        """Write an object from bytes or from a file; it appears whole or not at all."""

    def delete(self, prefix: str) -> None:
        """Delete every object below a prefix; its manifest, when there is one, goes first."""


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows for one table as a stream of Arrow batches, all of one schema.

    `table` is a name inside the schema ``mart``: ``<pipeline>_input``, ``<pipeline>_prediction`` or
    ``rejected_row``.
    """

    table: str
    schema: "pa.Schema"
    batches: "Iterable[pa.RecordBatch]"


class Mart(Protocol):
    """Mart tables and the run ledger in Greenplum."""

    def prepare(self, pipeline: str, tables: "PipelineTables") -> None:
        """Create schema, tables and the lineage view when they are absent, and columns that an older ledger lacks.

        Raises `ConfigInvalid` when a table exists with other columns.
        """

    def start_run(self, key: RunKey, facts: Mapping[str, Any]) -> None:
        """Write or reset the ledger row of a run: state ``running``, no figures but `facts`."""

    def load(self, key: RunKey, tables: Sequence[TableRows], facts: Mapping[str, Any]) -> list[TableLoad]:
        """Replace this run's rows in `tables` and update its ledger row, in one transaction.

        Streams the batches through COPY; on any error nothing of it is kept.
        """

    def note_run(self, key: RunKey, facts: Mapping[str, Any]) -> None:
        """Update columns of the ledger row (`state`, `message`, `rows_out`, `metrics`, ...)."""

    def run(self, key: RunKey) -> dict[str, Any] | None:
        """Return the ledger row, or None."""

    def count(self, key: RunKey, table: str) -> int:
        """Return how many rows of a table carry this run's key."""


@dataclass(frozen=True, slots=True)
class SeriesBlock:
    """One series as it lies in the feature store.

    Attributes
    ----------
    series_id
        Name of the series.
    start
        Period ordinal of the first value.
    values
        float64, shape (n,): finite, without gaps.
    exogenous
        float64, shape (n + known future steps, k).
    origin_row_id
        Row id of the last input row behind `values`.
    gap
        Steps of the gap before the first value that earlier values were left out for; 0 where none were.
    """

    series_id: str
    start: int
    values: "np.ndarray"
    exogenous: "np.ndarray"
    origin_row_id: int
    gap: int = 0


type Block = SeriesBlock | RecordBlock
"""What a feature set is made of; all blocks of a set are of one layout."""


class FeatureStore(Protocol):
    """Feature sets in Tarantool: invisible until marked ready with their count and checksum."""

    def write(self, key: RunKey, facts: Mapping[str, str], blocks: Iterable[Block]) -> FeatureSetRef:
        """Write a feature set under the run's key and mark it ready; an earlier one of that key is replaced.

        `facts` (frequency, names of columns, ...) are kept beside it. Those whose names begin with ``_`` say where the
        set comes from and are no part of the content that its checksum is of. Their ``layout`` says what the
        blocks are: ``series``, which is the default, or ``records``.
        """

    def read(self, ref: FeatureSetRef) -> tuple[dict[str, str], Iterator[Any]]:
        """Return the facts and the blocks of the facts' layout, sorted by the id of their series or entity.

        Raises `FeatureSetMissing` when the set is absent or not ready, and, at the end of the
        stream, when count or checksum differ from `ref`.
        """

    def ready(self, set_id: str) -> FeatureSetRef | None:
        """Return what a set was marked ready with, or None when it is absent or not ready."""

    def renew(self, job: str, facts: Mapping[str, str], prefer: str = "") -> FeatureSetRef | None:
        """Return the newest ready set of a job that has these facts among its own, or None.

        Of several the one of the id `prefer`, when it is among them.

        It counts as written now, so that a purge does not take it from under who found it.
        """

    def publish(self, ref: FeatureSetRef, as_of: str) -> bool:
        """Mark a ready set as one whose run has published what it made; return whether it is still there.

        `as_of` is the ISO time up to which it knows values. The mark is of the content: it goes when the set is purged
        or replaced by another one. Marking a set again changes nothing.
        """

    def retract(self, set_id: str) -> None:
        """Take the mark of a set away, when there is such a set and it is marked: its run begins again, or failed."""

    def published(self, job: str) -> tuple[FeatureSetRef, dict[str, str]] | None:
        """Return the published set of a job (`RunKey.job`) that knows the newest values with its facts, or None.

        Of several of one `as_of` the one that was published last.
        """

    def pick(self, ref: FeatureSetRef, ids: Iterable[str]) -> dict[str, Any]:
        """Return those blocks of a ready set that have one of these ids, by id, without reading the others.

        Of a part there is no checksum: the set's is compared before, and it must be there still after. Raises
        `FeatureSetMissing` when the set is absent, not ready or of other content.
        """

    def purge(self, job: str, keep: int) -> int:
        """Delete all but the `keep` newest ready sets of a job (`RunKey.job`), and older unfinished ones.

        The two published sets that know the newest values stay, however old they are: the one that answers online, and
        the one that does while that one is made again.
        """


class ModelRegistry(Protocol):
    """Experiments, models and aliases in MLflow; `environment` says by which aliases versions serve."""

    environment: Environment

    def open_run(self, key: RunKey, params: Mapping[str, Any], tags: Mapping[str, str], target: str = "") -> str:
        """Return the id of the MLflow run that belongs to a run key, made when absent.

        When a parameter differs from what the run was opened with, the key gets a new run: the model of the
        old one is of other data or of another configuration. A run key has one run a `target`.
        """

    def log_candidate(
        self,
        run_id: str,
        name: str,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        fold_metrics: Sequence[Mapping[str, float]],
    ) -> None:
        """Log one candidate as a child run; repeating it replaces the child."""

    def log_model(
        self,
        run_id: str,
        model: "AnyModel",
        example: Any,
        metrics: Mapping[str, float],
        figures: Mapping[str, Any],
        documents: Mapping[str, Any],
        files: Mapping[str, bytes],
    ) -> str:
        """Log a fitted model with signature, example, pictures, JSON documents and other files; return its URI."""

    def log_files(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Write files by their path to a run's artifacts, over those that have the name."""

    def log_figure(self, run_id: str, name: str, figure: Any) -> None:
        """Write a picture to a run's artifacts, as ``figures/<name>.png``."""

    def log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Write figures to a run, and end it."""

    def artifact(self, run_id: str, path: str) -> bytes:
        """Return one file of a run's artifacts; raises `ModelMissing` when there is none of that path."""

    def facts(self, run_id: str) -> dict[str, dict[str, Any]]:
        """Return a run's ``params``, ``metrics`` and ``tags``."""

    def register(
        self, name: str, run_id: str, model_uri: str, tags: Mapping[str, str], description: str
    ) -> ModelVersionRef:
        """Register a logged model once; a version that already belongs to the run is returned."""

    def champion(self, name: str) -> ModelVersionRef | None:
        """Return the version that serves in this environment, or None."""

    def version(self, name: str, which: str) -> ModelVersionRef:
        """Return a version by its number, ``7``, or by an alias, ``@previous``.

        Raises `ModelMissing` when there is none.
        """

    def tags(self, version: ModelVersionRef) -> dict[str, str]:
        """Return the tags of a version."""

    def load(self, version: ModelVersionRef) -> "AnyModel":
        """Return the fitted model of a version."""

    def promote(self, version: ModelVersionRef, previous: ModelVersionRef | None) -> None:
        """Let a version serve in this environment, and keep the one that did as the previous one."""

    def stage(self, version: ModelVersionRef) -> None:
        """Move ``staging`` to a version: in production, every version passes it before it serves."""

    def challenge(self, version: ModelVersionRef, reason: str, figures: Mapping[str, float]) -> None:
        """Mark a version as the challenger and write down what was decided about it."""

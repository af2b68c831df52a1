"""A run under audit: its ledger row, what that row points to, and the stores to look into."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from xflow.audit_ports import Lineage
from xflow.errors import ConfigInvalid, InputChanged, InputMissing, ModelMissing
from xflow.pipeline import AnyPipeline
from xflow.ports import FeatureStore, ModelRegistry, ObjectStore
from xflow.refs import ModelVersionRef, ObjectRef, RunKey
from xflow.steps.kinds import InputKind, input_kind

if TYPE_CHECKING:
    import pyarrow as pa

IN_PROGRESS = "running"
DONE = "success"
ENDED = {DONE, "partly"}
"""States of a run that ended, ``partly``: of a training of which one target failed."""
MANIFEST_FIELDS = {"run_key", "as_of", "rows", "models", "feature_set", "inputs", "parts", "git_commit"}


class ReplacedObject(Exception):
    """An object that a run read or wrote is gone, or holds other content now."""


@dataclass(frozen=True)
class Audited:
    """One run and the stores that hold its traces.

    Attributes
    ----------
    run
        The run's row of the ledger.
    """

    key: RunKey
    pipeline: AnyPipeline
    run: Mapping[str, Any]
    store: ObjectStore
    lineage: Lineage
    features: FeatureStore
    registry: ModelRegistry

    @cached_property
    def kind(self) -> InputKind:
        """What is special to the pipeline's input."""
        return input_kind(self.pipeline)

    @cached_property
    def objects(self) -> tuple[ObjectRef, ...]:
        """The input's objects as the run read them."""
        return tuple(ObjectRef.model_validate(each) for each in json.loads(self.run.get("input_objects") or "[]"))

    @cached_property
    def models(self) -> list[tuple[str, str]]:
        """Name and version of the models that the ledger names."""
        names, versions = (str(self.run.get(column) or "") for column in ("model_name", "model_version"))
        return [*zip(names.split(", "), versions.split(", "), strict=True)] if names else []

    @cached_property
    def manifest(self) -> dict[str, Any] | None:
        """The manifest of the run's predictions, or None when it is gone or no manifest any more."""
        prefix = str(self.run.get("output_uri") or "")
        found = self.store.manifests(prefix) if prefix else []
        try:
            document = json.loads(self.store.get(found[0])) if found else None
        except ValueError:
            return None
        return document if isinstance(document, dict) and document.keys() >= MANIFEST_FIELDS else None

    @cached_property
    def versions(self) -> dict[tuple[str, str], ModelVersionRef]:
        """The registry's versions of `models`, as far as it has them."""
        return {each: found for each in self.models if (found := version_of(self.registry, *each)) is not None}

    @property
    def table(self) -> str:
        """The table of the run's predictions."""
        return f"{self.key.pipeline}_prediction"

    @property
    def schema(self) -> "pa.Schema":
        """The columns of the run's predictions."""
        return self.kind.tables.prediction


def version_of(registry: ModelRegistry, name: str, version: str) -> ModelVersionRef | None:
    """Return a model version, or None when the registry has none."""
    try:
        return registry.version(name, version)
    except ModelMissing:
        return None


def key_of(row: Mapping[str, Any]) -> RunKey:
    """Return the key of a ledger row."""
    return RunKey(pipeline=row["pipeline"], kind=row["kind"], run_id=row["run_id"])


def mark_of(run_key: str) -> str:
    """Return what the ids of a run's predictions begin with."""
    return sha256(run_key.encode()).hexdigest()[:12]


def find_run(lineage: Lineage, wanted: str, pipeline: str = "", kind: str = "") -> Mapping[str, Any]:
    """Return the ledger row of a run.

    Parameters
    ----------
    wanted
        A run's key ``pipeline/kind/slug``; ``pipeline/kind/latest`` or ``pipeline/kind``, the newest of them that has
        ended; or a run's id, which `pipeline` and `kind` narrow down.

    Raises
    ------
    ConfigInvalid
        There is no such run, or several have the id.
    """
    narrow = {name: value for name, value in (("pipeline", pipeline), ("kind", kind)) if value}
    parts = wanted.split("/")
    if len(parts) == 2 or (len(parts) == 3 and parts[2] == "latest"):
        newest = lineage.find(pipeline=parts[0], kind=parts[1])
        if newest:
            return next((row for row in newest if row["state"] != "running"), newest[0])
        raise ConfigInvalid(f"{parts[0]}/{parts[1]}: the ledger knows no run of it. Run it first, or correct the name.")
    found = lineage.find(run_key=wanted) or lineage.find(run_id=wanted, **narrow)
    if len(found) > 1:
        keys = ", ".join(str(row["run_key"]) for row in found[:5])
        raise ConfigInvalid(
            f"{len(found)} runs have the id {wanted}: name one of {keys}, or give --pipeline and --kind"
        )
    if not found:
        recent = ", ".join(str(row["run_key"]) for row in lineage.find(**narrow)[:5])
        raise ConfigInvalid(
            f"the ledger knows no run {wanted}. " + (f"The newest are: {recent}" if recent else "It is empty.")
        )
    return found[0]


def find_prediction(lineage: Lineage, prediction_id: str) -> Mapping[str, Any]:
    """Return the ledger row of the run that a prediction is of, by the mark of its id.

    Raises
    ------
    ConfigInvalid
        No run of the ledger has that mark.
    """
    mark = prediction_id.partition("-")[0]
    for run_key, _ in lineage.runs("predict"):
        if mark_of(run_key) == mark:
            return lineage.find(run_key=run_key)[0]
    raise ConfigInvalid(
        f"prediction {prediction_id}: no run of the ledger gives ids that begin with {mark}. An id looks like "
        "0123456789ab-17: take one from the column prediction_id of mart.<pipeline>_prediction."
    )


def current(store: ObjectStore, ref: ObjectRef) -> ObjectRef:
    """Return an object as it lies there now, pinned to the content that a run read.

    Raises
    ------
    ReplacedObject
        It is gone, or of another size.
    """
    try:
        (found,) = store.list(ref.uri)
    except InputMissing:
        raise ReplacedObject(f"{ref.uri} is gone") from None
    if found.size != ref.size:
        raise ReplacedObject(f"{ref.uri} has {found.size} bytes, the run read {ref.size}")
    return found.model_copy(update={"sha256": ref.sha256, "rows": ref.rows})


def changed(ref: ObjectRef, error: InputChanged) -> ReplacedObject:
    """Return the error of an object of the right size but of other bytes."""
    return ReplacedObject(f"{ref.uri} holds other content than sha256 {ref.sha256[:12]} that the run read ({error})")

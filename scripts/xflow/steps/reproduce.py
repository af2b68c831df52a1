"""Train a registered model again from its manifest, and say whether the same comes out."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xflow.domain.reproduction import TOLERANCE, Difference, compare_documents, compare_tables
from xflow.errors import InputMissing, ModelMissing, NotReproducible
from xflow.origin import Origin
from xflow.ports import FeatureStore, Mart, ModelRegistry, ObjectStore
from xflow.refs import FoldPlan, ModelVersionRef, ObjectRef, Ref, RunKey
from xflow.steps.champions import loaded
from xflow.steps.check_contract import check_contract
from xflow.steps.fit import fit
from xflow.steps.kinds import model_kind
from xflow.steps.kinds.holdout import table_hash
from xflow.steps.manifest import HOLDOUT, MANIFEST, Manifest, read_manifest
from xflow.steps.plan import plan
from xflow.steps.select import select
from xflow.steps.tune import tune
from xflow.steps.write_features import write_features

OF_A_SCORE = {"oof", "seconds", "reused_from"}
OF_THE_RUN: dict[str, Any] = {
    "checked": {"objects": True, "verdict": {"uri", "etag"}, "asked_as_of": True},
    "plan": {"feature_set": {"id"}},
    "selection": {"members": {"__all__": OF_A_SCORE}, "floor": OF_A_SCORE},
}
"""What of a manifest belongs to one run: its places and durations."""
RESULTS = {"checked", "plan", "selection", "metrics", "holdout_rows"}
REGISTERED = "registered model on the holdout"
REPEATED = "predictions for the holdout"


class Reproduction(Ref):
    """What came of a repeated training.

    Attributes
    ----------
    surroundings
        What differs of code, packages and machine.
    differences
        What differs of the results: figures, selection, predictions.
    figures
        Every figure of the model, then and now.
    """

    model: str
    version: str
    surroundings: tuple[Difference, ...]
    differences: tuple[Difference, ...]
    figures: dict[str, tuple[float, float]]

    @property
    def equal(self) -> bool:
        """Nothing differs by more than the tolerance, relatively."""
        return all(each.size <= TOLERANCE for each in self.differences)

    @property
    def exact(self) -> bool:
        """Everything is equal bit for bit."""
        return not self.differences


def manifest_of(version: ModelVersionRef, *, registry: ModelRegistry) -> Manifest:
    """Return the manifest of a registered version.

    Raises
    ------
    NotReproducible
        It has none, or a damaged one.
    """
    name = f"{version.name} version {version.version}"
    try:
        content = registry.artifact(version.mlflow_run_id, f"{MANIFEST}.json")
    except ModelMissing as error:
        raise NotReproducible(
            f"{name}: it has no manifest: it was trained before there were any, or its artifacts are gone. "
            "Train the model again, and reproduce the new version."
        ) from error
    return read_manifest(name, content)


def pinned_objects(manifest: Manifest, *, store: ObjectStore) -> list[ObjectRef]:
    """Return the input's objects as they lie on S3 now, of the content that the model learned from.

    Raises
    ------
    NotReproducible
        Some have gone or hold other content; the message names every one.
    """
    found, faults = [], []
    with tempfile.TemporaryDirectory(prefix="xflow-") as folder:
        local = Path(folder) / "object"
        for ref in manifest.checked.objects:
            try:
                now = store.download(store.list(ref.uri)[0], local)
            except InputMissing:
                faults.append(f"{ref.uri} has gone (it had sha256 {ref.sha256[:12]})")
                continue
            if now.sha256 != ref.sha256:
                faults.append(f"{ref.uri} has changed (sha256 {now.sha256[:12]}, it had {ref.sha256[:12]})")
            found.append(now.model_copy(update={"rows": ref.rows}))
    if faults:
        raise NotReproducible(
            f"{manifest.model}: {len(faults)} of {len(manifest.checked.objects)} input objects are not what the model "
            f"learned from: {'; '.join(faults)}. Bring them back from a backup or an earlier version of the bucket."
        )
    return found


def surroundings(manifest: Manifest, now: Origin) -> list[Difference]:
    """Return what differs of code, packages and machine between a training and this process."""
    # A commit may change documents alone, and a bundle is a name for the code: the code's hash says what matters.
    ignored = {"git_commit", "bundle"}
    then = manifest.origin.model_dump(exclude=ignored)
    return compare_documents(then, now.model_dump(exclude=ignored))


def retrain(
    key: RunKey,
    manifest: Manifest,
    objects: list[ObjectRef],
    origin: Origin,
    *,
    store: ObjectStore,
    feature_store: FeatureStore,
    mart: Mart,
    registry: ModelRegistry,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Manifest, pa.Table, FoldPlan]:
    """Train from a manifest with the steps of a training; return the new manifest, predictions and plan.

    Parameters
    ----------
    mart, registry
        Take what a training writes there: give ones that the real ones do not see.
    progress
        Called with the candidates done and in all.
    """
    pipeline, target = manifest.configuration, manifest.plan.target
    stores: dict[str, Any] = {"store": store, "feature_store": feature_store}
    asked = manifest.checked.asked_as_of or None
    checked = check_contract(key, pipeline, objects[0].uri, asked, store=store, mart=mart, objects=objects)
    features = write_features(key, pipeline, checked, store=store, features=feature_store)
    horizon, trials = manifest.plan.horizon or None, manifest.plan.trials
    planned = plan(pipeline, features, horizon, trials, target=target, feature_store=feature_store)
    scores = []
    names = [candidate.name for candidate in pipeline.candidates(target)]
    for number, name in enumerate(names):
        scores.append(tune(key, pipeline, planned, name, **stores))
        if progress:
            progress(number + 1, len(names))
    chosen = select(key, pipeline, planned, scores, {}, registry=registry, **stores)
    made = fit(key, pipeline, planned, chosen, {}, checked=checked, origin=origin, registry=registry, **stores)
    again = read_manifest(manifest.model, registry.artifact(made.mlflow_run_id, f"{MANIFEST}.json"))
    return again, _table(registry.artifact(made.mlflow_run_id, HOLDOUT)), planned


def compare(
    version: ModelVersionRef,
    then: Manifest,
    now: Manifest,
    predictions: pa.Table,
    planned: FoldPlan,
    *,
    feature_store: FeatureStore,
    registry: ModelRegistry,
) -> Reproduction:
    """Compare a repeated training with a version: figures, selection, predictions, and those of the version itself.

    Parameters
    ----------
    predictions
        Of the repeated training for the holdout.
    planned
        Its plan: the registered model predicts the holdout from its feature set.

    Raises
    ------
    NotReproducible
        The predictions that were kept with the model are gone or damaged.
    ModelDamaged
        The files of the version are gone, or cannot be loaded.
    """
    kept = _kept_predictions(version, then, registry)
    differences = compare_documents(_results(then), _results(now))
    differences += compare_tables(kept, predictions, REPEATED)
    kind = model_kind(then.configuration)
    data = kind.data(planned, feature_store)
    differences += compare_tables(kept, kind.holdout(loaded(then.configuration, version, registry), data), REGISTERED)
    names = [name for name in then.metrics if name in now.metrics]
    return Reproduction(
        model=version.name,
        version=version.version,
        surroundings=tuple(surroundings(then, now.origin)),
        differences=tuple(differences),
        figures={name: (then.metrics[name], now.metrics[name]) for name in names},
    )


def _kept_predictions(version: ModelVersionRef, manifest: Manifest, registry: ModelRegistry) -> pa.Table:
    where = f"{version.name} version {version.version}: its predictions for the holdout ({HOLDOUT})"
    try:
        table = _table(registry.artifact(version.mlflow_run_id, HOLDOUT))
    except (ModelMissing, pa.ArrowException, OSError) as error:
        raise NotReproducible(f"{where} are gone or damaged: {error}. Train the model again.") from error
    if table_hash(table) != manifest.holdout_sha256:
        raise NotReproducible(f"{where} are not those that its manifest names. Train the model again.")
    return table


def _results(manifest: Manifest) -> dict[str, Any]:
    return manifest.model_dump(mode="json", include=RESULTS, exclude=OF_THE_RUN)


def _table(content: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(content))

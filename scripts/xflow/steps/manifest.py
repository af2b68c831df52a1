"""What a model was made from and what came out, kept beside it so that it can be made again and compared."""

import hashlib
import json
from typing import Any

import pyarrow as pa
from pydantic import JsonValue, ValidationError

from xflow.errors import ConfigInvalid, NotReproducible
from xflow.origin import Origin
from xflow.pipeline import KINDS, AnyPipeline
from xflow.refs import CheckedInput, FoldPlan, Ref, RunKey, Selection
from xflow.steps.kinds.holdout import table_hash

LAYOUT = 1
MANIFEST = "manifest"
"""Name of the document; the artifact is ``manifest.json``."""
HOLDOUT = "holdout_predictions.parquet"
DIGEST = "digest"


class Manifest(Ref):
    """All that a training depended on, and its figures in full precision.

    Attributes
    ----------
    layout
        Of this document; another layout cannot be read.
    model
        Name of the registered model.
    run
        The training's run.
    checked
        Its input: objects with their hashes, counts of the contract, verdict and as_of.
    pipeline
        The pipeline's whole YAML, defaults and what the environment changes of it included.
    plan, selection
        Folds, holdout, trials and target; members with their parameters, weights and every candidate's score.
    metrics
        Figures of the backtest and of the holdout.
    holdout_sha256, holdout_rows
        Of the predictions for the holdout, kept as ``holdout_predictions.parquet``; the hash is of its content, see
        `xflow.steps.kinds.holdout.table_hash`.
    origin
        Code and machine.
    """

    layout: int = LAYOUT
    model: str
    run: RunKey
    checked: CheckedInput
    pipeline: dict[str, JsonValue]
    plan: FoldPlan
    selection: Selection
    metrics: dict[str, float]
    holdout_sha256: str
    holdout_rows: int
    origin: Origin

    @property
    def configuration(self) -> AnyPipeline:
        """The pipeline as it was trained, whatever its file says today.

        Raises
        ------
        NotReproducible
            This code does not know such a configuration.
        """
        kind = str(self.pipeline.get("kind", "forecasting"))
        try:
            return KINDS[kind].model_validate(self.pipeline)
        except (KeyError, ValidationError, ConfigInvalid) as error:
            raise NotReproducible(
                f"{self.model}: its configuration is of other code ({self.origin.git_commit}) and cannot be read by "
                f"this one: {error}. Check out that commit and reproduce it there."
            ) from error

    def document(self) -> dict[str, Any]:
        """Return the manifest as a JSON document that carries its own hash."""
        content = self.model_dump(mode="json")
        return {**content, DIGEST: _digest(content)}


def made_manifest(
    key: RunKey,
    pipeline: AnyPipeline,
    checked: CheckedInput,
    plan: FoldPlan,
    selection: Selection,
    metrics: dict[str, float],
    holdout: pa.Table,
    origin: Origin,
) -> Manifest:
    """Return the manifest of a training that is about to be logged."""
    return Manifest(
        model=pipeline.model_name(plan.target),
        run=key,
        checked=checked,
        pipeline=pipeline.model_dump(mode="json"),
        plan=plan,
        selection=selection,
        metrics=metrics,
        holdout_sha256=table_hash(holdout),
        holdout_rows=holdout.num_rows,
        origin=origin,
    )


def read_manifest(name: str, content: bytes) -> Manifest:
    """Return the manifest of a model from the bytes of its artifact.

    Raises
    ------
    NotReproducible
        It is damaged, or of another layout.
    """
    again = "Train the model again, and reproduce the new version."
    try:
        document = json.loads(content)
        digest = document.pop(DIGEST)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise NotReproducible(f"{name}: its manifest is damaged: {type(error).__name__}: {error}. {again}") from error
    if document.get("layout") != LAYOUT:
        raise NotReproducible(
            f"{name}: its manifest is of layout {document.get('layout')}, this code reads {LAYOUT}. {again}"
        )
    if digest != _digest(document):
        raise NotReproducible(f"{name}: its manifest is damaged: it does not match the hash that it carries. {again}")
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        raise NotReproducible(f"{name}: its manifest is damaged: {faults}. {again}") from error


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

"""The training as a model saw it, kept with the model: what later inputs and predictions are compared with."""

import io
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from xflow.errors import ModelMissing
from xflow.pipeline import AnyPipeline
from xflow.ports import FeatureStore, ModelRegistry
from xflow.refs import CheckedInput, FeatureSetRef
from xflow.steps.kinds.drift_kind import Reference, drift_kind

if TYPE_CHECKING:
    from xflow.ports import AnyModel

NAME = "reference.parquet"
FACTS = b"xflow"


def reference_file(
    pipeline: AnyPipeline,
    model: "AnyModel",
    features: FeatureSetRef,
    checked: CheckedInput | None,
    feature_store: FeatureStore,
) -> dict[str, bytes]:
    """Return the reference of a model that was fitted on a feature set, as a file by its name; none when off.

    What a row says of the prediction is what the model predicts of the training's input as it will of later ones: it
    has not learned from what it predicts.
    """
    if pipeline.drift.gate == "off":
        return {}
    kind = drift_kind(pipeline)
    made = kind.profile(kind.sample(features, checked, feature_store, pipeline.drift.sample), model)
    table = pa.Table.from_pandas(made.frame, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), FACTS: json.dumps(made.facts).encode()})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return {NAME: sink.getvalue()}


def read_reference(registry: ModelRegistry, run_id: str) -> Reference | None:
    """Return the reference of the model of a training run; None when it has none."""
    try:
        content = registry.artifact(run_id, NAME)
    except ModelMissing:
        return None
    table = pq.read_table(io.BytesIO(content))
    return Reference(table.to_pandas(), json.loads((table.schema.metadata or {}).get(FACTS, b"{}")))

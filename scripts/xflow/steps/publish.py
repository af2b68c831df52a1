"""Let what answers online use the features of a run, once its predictions are published."""

import json
import logging

from xflow.ports import FeatureStore, ObjectStore
from xflow.refs import FeatureSetRef, PredictionRef

log = logging.getLogger(__name__)


def publish(predictions: PredictionRef, *, store: ObjectStore, features: FeatureStore) -> bool:
    """Mark the feature set that the predictions' manifest names as published; return whether it is still there.

    This is the last thing that a prediction does: until then, and after a run that failed, was stopped or killed, the
    features of the published run before answer. A set that was purged meanwhile is told and fails nothing: the
    predictions themselves are in place.
    """
    manifest = json.loads(store.get(predictions.manifest))
    ref = FeatureSetRef.model_validate(manifest["feature_set"])
    kept = features.publish(ref, manifest["as_of"])
    if not kept:
        log.warning(
            "%s: feature set %s was purged or replaced before it could be published: what answers online goes on with "
            "the features before. Run the prediction again, with fewer side by side.",
            predictions.prefix,
            ref.id,
        )
    return kept

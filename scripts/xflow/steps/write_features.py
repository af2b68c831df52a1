"""Write the feature set of a run from the accepted rows of its input."""

import logging

from xflow.pipeline import AnyPipeline
from xflow.ports import FeatureStore, ObjectStore
from xflow.refs import CheckedInput, FeatureSetRef, RunKey
from xflow.steps.input_objects import downloaded, read_verdict
from xflow.steps.kinds import input_kind
from xflow.steps.reuse import FINGERPRINT, features_fingerprint, ready_features

log = logging.getLogger(__name__)


def write_features(
    key: RunKey,
    pipeline: AnyPipeline,
    checked: CheckedInput,
    *,
    store: ObjectStore,
    features: FeatureStore,
    code_hash: str = "",
    force: bool = False,
) -> FeatureSetRef:
    """Write what the accepted rows say up to `as_of`, one block a series or a vacancy.

    Parameters
    ----------
    code_hash
        Names the code that makes the features: a set that the same code made of the same input and configuration,
        and that is still whole, is returned instead. Empty: none is looked for.
    force
        Write in any case.

    Raises
    ------
    InputChanged
        An object was replaced since the contract was checked.
    """
    kind = input_kind(pipeline)
    facts = kind.facts(checked)
    if code_hash:
        mark = features_fingerprint(pipeline, checked, facts, code_hash)
        if not force and (ready := ready_features(features, key, mark)):
            return ready
        facts = {**facts, FINGERPRINT: mark}
    codes = read_verdict(store, checked)
    with downloaded(store, checked.objects, kind.columns) as local:
        written = features.write(key, facts, kind.blocks(local, codes, checked))
    if written.entities < checked.entities:
        late = checked.entities - written.entities
        log.warning("%s: %d of %d have no row up to %s and are left out", key, late, checked.entities, checked.as_of)
    return written

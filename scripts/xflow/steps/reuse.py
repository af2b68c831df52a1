"""What a training takes over from an earlier one of the same input, configuration and code.

Both are found by a fingerprint of all that they depend on, so that a hit gives what computing would give.
"""

import hashlib
import json
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError

from xflow.errors import FeatureSetMissing, InputChanged, InputMissing
from xflow.origin import Origin
from xflow.pipeline import AnyPipeline
from xflow.ports import FeatureStore, ObjectStore
from xflow.refs import CandidateScore, CheckedInput, FeatureSetRef, FoldPlan, ObjectRef, Ref, RunKey
from xflow.steps.kept_arrays import array_bytes, kept

log = logging.getLogger(__name__)

FINGERPRINT = "_fingerprint"
RECORD = "score.json"
PLACES = {"train", "predict", "take"}
"""Fields of a pipeline's input that say where it lies, not what it is."""
ELSEWHERE = {"candidates", "trials", "floor", "levels", "origin", "horizon", "folds", "min_train"}
"""Fields of a pipeline's model that a candidate's score does not depend on, or that the plan says."""


class ScoreRecord(Ref):
    """A candidate's score as it lies in the cache, and the run that computed it."""

    run: str
    score: CandidateScore


def features_fingerprint(pipeline: AnyPipeline, checked: CheckedInput, facts: Mapping[str, str], code_hash: str) -> str:
    """Return what names the content of a feature set before it is made."""
    return _hash(
        {
            "objects": [ref.sha256 for ref in checked.objects],
            "verdict": checked.verdict.sha256,
            "as_of": checked.as_of,
            "input": pipeline.input.model_dump(mode="json", exclude=PLACES),
            "contract": pipeline.contract.model_dump(mode="json"),
            "facts": dict(facts),
            "code": code_hash,
        }
    )


def ready_features(features: FeatureStore, key: RunKey, fingerprint: str) -> FeatureSetRef | None:
    """Return the ready set of a fingerprint that an earlier run of the key's job left whole, or None."""
    found = features.renew(key.job, {FINGERPRINT: fingerprint}, prefer=str(key))
    if found is None:
        return None
    try:
        deque(features.read(found)[1], maxlen=0)  # count and checksum are proved at the end of the stream
    except FeatureSetMissing as error:
        log.warning("%s: the feature set of run %s is not taken over: %s", key, found.id, error)
        return None
    if found.id != str(key):
        log.info("%s: input, configuration and code are unchanged: feature set reused from run %s", key, found.id)
    return found


def score_fingerprint(pipeline: AnyPipeline, plan: FoldPlan, candidate: Any, origin: Origin) -> str:
    """Return what names a candidate's score before it is computed.

    The machine is part of it, as another kind may give other figures.
    """
    return _hash(
        {
            "features": plan.feature_set.checksum,
            "plan": plan.model_dump(mode="json", exclude={"feature_set", "trials"}),
            "candidate": candidate.model_dump(mode="json", include={"name", "kind", "params", "search"}),
            "trials": plan.trials if candidate.search else 1,
            "model": pipeline.model.model_dump(mode="json", exclude=ELSEWHERE),
            "code": origin.code_hash,
            "machine": origin.machine,
        }
    )


class ScoreCache:
    """Scores below ``cache/<pipeline>/<fingerprint>/``; out-of-fold arrays are named by their content.

    The record is written last. Runs that compute the same at once write the same objects.
    """

    def __init__(self, store: ObjectStore, pipeline: str, fingerprint: str) -> None:
        self._store, self._prefix = store, f"cache/{pipeline}/{fingerprint}/"

    def find(self, key: RunKey) -> CandidateScore | None:
        """Return the score, or None when there is none or a part of it is gone or damaged."""
        try:
            (ref,) = self._store.list(f"{self._prefix}{RECORD}")
        except InputMissing:
            return None
        try:
            record = ScoreRecord.model_validate_json(self._store.get(ref))
            kept(self._store, record.score.oof)
        except (InputMissing, InputChanged, ValidationError, ValueError, EOFError) as error:
            log.warning("%s: the kept score %s is damaged and is computed again: %s", key, ref.uri, error)
            return None
        if record.run == str(key):
            return record.score
        log.info("%s: %s: score reused from run %s", key, record.score.name, record.run)
        return record.score.model_copy(update={"reused_from": record.run})

    def keep_array(self, array: np.ndarray) -> ObjectRef:
        """Keep an out-of-fold array under the name of its content; one that lies there whole is left as it is."""
        content = array_bytes(array)
        digest = hashlib.sha256(content).hexdigest()
        location = f"{self._prefix}{digest}.npy"
        try:
            there = self._store.list(location)[0].model_copy(update={"sha256": digest})
            self._store.get(there)
        except (InputMissing, InputChanged):
            return self._store.put(location, content)
        return there

    def keep(self, key: RunKey, score: CandidateScore) -> None:
        """Keep a score whose array is kept already."""
        record = ScoreRecord(run=str(key), score=score)
        self._store.put(f"{self._prefix}{RECORD}", record.model_dump_json().encode())


def reused_from(scores: list[CandidateScore]) -> dict[str, str]:
    """Return which run each score that was not computed now comes from, by candidate."""
    return {score.name: score.reused_from for score in scores if score.reused_from}


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

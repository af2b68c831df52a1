"""What the ledger and the registry know of the models that predicted, and of their trainings."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from xflow.domain.monitoring import Evidence
from xflow.errors import ModelMissing
from xflow.monitor_ports import RealisedMart, Training
from xflow.pipeline import AnyPipeline
from xflow.ports import ModelRegistry
from xflow.steps.audited import ENDED

ASKS = "asks_for_retraining"
"""In the ledger's metrics of a monitor run: 1 when it asked."""


LedgerRow = Mapping[str, Any]
"""A row of ``mart.run``."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A version's figures on its holdout, the parameters that it was logged with, and the run that trained it."""

    figures: Mapping[str, float]
    params: Mapping[str, str]
    run_key: str

    def holdout(self, metric: str) -> float:
        """Return a figure of the holdout, NaN when it is not known."""
        return self.figures.get(f"holdout_{metric}", math.nan)

    def floor(self, metric: str) -> float:
        """Return a figure of the floor, NaN when it is not known."""
        return self.figures.get(f"holdout_{metric}_floor", math.nan)


UNKNOWN = Reference({}, {}, "")


class References:
    """What the registry knows of the versions that predicted; each is asked for once."""

    def __init__(self, pipeline: AnyPipeline, registry: ModelRegistry) -> None:
        self._pipeline, self._registry = pipeline, registry
        self._known: dict[tuple[str, str], Reference] = {}

    def of(self, target: str, version: str) -> Reference:
        """Return the reference of a version; an empty one when the registry has lost it."""
        if (target, version) not in self._known:
            self._known[target, version] = self._read(target, version)
        return self._known[target, version]

    def _read(self, target: str, version: str) -> Reference:
        try:
            found = self._registry.version(self._pipeline.model_name(target), version)
            facts, tags = self._registry.facts(found.mlflow_run_id), self._registry.tags(found)
        except ModelMissing:
            return UNKNOWN
        return Reference(facts["metrics"], facts["params"], tags.get("run_key", ""))


def trainings_of(
    pipeline: AnyPipeline,
    trainings: Sequence[LedgerRow],
    predictions: Sequence[LedgerRow],
    references: References,
) -> dict[tuple[str, str], Training]:
    """Return the training of every version that predicted, by model name and version, as far as it is known.

    The ledger names the versions of a training that came to its end; of one that failed after it had registered a
    version, as when only one target's model beats its floor, the registry does.
    """
    known = {
        run["run_key"]: Training(run["run_key"], datetime.fromisoformat(run["as_of"]))
        for run in trainings
        if run["as_of"]
    }
    found = {pair: known[run["run_key"]] for run in trainings if run["run_key"] in known for pair in _models(run)}
    targets = {pipeline.model_name(target): target for target in pipeline.targets}
    for name, version in {pair for run in predictions for pair in _models(run)} - found.keys():
        key = references.of(targets[name], version).run_key if name in targets else ""
        if key in known:
            found[name, version] = known[key]
    return found


def _models(run: LedgerRow) -> list[tuple[str, str]]:
    names, versions = (str(run[column] or "").split(", ") for column in ("model_name", "model_version"))
    return [pair for pair in zip(names, versions, strict=False) if all(pair)]


def evidence_of(realised: RealisedMart, trainings: Sequence[LedgerRow], predictions: Sequence[LedgerRow]) -> Evidence:
    """Return what the ledger knows: the last training, the last request for one, and the last drift.

    What a request stood on is no news once a training has followed it, even one that knew no newer values. A training
    that failed is asked for again. An earlier attempt of the run that asks left no request: its ledger row began anew.

    Parameters
    ----------
    trainings, predictions
        Ledger rows, the newest first.
    """
    known = [run["as_of"] for run in trainings if run["state"] in ENDED and run["as_of"]][:1]
    drifts = [run["drift"] for run in predictions if run["drift"]]
    requests = [run for run in realised.ledger("monitor") if _asked(run["metrics"])]
    pending = False
    if requests:
        followed = {run["state"] for run in trainings if run["started_at"] > requests[0]["started_at"]}
        pending = not followed & {*ENDED, "failed"}
        if followed & ENDED:
            known.append(requests[0]["as_of"])
    times = [datetime.fromisoformat(each) for each in known]
    return Evidence(max(times, default=None), drifts[0] if drifts else "", pending)


def _asked(metrics: str | None) -> bool:
    return bool(json.loads(metrics or "{}").get(ASKS))

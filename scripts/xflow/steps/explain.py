"""Explain one prediction: the same model on the same features once more, and what each of them adds."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xflow.columns import NOTE, SERIES_ID, VACANCY_ID
from xflow.domain import explain as series
from xflow.domain.audit import Check, Link
from xflow.domain.vacancies import explain as cohorts
from xflow.domain.vacancies.records import to_frame
from xflow.errors import FeatureSetMissing, Unexplainable
from xflow.pipeline import Pipeline
from xflow.refs import FeatureSetRef, ObjectRef
from xflow.schema import bound_names
from xflow.steps.audited import DONE, Audited, ReplacedObject, version_of
from xflow.steps.chain import chain
from xflow.steps.champions import loaded
from xflow.steps.input_objects import LocalInput
from xflow.steps.kinds import model_kind
from xflow.steps.kinds.read_panel import panel_of
from xflow.steps.verify_input import checked_of, pinned, rejected_rows

NEARLY = 1e-5
"""Largest difference, relative for forecasts, that another machine's arithmetic explains."""


@dataclass(frozen=True)
class Explanation:
    """Why a prediction is what it is.

    Attributes
    ----------
    prediction
        Its row in the mart.
    links, checks
        As in `xflow.steps.chain.Chain`.
    features_from
        Where its features came from: the feature set, or the input's objects when that was purged.
    why
        `SeriesExplained` or `CohortExplained`.
    difference
        Largest difference between what the model predicts now and what the mart holds.
    """

    prediction: dict[str, Any]
    links: tuple[Link, ...]
    checks: tuple[Check, ...]
    features_from: str
    why: series.SeriesExplained | cohorts.CohortExplained
    difference: float

    @property
    def agrees(self) -> bool:
        """Whether the model still predicts what the mart holds."""
        return self.difference <= NEARLY

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        row = {
            name: value if isinstance(value, (int, float)) else str(value) for name, value in self.prediction.items()
        }
        return {
            "prediction": row,
            "agrees": self.agrees,
            "difference": self.difference,
            "sums_hold": self.why.sums_hold,
            "features_from": self.features_from,
            "why": asdict(self.why),
            "chain": [asdict(link) for link in self.links],
            "checks": [asdict(check) for check in self.checks],
        }


def explain(audited: Audited, prediction_id: str) -> Explanation:
    """Explain a prediction with the version that its row names and the features that it was made with.

    Raises
    ------
    Unexplainable
        The run has not ended well, or the model version, or the features and the input behind them, are gone.
    ModelDamaged
        The files of the model version are gone, or cannot be loaded.
    """
    if audited.run["state"] != DONE:
        raise Unexplainable(f"run {audited.key} is {audited.run['state']}: its predictions are not complete")
    found = chain(audited, prediction_id)
    if found is None:
        raise Unexplainable(f"run {audited.key} has no predictions in mart.{audited.table}")
    row = found.prediction
    if row.get("forecast", 0) is None:
        raise Unexplainable(f"prediction {row['prediction_id']} of {row[SERIES_ID]} is no forecast: {row[NOTE]}")
    version = version_of(audited.registry, row["model_name"], row["model_version"])
    if version is None:
        raise Unexplainable(
            f"prediction {row['prediction_id']}: {row['model_name']} version {row['model_version']} is gone from the "
            "registry. Predict again with today's champion: the new prediction can be explained."
        )
    model = loaded(audited.pipeline, version, audited.registry)
    entity = row[SERIES_ID if isinstance(audited.pipeline, Pipeline) else VACANCY_ID]
    facts, block, source = _features(audited, model, entity)
    why: series.SeriesExplained | cohorts.CohortExplained
    if isinstance(audited.pipeline, Pipeline):
        why, difference = _of_series(audited, model, facts, block, row)
    else:
        why, difference = _of_cohorts(model, to_frame(facts, [block]), row)
    return Explanation(row, found.links, found.checks, source, why, difference)


def _of_series(
    audited: Audited, model: Any, facts: dict[str, str], block: Any, row: dict[str, Any]
) -> tuple[series.SeriesExplained, float]:
    panel = panel_of(facts, [block])
    target = pd.Period(row["timestamp"], freq=panel.freq).ordinal
    step = int((target - panel.ends[0]) // panel.step)
    asked = int((audited.manifest or {}).get("horizon") or model.horizon)
    why = series.explain(model, panel, step, max(step - int(row["step"]) + asked, step))
    stored = np.array([row["forecast"], *(row[name] for name in bound_names(model.levels))])
    size = max(float(np.abs(stored).max()), why.scale, 1e-12)
    return why, float(np.abs(stored - [why.forecast, *why.bounds]).max()) / size


def _of_cohorts(model: Any, frame: pd.DataFrame, row: dict[str, Any]) -> tuple[cohorts.CohortExplained, float]:
    why = cohorts.explain(model, frame, row["cohort"])
    stored = json.loads(row["probabilities"])
    return why, max(abs(stored.get(name, 0.0) - made) for name, made in why.probabilities.items())


def _features(audited: Audited, model: Any, entity: str) -> tuple[dict[str, str], Any, str]:
    """Return the facts and the block of a series or vacancy, from the run's feature set or from its input."""
    name = str(audited.run["feature_set"])
    told = (audited.manifest or {}).get("feature_set")
    ref = FeatureSetRef.model_validate(told) if told else audited.features.ready(name)
    if ref is not None:
        try:
            facts, blocks = audited.features.read(ref)
            return facts, _block_of(blocks, entity), f"feature set {name}"
        except FeatureSetMissing:
            pass  # purged: made again from the input
    if wrong := model_kind(audited.pipeline).mismatch(model):
        raise Unexplainable(
            f"run {audited.key}: its feature set was purged, and the pipeline's file makes others now: the model "
            f"was {wrong}. Check out the file of then (git commit {audited.run['git_commit']}) and explain it there."
        )
    with tempfile.TemporaryDirectory(prefix="xflow-") as folder:
        facts, blocks = _again(audited, Path(folder))
        return facts, _block_of(blocks, entity), "the run's input objects, since the feature set was purged"


def _again(audited: Audited, folder: Path) -> tuple[dict[str, str], Iterator[Any]]:
    """Make the features of a run's input again, from objects proved to be the ones it read."""
    try:
        found = [pinned(audited, ref, folder / str(number)) for number, ref in enumerate(audited.objects)]
    except ReplacedObject as error:
        raise Unexplainable(
            f"run {audited.key}: its feature set was purged and cannot be made again: {error}. Bring the object back, "
            "or predict again: the new prediction can be explained."
        ) from error
    local = LocalInput(tuple(found), audited.kind.columns, folder)
    nowhere = ObjectRef(uri="", etag="", size=0)
    checked = checked_of(audited, nowhere, local.objects)
    codes = rejected_rows(audited).verdict(checked.rows_in)
    return audited.kind.facts(checked), audited.kind.blocks(local, codes, checked)


def _block_of(blocks: Iterable[Any], entity: str) -> Any:
    for block in blocks:
        if entity == getattr(block, "series_id", None) or entity == getattr(block, "entity_id", None):
            return block
    raise Unexplainable(f"{entity} is not among the features of the run: verify the run")

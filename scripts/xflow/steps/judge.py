"""Judge a new model version beside the champion on one holdout."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from xflow.domain import promotion
from xflow.domain.promotion_figure import comparison
from xflow.environments import PRODUCTION
from xflow.errors import FeatureSetMissing, ForecastNotFinite, ModelDamaged
from xflow.pipeline import AnyPipeline
from xflow.ports import FeatureStore, ModelRegistry
from xflow.promotion_ports import PromotionLedger, PromotionRecord
from xflow.refs import FoldPlan, ModelVersionRef, Verdict
from xflow.steps.kinds import Champion, ModelKind, model_kind

SERVES = "this version is the champion already"
WINS = "wins"
FIGURE = re.compile(r"^holdout_(?!hash$)")
"""Names of a version's tags that are figures of its judgement."""


def judge(
    pipeline: AnyPipeline,
    plan: FoldPlan,
    version: ModelVersionRef,
    *,
    feature_store: FeatureStore,
    registry: ModelRegistry,
    ledger: PromotionLedger,
) -> Verdict:
    """Score champion and challenger on the plan's holdout, and decide by `promotion.decide`.

    Both models are loaded as registered and predict the same holdout from the same history, each through its own
    preprocessing. The decision goes to the version's tags, and a picture of it to its run.

    A champion whose files are gone, or that cannot be loaded, does not fail the training that would replace it: the
    challenger is judged by the floor alone, and the decision says why.

    A champion that learned from the holdout is not compared: the challenger is refused. A champion that the pipeline's
    file has left behind, or that cannot predict this input, gives way: predictions would fail with it, and no
    training could ever replace it. So does one whose cohorts are other quantiles: errors of different cohorts cannot
    be compared. A version that is already the champion stays it: a repeated run changes nothing. A
    version that was rolled back comes back by hand alone.

    Raises
    ------
    FeatureSetMissing
        The holdout is not the one that was frozen.
    """
    champion, damage = registry.champion(version.name), ""
    if champion is not None and champion.version == version.version:
        decision = _decided_before(version, registry, ledger)
    elif stopped := rolled_back(ledger.decisions(version.name, registry.environment.name), version):
        decision = promotion.Decision("refused", stopped)
    else:
        rival, damage = _rival(champion, registry)
        decision = _decide(pipeline, plan, version, rival, damage, feature_store, registry)
    if decision.reason != SERVES:
        found = WINS if decision.promote else decision.outcome  # a person may still be asked
        registry.challenge(version, f"{found}: {decision.reason}", decision.figures)
        if decision.promote and registry.environment == PRODUCTION:
            registry.stage(version)
    return Verdict(
        version=version,
        target=plan.target,
        champion="" if champion is None else champion.version,
        outcome=decision.outcome,
        reason=decision.reason,
        metric=pipeline.model.metric,
        unit=model_kind(pipeline).unit,
        figures=decision.figures,
        holdout_hash=plan.holdout_hash,
        feature_set=plan.feature_set.id,
        champion_damage=damage,
    )


def _rival(champion: ModelVersionRef | None, registry: ModelRegistry) -> tuple[Champion | None, str]:
    """Return the champion with its model, None when there is none to load, and why it could not be loaded.

    A registry that does not answer says nothing about the champion: that error is the caller's, who tries again.
    """
    if champion is None:
        return None, ""
    try:
        return Champion(champion, registry.load(champion)), ""
    except ModelDamaged as error:
        return None, f"the champion, version {champion.version}, cannot be loaded ({str(error).rstrip('.')})"


def _decided_before(version: ModelVersionRef, registry: ModelRegistry, ledger: PromotionLedger) -> promotion.Decision:
    """Return what made the champion serve: by its tags, when its run ended before the ledger knew it."""
    known = ledger.decisions(version.name, registry.environment.name)
    tags = registry.tags(version)
    decided, _, reason = tags.get("decision", "").partition(": ")
    if decided != WINS or any(row.champion_after == version.version for row in known):
        return promotion.Decision("promoted", SERVES)
    return promotion.Decision(
        "promoted", reason, {name: float(value) for name, value in tags.items() if FIGURE.match(name)}
    )


def _decide(
    pipeline: AnyPipeline,
    plan: FoldPlan,
    version: ModelVersionRef,
    rival: Champion | None,
    damage: str,
    feature_store: FeatureStore,
    registry: ModelRegistry,
) -> promotion.Decision:
    kind, metric = model_kind(pipeline), pipeline.model.metric
    data = kind.data(plan, feature_store)
    if (found := kind.holdout_hash(data)) != plan.holdout_hash:
        raise FeatureSetMissing(
            f"{version.name}: the holdout hashes to {found}, {plan.holdout_hash} was frozen. Run the training again."
        )
    old, absent = None, f"not compared, {damage}" if damage else "first model"
    if rival is not None:
        found_of_rival = _compared(kind, rival, plan, data)
        if isinstance(found_of_rival, promotion.Decision):
            return found_of_rival
        old, absent = found_of_rival
    new = kind.errors(registry.load(version), data)
    floor = version.metrics.get(f"holdout_{metric}_floor")
    holdout = promotion.Holdout(metric, kind.unit, kind.groups(data), kind.fewest, floor, pipeline.model.seed)
    decision = promotion.decide(old, new, pipeline.promotion, holdout, absent)
    if damage:
        decision = _beside_damage(decision, damage)
    registry.log_figure(version.mlflow_run_id, "promotion", comparison(old, new, decision, holdout))
    return decision


def _compared(
    kind: ModelKind, rival: Champion, plan: FoldPlan, data: Any
) -> promotion.Decision | tuple[np.ndarray | None, str]:
    """Return the champion's errors, or None and why it has none; a decision when it stays without a comparison."""
    number, model = rival.version.version, rival.model
    try:
        if stays := kind.outranks(model, plan):
            return promotion.Decision("refused", stays)
        left_behind, cannot = kind.mismatch(model, plan), "serve any more"
        if left_behind is None and (seen := kind.seen(model, data)):
            return promotion.Decision("refused", f"{seen}: version {number} stays, and is not compared")
        if left_behind is None:
            return kind.errors(model, data), ""
        if kind.mismatch(model) is None:
            cannot = "be compared"
    except ForecastNotFinite as error:
        left_behind, cannot = str(error), "serve any more"
    except AttributeError as error:  # what a model lacks that an earlier release pickled
        left_behind, cannot = f"made by another version of xFlow: {error}", "serve any more"
    return None, f"replaces version {number}, which cannot {cannot} ({left_behind})"


def _beside_damage(decision: promotion.Decision, damage: str) -> promotion.Decision:
    """Return a decision by the floor alone that says why the champion was not compared."""
    reason = decision.reason if decision.promote else f"{decision.reason}; {damage}"
    return replace(decision, reason=reason, figures={**decision.figures, "holdout_champion_loaded": 0.0})


def rolled_back(decisions: Sequence[PromotionRecord], version: ModelVersionRef) -> str | None:
    """Return by whom and why a version was rolled back, or None when it was not, or serves again since."""
    stopped: str | None = None
    for row in decisions:
        if row.action == "rollback" and row.champion_before == version.version:
            stopped = (
                f"version {version.version} was rolled back by {row.decided_by} ({row.reason}): it may serve again by "
                "hand, with xflow promote"
            )
        elif row.outcome == "promoted" and row.champion_after == version.version:
            stopped = None
    return stopped

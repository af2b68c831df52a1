"""Register a fitted model; let it serve when it won the judgement; close the run."""

import json
import math
from collections.abc import Mapping
from typing import Any

from xflow.pipeline import AnyPipeline
from xflow.ports import Mart, ModelRegistry
from xflow.promotion_ports import PromotionLedger, PromotionRecord
from xflow.refs import Approval, FittedModel, FoldPlan, ModelVersionRef, Promotion, RunKey, Verdict
from xflow.steps.judge import rolled_back
from xflow.steps.kinds import model_kind

NOT_TRAINED = "not trained: "


def register(
    key: RunKey,
    pipeline: AnyPipeline,
    plan: FoldPlan,
    fitted: FittedModel,
    code: Mapping[str, str],
    *,
    registry: ModelRegistry,
) -> ModelVersionRef:
    """Register the fitted model as a new version that carries its origin in tags, `code` among them."""
    tags = {
        "run_key": str(key),
        "holdout_hash": plan.holdout_hash,
        "feature_set": plan.feature_set.id,
        **code,
    }
    name = pipeline.model_name(plan.target)
    version = registry.register(
        name, fitted.mlflow_run_id, fitted.model_uri, tags, _description(pipeline, plan, fitted)
    )
    return version.model_copy(update={"metrics": fitted.metrics})


def promote(
    key: RunKey,
    pipeline: AnyPipeline,
    verdict: Verdict,
    approval: Approval | None,
    code: Mapping[str, str],
    *,
    registry: ModelRegistry,
    ledger: PromotionLedger,
) -> Promotion:
    """Let the version serve when it won, and nobody who was asked said no; write the decision to the ledger.

    What was decided since the judgement stands: a version that won beside another champion than the one that serves
    by now, or that was rolled back, is refused. The alias moves first: a run that ends in between is repeated, and then
    finds the version serving.
    """
    champion = registry.champion(verdict.version.name)
    verdict = _as_of_now(pipeline, verdict, approval, champion, registry, ledger)
    version, won = verdict.version, verdict.promote
    rejected = won and approval is not None and not approval.approved
    promoted = won and not rejected
    if promoted:
        # A version that cannot be loaded is none to roll back to: the one before it stays the previous one.
        registry.promote(version, None if verdict.champion_damage else champion)
    reason = verdict.reason
    if won and approval is not None:
        said = f"{'approved' if approval.approved else 'rejected'} by {approval.by or 'nobody'}"
        reason = f"{said}{f' ({approval.note})' if approval.note else ''}: {reason}"
    before, after = verdict.champion, version.version if promoted else verdict.champion
    if rejected and champion is not None:  # a person may have let it serve by hand while nobody answered
        before = after = champion.version
    if not (promoted and before == after and _known(ledger, registry, version)):
        outcome = "rejected" if rejected else verdict.outcome
        person = approval.by if won and approval is not None else ""
        ledger.record(_record(key, pipeline, verdict, outcome, reason, (before, after), person, code, registry))
    return Promotion(
        name=version.name,
        version=version.version,
        target=verdict.target,
        champion=after or version.version,
        promoted=promoted,
        reason=reason,
        figures=verdict.figures,
        metrics=version.metrics,
    )


def close_run(key: RunKey, promotions: list[Promotion], *, mart: Mart, failed: Mapping[str, str] | None = None) -> None:
    """Write into the ledger what a training ended in: one model a target, its figures, and what was decided.

    Parameters
    ----------
    failed
        Targets whose training failed, and why: the run's state is ``partly``, and what the others ended in stands.
    """
    figures = {
        f"{each.target}_{name}".lstrip("_"): value
        for each in promotions
        for name, value in {**each.metrics, **each.figures}.items()
    }
    said = [f"{each.target}: {each.reason}".removeprefix(": ") for each in promotions]
    said += [f"{target}: {NOT_TRAINED}{why}" for target, why in (failed or {}).items()]
    facts = {
        "state": "partly" if failed else "success",
        "message": "; ".join(said),
        "model_name": ", ".join(each.name for each in promotions),
        "model_version": ", ".join(each.version for each in promotions),
        "metrics": figures,
    }
    mart.note_run(key, facts)


def _as_of_now(
    pipeline: AnyPipeline,
    verdict: Verdict,
    approval: Approval | None,
    champion: ModelVersionRef | None,
    registry: ModelRegistry,
    ledger: PromotionLedger,
) -> Verdict:
    """Return the verdict, refused when something came between the judgement and now."""
    serves = "" if champion is None else champion.version
    if not verdict.promote or serves == verdict.version.version:
        return verdict
    stopped = rolled_back(ledger.decisions(verdict.version.name, registry.environment.name), verdict.version)
    if serves != verdict.champion:
        stopped = (
            f"version {serves or 'none'} serves by now, and version {verdict.champion or 'none'} did when it was "
            "judged: run the training again"
        )
    elif pipeline.promotion.approval and approval is None:
        stopped = stopped or "nobody was asked, and the pipeline's file wants an approval"
    if stopped is None:
        return verdict
    return verdict.model_copy(update={"outcome": "refused", "reason": stopped, "champion": serves})


def _known(ledger: PromotionLedger, registry: ModelRegistry, version: ModelVersionRef) -> bool:
    """Tell whether the ledger knows that a version serves."""
    moved = [row for row in ledger.decisions(version.name, registry.environment.name) if row.outcome == "promoted"]
    return bool(moved) and moved[-1].champion_after == version.version


def _record(
    key: RunKey,
    pipeline: AnyPipeline,
    verdict: Verdict,
    outcome: Any,
    reason: str,
    champions: tuple[str, str],
    person: str,
    code: Mapping[str, str],
    registry: ModelRegistry,
) -> PromotionRecord:
    metric, found = f"holdout_{verdict.metric}", verdict.figures
    units = found.get(f"holdout_{verdict.unit}")
    return PromotionRecord(
        pipeline=pipeline.name,
        model_name=verdict.version.name,
        target=verdict.target,
        run_key=str(key),
        action="judge",
        outcome=outcome,
        version=verdict.version.version,
        champion_before=champions[0],
        champion_after=champions[1],
        environment=registry.environment.name,
        alias=registry.environment.champion,
        metric=verdict.metric,
        champion_score=found.get(f"{metric}_champion"),
        challenger_score=found.get(f"{metric}_challenger"),
        difference=found.get(f"{metric}_difference"),
        lower=found.get(f"{metric}_difference_lower"),
        upper=found.get(f"{metric}_difference_upper"),
        confidence=pipeline.promotion.confidence,
        units=None if units is None else int(units),
        policy=pipeline.promotion.model_dump_json(),
        figures=json.dumps(found, sort_keys=True),
        reason=reason,
        holdout_hash=verdict.holdout_hash,
        feature_set=verdict.feature_set,
        git_commit=code.get("git_commit", ""),
        decided_by=person or "policy",
    )


def _description(pipeline: AnyPipeline, plan: FoldPlan, fitted: FittedModel) -> str:
    """Return what a version is and how good, as Markdown for the registry's page."""
    model = pipeline.model
    figures = [
        f"- {part} {model.metric}: {fitted.metrics.get(f'{part}_{model.metric}', math.nan):.4f} "
        f"(floor {model.floor}: {fitted.metrics.get(f'{part}_{model.metric}_floor', math.nan):.4f})"
        for part in ("backtest", "holdout")
    ]
    return "\n".join([model_kind(pipeline).description(plan, fitted), "", *figures])

"""Let a person put a version into service: the one that served before, or a named one."""

import logging
from dataclasses import dataclass
from typing import Literal

from xflow.environments import PRODUCTION
from xflow.errors import ChampionMissing, ConfigInvalid, ModelIncompatible, ModelMissing
from xflow.pipeline import AnyPipeline
from xflow.ports import ModelRegistry
from xflow.promotion_ports import PromotionLedger, PromotionRecord
from xflow.refs import ModelVersionRef, Ref, RunKey
from xflow.steps.champions import loaded, mismatch

log = logging.getLogger(__name__)


class Swap(Ref):
    """A version that a person put into service, and the one that it replaces; `before` is ``""`` for the first."""

    name: str
    target: str
    before: str
    after: str
    reason: str

    @property
    def moved(self) -> bool:
        """Whether another version serves now."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asks for.

    Attributes
    ----------
    action
        ``rollback`` takes the version that serves out of service: no training promotes it again. ``promote`` does not.
    reason, by
        Why, and who.
    version
        Number of a version, as ``7``, or an alias, as ``@staging``; None: the version that served before.
    target
        Of a pipeline with several models the one that is meant; None: all of them.
    """

    action: Literal["promote", "rollback"]
    reason: str
    by: str
    version: str | None = None
    target: str | None = None


def put_into_service(
    key: RunKey,
    pipeline: AnyPipeline,
    order: Order,
    git_commit: str,
    *,
    registry: ModelRegistry,
    ledger: PromotionLedger,
) -> list[Swap]:
    """Let the version that an order names serve, and keep the one that it replaces as the previous one.

    All models are checked before anything is written. The decision is written before the alias moves: a run that
    ends in between and is repeated takes the version from there, and not from aliases that have moved by then.
    A version that serves already stays it, and nothing is written. A repeated run that others have overtaken since
    changes nothing.

    Returns
    -------
    list of Swap
        One a model.

    Raises
    ------
    ConfigInvalid
        No reason is given, the pipeline has no such target, or one number is meant for several models.
    ChampionMissing
        Nothing serves that could be rolled back.
    ModelMissing
        There is no such version, or no version served before.
    ModelIncompatible
        The version was trained for another configuration of the pipeline: predictions would fail with it.
    ModelDamaged
        The files of the version are gone, or cannot be loaded.
    """
    if not order.reason.strip():
        raise ConfigInvalid(f"{order.action} of {pipeline.name}: say why. The reason is kept with the decision.")
    meant = meant_targets(pipeline, order.version, order.target)
    found = [_swap(key, pipeline, target, order, registry, ledger) for target in meant]
    for swap in found:
        if not swap.moved:
            log.info("%s: version %s serves already", swap.name, swap.after)
            continue
        ledger.record(_record(key, pipeline, swap, order, git_commit, registry))
        version = registry.version(swap.name, swap.after)
        if order.action == "promote" and registry.environment == PRODUCTION:
            registry.stage(version)
        registry.promote(version, registry.version(swap.name, swap.before) if swap.before else None)
    return found


def meant_targets(pipeline: AnyPipeline, version: str | None, target: str | None) -> tuple[str, ...]:
    """Return the targets that somebody means who names a version, a target, both or none.

    Raises
    ------
    ConfigInvalid
        The pipeline has no such target, or one number is meant for several models.
    """
    named = ", ".join(pipeline.targets)
    if target is None:
        if version and not version.startswith("@") and len(pipeline.targets) > 1:
            raise ConfigInvalid(
                f"{pipeline.name} has a model for each of {named}, whose versions are numbered apart: "
                "name one of them as target"
            )
        return pipeline.targets
    if target not in pipeline.targets:
        raise ConfigInvalid(f"{pipeline.name} has no target {target!r}; it has {named or 'one model alone'}")
    return (target,)


def _swap(
    key: RunKey, pipeline: AnyPipeline, target: str, order: Order, registry: ModelRegistry, ledger: PromotionLedger
) -> Swap:
    """Return what an order means for one model, or what this run has written down already."""
    name = pipeline.model_name(target)
    champion = registry.champion(name)
    serves = "" if champion is None else champion.version
    moves = [row for row in ledger.decisions(name, registry.environment.name) if row.outcome == "promoted"]
    mine = [row for row in moves if row.run_key == str(key)]
    if mine and moves[-1] is mine[-1]:
        return Swap(
            name=name, target=target, before=mine[-1].champion_before, after=mine[-1].version, reason=mine[-1].reason
        )
    if mine:
        log.warning("%s: this run was carried out, and %s decided since; start a new one", name, moves[-1].decided_by)
        return Swap(name=name, target=target, before=serves, after=serves, reason=order.reason)
    if champion is None and order.action == "rollback":
        raise ChampionMissing(f"{name}: no version serves, so there is none to roll back.")
    wanted = _wanted(name, order, registry)
    if wanted.version == serves and order.version is None:
        raise ModelMissing(
            f"{name}: the alias {registry.environment.previous} is on version {serves}, which serves. Name the version."
        )
    if wanted.version != serves and (wrong := mismatch(pipeline, loaded(pipeline, wanted, registry))):
        raise ModelIncompatible(
            f"{name} version {wanted.version} was {wrong}: it cannot serve. Name another version, or bring back the "
            "pipeline's file of that time."
        )
    return Swap(name=name, target=target, before=serves, after=wanted.version, reason=order.reason.strip())


def _wanted(name: str, order: Order, registry: ModelRegistry) -> ModelVersionRef:
    try:
        return registry.version(name, order.version or f"@{registry.environment.previous}")
    except ModelMissing as error:
        if order.version:
            raise
        raise ModelMissing(
            f"{name}: no version served before this one. Name one to put into service: --to, or the form's Version."
        ) from error


def _record(
    key: RunKey, pipeline: AnyPipeline, swap: Swap, order: Order, git_commit: str, registry: ModelRegistry
) -> PromotionRecord:
    return PromotionRecord(
        pipeline=pipeline.name,
        model_name=swap.name,
        target=swap.target,
        run_key=str(key),
        action=order.action,
        outcome="promoted",
        version=swap.after,
        champion_before=swap.before,
        champion_after=swap.after,
        environment=registry.environment.name,
        alias=registry.environment.champion,
        reason=swap.reason,
        git_commit=git_commit,
        decided_by=order.by,
    )

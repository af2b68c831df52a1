"""The champions that predict: those that serve now, or those that served at a past date."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from xflow.errors import ChampionMissing, ModelDamaged, ModelIncompatible, ModelMissing
from xflow.pipeline import AnyPipeline
from xflow.ports import ModelRegistry
from xflow.promotion_ports import PromotionLedger
from xflow.refs import ModelVersionRef
from xflow.steps.kinds import Champion, model_kind

log = logging.getLogger(__name__)

Versions = Mapping[str, ModelVersionRef | None]


def champions(
    pipeline: AnyPipeline,
    at: datetime | None = None,
    *,
    registry: ModelRegistry,
    ledger: PromotionLedger,
    models: Mapping[str, ModelVersionRef] | None = None,
) -> dict[str, Champion]:
    """Load the champion of every target that has one.

    Parameters
    ----------
    at
        A past time, in UTC without a zone: the versions that served then. None: those that serve now.
    models
        Versions that were chosen before, by target; they are loaded whatever serves.

    Raises
    ------
    ChampionMissing
        No target has, or had, a champion.
    ModelMissing
        The version that served at a past date is no longer in the registry.
    ModelDamaged
        The files of a champion are gone, or cannot be loaded.
    ModelIncompatible
        A champion was trained for another configuration of the pipeline.
    """
    found = {}
    for target, version in (models or versions(pipeline, at, registry=registry, ledger=ledger)).items():
        model = loaded(pipeline, version, registry)
        if wrong := mismatch(pipeline, model):
            advice = f"Train again: {pipeline.name}_train." if at is None else "Predict with the file of that date."
            raise ModelIncompatible(f"{version.name} version {version.version} was {wrong}. {advice}")
        found[target] = Champion(version, model)
    return found


def mismatch(pipeline: AnyPipeline, model: Any) -> str | None:
    """Return why a model cannot serve a pipeline, or None: one of another kind lacks parts."""
    try:
        return model_kind(pipeline).mismatch(model)
    except AttributeError as error:
        return f"made for another kind of pipeline, or by another release of xFlow ({error})"


def loaded(pipeline: AnyPipeline, version: ModelVersionRef, registry: ModelRegistry) -> Any:
    """Return the model of a version of one of the pipeline's models.

    Raises
    ------
    ModelDamaged
        Its files are gone, or cannot be loaded: with the commands that help.
    """
    try:
        return registry.load(version)
    except ModelDamaged as error:
        raise ModelDamaged(f"{error} {remedy(pipeline, version, registry)}") from error


def remedy(pipeline: AnyPipeline, version: ModelVersionRef, registry: ModelRegistry) -> str:
    """Return what a person does about a version that cannot be loaded."""
    target = next((each for each in pipeline.targets if pipeline.model_name(each) == version.name), "")
    named = f"{pipeline.name} --target {target}" if target else pipeline.name
    champion, ways = registry.champion(version.name), []
    if champion is not None and champion.version == version.version:
        before = _previous(version, registry)
        if before:
            ways.append(f'put version {before}, which served before, back: xflow rollback {named} --reason "..."')
        ways.append(f'put another version into service: xflow promote {named} --to VERSION --reason "..."')
    else:
        ways.append("name another version")
    ways.append(f"train again: {pipeline.name}_train, or xflow train {pipeline.name}")
    text = "; or ".join(ways)
    return f"{text[0].upper()}{text[1:]}."


def _previous(version: ModelVersionRef, registry: ModelRegistry) -> str:
    """Return the number of the version that served before, or empty."""
    try:
        before = registry.version(version.name, f"@{registry.environment.previous}").version
    except ModelMissing:
        return ""
    return "" if before == version.version else before


def versions(
    pipeline: AnyPipeline, at: datetime | None = None, *, registry: ModelRegistry, ledger: PromotionLedger
) -> dict[str, ModelVersionRef]:
    """Return the versions that `champions` loads."""
    if at is None:
        found: Versions = {target: registry.champion(pipeline.model_name(target)) for target in pipeline.targets}
    else:
        found = {target: _served(pipeline.model_name(target), at, registry, ledger) for target in pipeline.targets}
    absent = [pipeline.model_name(target) for target, version in found.items() if version is None]
    if len(absent) == len(found):
        raise ChampionMissing(_nobody(pipeline, absent, at, registry, ledger))
    if absent:
        log.warning("%s: no champion%s, so nothing is predicted for it", ", ".join(absent), f" at {at}" if at else "")
    return {target: version for target, version in found.items() if version is not None}


def _served(name: str, at: datetime, registry: ModelRegistry, ledger: PromotionLedger) -> ModelVersionRef | None:
    number = ledger.champion_at(name, registry.environment.name, at)
    return registry.version(name, number) if number else None


def _nobody(
    pipeline: AnyPipeline, absent: list[str], at: datetime | None, registry: ModelRegistry, ledger: PromotionLedger
) -> str:
    alias, names = registry.environment.champion, ", ".join(absent)
    if at is None:
        return f"{names}: no model version carries the alias {alias}. Run {pipeline.name}_train first."
    first = [
        decision.decided_at
        for name in absent
        for decision in ledger.decisions(name, registry.environment.name)
        if decision.outcome == "promoted" and decision.decided_at is not None
    ]
    known = (
        f"The first was promoted at {min(first):%Y-%m-%dT%H:%M:%S}: choose a later date."
        if first
        else (f"None was ever promoted: run {pipeline.name}_train first.")
    )
    return f"{names}: no version served at {at:%Y-%m-%dT%H:%M:%S}. {known}"

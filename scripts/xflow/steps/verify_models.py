"""Prove that a run's feature set holds what it was marked with, and that its models are those of the registry."""

import json
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xflow.domain.audit import Check, State, agree
from xflow.errors import FeatureSetMissing, ModelMissing, Permanent
from xflow.refs import FeatureSetRef, ModelVersionRef
from xflow.steps.audited import ENDED, Audited
from xflow.steps.champions import loaded

TARANTOOL, MLFLOW, GREENPLUM = "Tarantool", "MLflow", "Greenplum"
KEPT_SETS = 5
"""How many sets of a job a purge leaves, see `xflow.runner.FEATURE_SETS_KEPT`."""


def verify_features(audited: Audited, told: Sequence[FeatureSetRef], kept: int = KEPT_SETS) -> list[Check]:
    """Read a run's feature set once more, and compare its count and checksum with what the run was told.

    Parameters
    ----------
    told
        The set as the run's manifest, or the plans of its models, name it; may be empty.
    kept
        How many sets of a job the policy keeps.
    """
    name = str(audited.run.get("feature_set") or "")
    if not name:
        return [Check(TARANTOOL, "feature set", State.FAULT, "the ledger names none")]
    wrong = sorted({ref.id for ref in told if ref.id != name})
    if wrong:
        return [Check(TARANTOOL, "feature set", State.FAULT, f"the ledger names {name}, the models {', '.join(wrong)}")]
    found = audited.features.ready(name)
    if found is None:
        return [_absent(audited, name, kept)]
    checks = [
        agree(TARANTOOL, "checksum of the feature set", marked=found.checksum[:12], run_was_told=ref.checksum[:12])
        for ref in told[:1]
    ]
    try:
        deque(audited.features.read(found)[1], maxlen=0)
    except FeatureSetMissing as error:
        return [*checks, Check(TARANTOOL, "feature set", State.FAULT, str(error))]
    detail = f"{found.entities:,} entities, {found.rows:,} rows, checksum {found.checksum[:12]} counted again"
    return [*checks, Check(TARANTOOL, "feature set", State.OK, detail)]


def verify_published(audited: Audited) -> list[Check]:
    """Check that what answers online knows at least the values of a prediction that ended well."""
    what, name = "features in service", str(audited.run["feature_set"])
    if audited.features.ready(name) is None:
        return []
    found = audited.features.published(audited.key.job)
    answers = found[0].id if found else "none"
    rows = audited.lineage.find(run_key=answers)
    as_of = str(rows[0]["as_of"] or "") if rows else ""
    if answers != name and as_of < str(audited.run["as_of"] or ""):
        detail = (
            f"{answers} answers online, as of {as_of or 'never'}: the run ended before it marked its features published"
        )
        return [Check(TARANTOOL, what, State.FAULT, f"{detail}. Run it again by its id")]
    return [Check(TARANTOOL, what, State.OK, f"{answers} answers online")]


def told_by_plans(audited: Audited) -> list[FeatureSetRef]:
    """Return the feature set that the plans of a training's models name."""
    found = (_document(audited, version, "plan") for version in audited.versions.values())
    return [FeatureSetRef.model_validate(plan["feature_set"]) for plan in found if plan]


def told_by_manifest(audited: Audited) -> list[FeatureSetRef]:
    """Return the feature set that the manifest of a prediction names."""
    return [FeatureSetRef.model_validate(audited.manifest["feature_set"])] if audited.manifest else []


def verify_models(audited: Audited) -> Iterator[Check]:
    """Check every model that a run names: it loads, and registry, ledger and decisions say the same of it."""
    for name, number in audited.models:
        version = audited.versions.get((name, number))
        if version is None:
            gone = f"{name} version {number} is not in the registry: its predictions can no longer be explained"
            yield Check(MLFLOW, f"model {name}", State.FAULT, gone)
            continue
        yield _loads(audited, version)
        yield from _origin(audited, version)
    if audited.key.kind == "predict":
        yield from _named_by_predictions(audited)


def verify_figures(audited: Audited) -> Check:
    """Compare the figures of a training in the ledger with those of its runs in MLflow."""
    ledger = json.loads(audited.run.get("metrics") or "{}")
    differ, compared = [], 0
    for (name, _), version in audited.versions.items():
        target = name.removeprefix(audited.pipeline.name).lstrip("_")
        for metric, value in audited.registry.facts(version.mlflow_run_id)["metrics"].items():
            mine = ledger.get(f"{target}_{metric}".lstrip("_"))
            compared += mine is not None
            if mine is not None and not math.isclose(mine, value, rel_tol=1e-9):
                differ.append(f"{name} {metric}: ledger {mine}, MLflow {value}")
    if differ:
        return Check(MLFLOW, "figures of the training", State.FAULT, "; ".join(differ[:5]))
    if audited.versions and not compared:
        nothing = "the ledger and MLflow have none in common: figures of one of them are gone"
        return Check(MLFLOW, "figures of the training", State.FAULT, nothing)
    return Check(MLFLOW, "figures of the training", State.OK, f"{compared} equal to the ledger's")


def _absent(audited: Audited, name: str, kept: int) -> Check:
    later = audited.lineage.later_sets(name)
    if later >= kept:
        detail = f"{name}: purged, {later} later sets were written and {kept} are kept; it can be made again from S3"
        return Check(TARANTOOL, "feature set", State.PURGED, detail)
    detail = f"{name} is gone or not ready, though only {later} later sets were written and {kept} are kept"
    return Check(TARANTOOL, "feature set", State.FAULT, detail)


def _loads(audited: Audited, version: ModelVersionRef) -> Check:
    what = f"model {version.name}"
    try:
        loaded(audited.pipeline, version, audited.registry)
    except Permanent as error:
        return Check(MLFLOW, what, State.FAULT, f"version {version.version} does not load: {error}")
    return Check(MLFLOW, what, State.OK, f"version {version.version} loads, MLflow run {version.mlflow_run_id[:12]}")


def _origin(audited: Audited, version: ModelVersionRef) -> Iterator[Check]:
    """Yield what registry, ledger and decisions say of a version's training."""
    tags, what = audited.registry.tags(version), f"training of {version.name}"
    trained = audited.lineage.find(run_key=tags.get("run_key", ""))
    if not trained:
        yield Check(GREENPLUM, what, State.FAULT, f"its tag run_key {tags.get('run_key')} is of no run of the ledger")
        return
    plan = _document(audited, version, "plan")
    if plan is None:
        yield Check(MLFLOW, what, State.FAULT, f"run {version.mlflow_run_id} has no plan.json: its artifacts are gone")
        return
    made = (str(trained[0]["model_name"]).split(", "), str(trained[0]["model_version"]).split(", "))
    listed = (version.name, version.version) in zip(*made)
    if trained[0]["state"] not in ENDED or not listed:
        state = trained[0]["state"]
        said = (
            f"run {tags['run_key']} is {state} and {'names' if listed else 'does not name'} version {version.version}"
        )
        yield Check(GREENPLUM, what, State.FAULT, said)
    else:
        yield Check(GREENPLUM, what, State.OK, f"run {tags['run_key']} succeeded and names version {version.version}")
    yield agree(
        MLFLOW,
        f"feature set of {version.name}",
        tag=tags.get("feature_set"),
        plan=plan["feature_set"]["id"],
        ledger=trained[0]["feature_set"],
    )
    yield _decided(audited, version, tags, plan)


def _decided(audited: Audited, version: ModelVersionRef, tags: Mapping[str, str], plan: Mapping[str, Any]) -> Check:
    """Return whether the decisions about a version name the holdout that it was judged by."""
    what, place = f"decision about {version.name}", "mart.promotion"
    decisions = audited.lineage.decisions(version.name, version.version)
    if not decisions:
        why = "is not there" if decisions is None else f"knows nothing of version {version.version}"
        return Check(GREENPLUM, what, State.OPEN, f"{place} {why}: it was made by an earlier release")
    hashes = {"tag": tags.get("holdout_hash"), "plan": plan["holdout_hash"]}
    hashes |= {f"decision_of_{each['decided_at']}": each["holdout_hash"] for each in decisions if each["holdout_hash"]}
    compared = agree(GREENPLUM, what, **{name: str(value)[:12] for name, value in hashes.items()})
    last = decisions[-1]
    if compared.state is State.FAULT:
        return compared
    detail = f"{last['action']} {last['outcome']} at {last['decided_at']}, on holdout {plan['holdout_hash'][:12]}"
    return Check(GREENPLUM, what, State.OK, detail)


def _named_by_predictions(audited: Audited) -> Iterator[Check]:
    """Yield whether the predictions name the models that the manifest does, and the registry's run for each."""
    named = audited.lineage.models(audited.key)
    yield agree(
        GREENPLUM,
        "models of the predictions",
        ledger=_shown(audited.models),
        predictions=_shown(named),
    )
    for each in (audited.manifest or {}).get("models", ()):
        version = audited.versions.get((each["name"], each["version"]))
        if version is not None:
            yield agree(
                MLFLOW, f"run of {each['name']}", manifest=each["mlflow_run_id"], registry=version.mlflow_run_id
            )


def _document(audited: Audited, version: ModelVersionRef, name: str) -> dict[str, Any] | None:
    try:
        return dict(json.loads(audited.registry.artifact(version.mlflow_run_id, f"{name}.json")))
    except ModelMissing:
        return None


def _shown(models: Sequence[tuple[str, str]] | Mapping[tuple[str, str], int]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(models)) or "none"

"""Hold predictions back when the input, or what is predicted from it, is not what the champions learned from."""

import logging
from collections.abc import Mapping
from typing import Any

from xflow.domain.drift import LEVELS, Column, Drift, Level, Limits, compare, judge
from xflow.errors import DriftStop
from xflow.pipeline import AnyPipeline
from xflow.pipeline_base import DriftPolicy
from xflow.ports import FeatureStore, Mart, ModelRegistry, ObjectStore
from xflow.refs import CheckedInput, DriftVerdict, FeatureSetRef, ModelVersionRef, RunKey
from xflow.steps.drift_reference import read_reference
from xflow.steps.kinds import Champion
from xflow.steps.kinds.drift_kind import DriftKind, Reference, Sample, drift_kind

NAMED = 5

log = logging.getLogger(__name__)


def check_drift(
    key: RunKey,
    pipeline: AnyPipeline,
    checked: CheckedInput,
    features: FeatureSetRef,
    champions: Mapping[str, Champion],
    code: Mapping[str, str],
    *,
    store: ObjectStore,
    mart: Mart,
    feature_store: FeatureStore,
    registry: ModelRegistry,
) -> DriftVerdict:
    """Compare a sample of the input, and the champions' predictions of it, with what each learned from.

    The report lies on S3 as ``reports/<pipeline>/<run>/drift.html``, and with the figures in the MLflow run of the
    prediction; the verdict and the figures stand in the ledger. A champion that has no reference is not checked.

    Raises
    ------
    DriftStop
        The drift reaches the pipeline's level ``drift.stop``. Report and ledger are written before.
    """
    references = {} if pipeline.drift.gate == "off" else _references(champions, registry)
    if not references:
        mart.note_run(key, {"drift": ""})
        return DriftVerdict(verdict="")
    sample = drift_kind(pipeline).sample(features, checked, feature_store, pipeline.drift.sample)
    found, pages = {}, {}
    for target, reference in references.items():
        name = f"drift_{target}.html" if len(champions) > 1 else "drift.html"
        title = f"Drift of {pipeline.name} since {_name(champions[target].version)}"
        found[target], pages[name] = _examine(pipeline, champions[target], reference, sample, title)
    prefix = f"reports/{pipeline.name}/{key.slug}/"
    reports = tuple(store.put(prefix + name, page).uri for name, page in pages.items())
    worst = max((drift.verdict for drift in found.values()), key=LEVELS.index)
    run_id = registry.open_run(key, {}, {**code, "kind": key.kind, "drift": worst.value})
    registry.log_files(run_id, pages)
    figures = {f"{target}_{name}".lstrip("_"): v for target, each in found.items() for name, v in each.figures.items()}
    registry.log_metrics(run_id, figures)
    made = DriftVerdict(
        verdict=worst, reason=_reason(champions, found), reports=reports, mlflow_run_id=run_id, figures=figures
    )
    mart.note_run(key, {"drift": made.verdict, "metrics": figures})
    if worst is Level.STOP:
        raise DriftStop(_refusal(pipeline, made))
    return made


def _references(champions: Mapping[str, Champion], registry: ModelRegistry) -> dict[str, Reference]:
    found = {}
    for target, champion in champions.items():
        reference = read_reference(registry, champion.version.mlflow_run_id)
        if reference is None:
            log.warning(
                "%s has no drift reference, so drift is not checked for it: it was trained before there were any, "
                "or with drift.gate off. The next training brings one.",
                _name(champion.version),
            )
        else:
            found[target] = reference
    return found


def examined(
    policy: DriftPolicy, kind: DriftKind, model: Any, reference: Reference, sample: Sample
) -> tuple[Drift, tuple[Column, ...], Any]:
    """Return the verdict on a sample as one model sees it, the columns compared, and Evidently's report or None."""
    from xflow.steps.drift_report import run_report

    columns = tuple(each for each in kind.columns(model) if each.name not in policy.ignore)
    rows, counted = kind.against(reference, kind.profile(sample, model), sample)
    p_values, report = run_report(reference.frame, rows, columns, policy.alpha)
    found = compare(reference.frame, rows, columns, p_values)
    found += [each for each in counted if each.column not in policy.ignore]
    most = Level.WARN if policy.gate == "warn" else Level.STOP
    return judge(found, Limits(policy.alpha, policy.warn, policy.stop, most)), columns, report


def _examine(
    pipeline: AnyPipeline, champion: Champion, reference: Reference, sample: Sample, title: str
) -> tuple[Drift, bytes]:
    """Return the verdict on a sample as one champion sees it, and the page that shows it."""
    from xflow.steps.drift_report import to_html

    drift, columns, report = examined(pipeline.drift, drift_kind(pipeline), champion.model, reference, sample)
    log.info("%s: %s, against a sample of %d kept by the training", title, drift.verdict, len(reference.frame))
    return drift, to_html(report, drift, title, columns).encode()


def _reason(champions: Mapping[str, Champion], found: Mapping[str, Drift]) -> str:
    """Return what drifted, in words; `""` when nothing did."""
    parts = []
    for target, drift in found.items():
        if not drift.drifted:
            continue
        named = [
            f"{each.column} ({each.check}: {each.detail}, {each.share:.0%} moved, p {each.adjusted:.1g})"
            for each in drift.drifted[:NAMED]
        ]
        more = f" and {len(drift.drifted) - NAMED} more" if len(drift.drifted) > NAMED else ""
        parts.append(f"since {_name(champions[target].version)}: {'; '.join(named)}{more}")
    return ". ".join(parts)


def _refusal(pipeline: AnyPipeline, made: DriftVerdict) -> str:
    return (
        f"{pipeline.name}: nothing is predicted, the input has drifted {made.reason}. Report: "
        f"{', '.join(made.reports)}. Correct the input, or train again on one like it; drift.gate: warn in the "
        "pipeline's file lets such predictions pass."
    )


def _name(version: ModelVersionRef) -> str:
    return f"{version.name} version {version.version}"

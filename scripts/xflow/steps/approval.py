"""The question that a person answers before a version that won may serve."""

from xflow.pipeline_base import PromotionPolicy
from xflow.refs import Verdict


def asked(verdict: Verdict) -> bool:
    """Tell whether there is something to ask: the version won, and does not serve already."""
    return verdict.promote and verdict.champion != verdict.version.version


def question(verdict: Verdict, policy: PromotionPolicy) -> tuple[str, str]:
    """Return the question in a line, and the figures that it rests on, as Markdown."""
    version, metric = verdict.version, f"holdout_{verdict.metric}"
    instead = f" in place of version {verdict.champion}" if verdict.champion else ", the first one"
    subject = f"Let {version.name} version {version.version} serve{instead}?"
    found = verdict.figures
    rows = [
        ("champion", found.get(f"{metric}_champion")),
        ("challenger", found.get(f"{metric}_challenger")),
        ("difference (below 0: the challenger is better)", found.get(f"{metric}_difference")),
        (f"{policy.confidence:.0%} interval, lower bound", found.get(f"{metric}_difference_lower")),
        (f"{policy.confidence:.0%} interval, upper bound", found.get(f"{metric}_difference_upper")),
        (f"{verdict.unit} compared", found.get(f"holdout_{verdict.unit}")),
        ("floor", version.metrics.get(f"{metric}_floor")),
    ]
    lines = [f"| {name} | {value:.6g} |" for name, value in rows if value is not None]
    origin = (
        f"Holdout `{verdict.holdout_hash}`, feature set `{verdict.feature_set}`, MLflow run `{version.mlflow_run_id}`."
    )
    table = [f"| {verdict.metric} on the holdout | |", "|---|---|", *lines]
    return subject, "\n".join([f"{verdict.reason}.", "", *table, "", origin])

"""Figures of a version on its holdout, told from those of a training's ledger row."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

BETTER = {
    **dict.fromkeys(("mase", "smape", "mae", "rmse", "log_loss", "calibration_error"), "lower"),
    **dict.fromkeys(("accuracy", "macro_f1", "roc_auc"), "higher"),
}
"""By metric: which of two values is better. Of a coverage neither is: it should be its level."""
COVERAGE = re.compile(r"coverage_(\d+)")


def figures_of(metrics: str | None) -> dict[str, float]:
    """Return the finite figures of a ledger row's JSON; none of what is no JSON object."""
    try:
        found = json.loads(metrics or "{}")
    except ValueError:
        return {}
    pairs = found.items() if isinstance(found, dict) else ()
    return {name: float(value) for name, value in pairs if _is_number(value)}


def holdout_figures(metrics: Mapping[str, float], target: str, main: str) -> list[dict[str, Any]]:
    """Return the figures on the holdout whose direction is known, beside the floor's; the main one first."""
    start = f"{target}_holdout_".lstrip("_")
    names = sorted((name for name in BETTER if start + name in metrics), key=lambda name: name != main)
    return [
        {
            "metric": name,
            "value": metrics[start + name],
            "floor": metrics.get(f"{start}{name}_floor"),
            "better": BETTER[name],
            "main": name == main,
        }
        for name in names
    ]


def coverages(metrics: Mapping[str, float], target: str) -> list[dict[str, Any]]:
    """Return what share of the holdout's values lay in the intervals, by their level in percent."""
    start = f"{target}_holdout_".lstrip("_")
    found = {level_of(name.removeprefix(start)): value for name, value in metrics.items() if name.startswith(start)}
    return [{"level": level, "value": found[level]} for level in sorted(each for each in found if each is not None)]


def drift_figures(metrics: Mapping[str, float], targets: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return what the drift gate found, by target."""
    names = {"level": "level", "columns": "columns", "smallest_p": "smallest_p", "largest_share": "largest_share"}
    found = []
    for target in targets:
        start = f"{target}_drift_".lstrip("_")
        figures = {name: metrics.get(start + stored) for name, stored in names.items()}
        if any(value is not None for value in figures.values()):
            found.append({"target": target, **figures})
    return found


def level_of(metric: str) -> int | None:
    """Return 80 for ``coverage_80``, None for another metric."""
    found = COVERAGE.fullmatch(metric)
    return int(found[1]) if found else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

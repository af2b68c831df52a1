"""The picture of a promotion's decision."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from xflow.domain.promotion import Decision, Holdout

BETTER, WORSE, GREY = "#2a7f62", "#b5483a", "#6b7280"


def comparison(champion: np.ndarray | None, challenger: np.ndarray, decision: Decision, holdout: Holdout) -> Figure:
    """Draw both errors of every unit and the interval of their mean difference; of a first model, the floor's error.

    Parameters
    ----------
    champion, challenger
        Errors, shape (n,), NaN where a unit was not scored; `champion` is None when there is none.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
    if champion is None:
        _distribution(left, challenger, holdout)
        _against_floor(right, challenger, holdout)
    else:
        _pairs(left, champion, challenger, holdout)
        _interval(right, decision, holdout)
    figure.suptitle(f"{decision.outcome}: {decision.reason.partition(': ')[0]}", fontsize=11)
    return figure


def _pairs(axes: Any, champion: np.ndarray, challenger: np.ndarray, holdout: Holdout) -> None:
    both = np.isfinite(champion) & np.isfinite(challenger)
    old, new = champion[both], challenger[both]
    axes.scatter(old, new, s=10, alpha=0.5, c=np.where(new < old, BETTER, WORSE), linewidths=0)
    if both.any():
        ends = [min(old.min(), new.min()), max(old.max(), new.max())]
        axes.plot(ends, ends, color=GREY, linewidth=1)
    axes.set(xlabel=f"champion's {holdout.metric}", ylabel=f"challenger's {holdout.metric}")
    better = (new < old).mean() if both.any() else 0.0
    axes.set_title(f"{both.sum()} {holdout.unit} of the holdout; better on {better:.0%} (below the line)", fontsize=10)


def _interval(axes: Any, decision: Decision, holdout: Holdout) -> None:
    axes.set_title("mean difference, challenger minus champion", fontsize=10)
    axes.set_yticks([])
    found = decision.difference
    if found is None:
        axes.text(0.5, 0.5, "nothing was compared", ha="center", va="center", color=GREY, transform=axes.transAxes)
        return
    color = BETTER if decision.promote else GREY
    axes.errorbar(
        found.mean, 0, xerr=[[found.mean - found.lower], [found.upper - found.mean]], fmt="o", color=color, capsize=6
    )
    axes.axvline(0, color=WORSE, linewidth=1)
    axes.set(xlabel=f"{holdout.metric}, below 0 is better", ylim=(-1, 1))
    axes.annotate(
        f"{found.mean:+.4f}\n{found.lower:+.4f} to {found.upper:+.4f}", (found.mean, 0), (0, 16),
        textcoords="offset points", ha="center",
    )  # fmt: skip


def _distribution(axes: Any, errors: np.ndarray, holdout: Holdout) -> None:
    axes.hist(errors[np.isfinite(errors)], bins=30, color=GREY)
    axes.set(xlabel=holdout.metric, ylabel=holdout.unit)
    axes.set_title("errors of the new model on the holdout", fontsize=10)


def _against_floor(axes: Any, errors: np.ndarray, holdout: Holdout) -> None:
    bars = {"new model": float(np.nanmean(errors)) if np.isfinite(errors).any() else 0.0}
    if holdout.floor is not None:
        bars["floor"] = holdout.floor
    axes.bar_label(axes.bar([*bars], [*bars.values()], color=[BETTER, GREY][: len(bars)]), fmt="%.4f")
    axes.set_title(f"mean {holdout.metric}; there is no champion to compare with", fontsize=10)

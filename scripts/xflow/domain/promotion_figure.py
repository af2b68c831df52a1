"""The picture of a promotion's decision."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from xflow.domain.figures import readable
from xflow.domain.promotion import Decision, Holdout

BETTER, WORSE, GREY = "#2a7f62", "#b5483a", "#6b7280"
SAID = {"promoted": "the new version wins: ", "kept": "", "refused": "refused: "}
"""What the judgement says: a version that wins does not serve yet where a person is asked."""


def comparison(champion: np.ndarray | None, challenger: np.ndarray, decision: Decision, holdout: Holdout) -> Figure:
    """Draw both errors of every unit and the interval of their mean difference; of a first model, the floor's error.

    Parameters
    ----------
    champion, challenger
        Errors, shape (n,), NaN where a unit was not scored; `champion` is None when there is none.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained", dpi=120)
    left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
    if champion is None:
        _distribution(left, challenger, holdout)
        _against_floor(right, challenger, holdout)
    else:
        _pairs(left, champion, challenger, holdout)
        _interval(right, decision, holdout)
    figure.suptitle(f"{SAID[decision.outcome]}{decision.reason.partition(': ')[0]}", fontsize=11)
    return figure


def _pairs(axes: Any, champion: np.ndarray, challenger: np.ndarray, holdout: Holdout) -> None:
    both = np.isfinite(champion) & np.isfinite(challenger)
    old, new = champion[both], challenger[both]
    colors = np.select([new < old, new > old], [BETTER, WORSE], GREY)
    axes.scatter(old, new, s=16, alpha=0.6, c=colors, linewidths=0, zorder=2)
    if both.any():
        ends = [min(old.min(), new.min()), max(old.max(), new.max())]
        axes.plot(ends, ends, color=GREY, linewidth=1, zorder=1)
    axes.set(xlabel=f"champion's {readable(holdout.metric)}", ylabel=f"challenger's {readable(holdout.metric)}")
    better, worse = int((new < old).sum()), int((new > old).sum())
    counted = f"better on {better} (below the line), worse on {worse}, equal on {both.sum() - better - worse}"
    axes.set_title(f"{both.sum()} {holdout.unit}: {counted}", fontsize=10)


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
    axes.axvline(0, color=WORSE, linewidth=1, zorder=1)
    axes.margins(x=0.25)
    axes.locator_params(axis="x", nbins=5)
    axes.set(xlabel=f"{readable(holdout.metric)}, below 0 is better", ylim=(-1, 1))
    axes.annotate(
        f"{found.mean:+.4f}\n{found.lower:+.4f} to {found.upper:+.4f}", (found.mean, 0), (0, 16),
        textcoords="offset points", ha="center", bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
    )  # fmt: skip


def _distribution(axes: Any, errors: np.ndarray, holdout: Holdout) -> None:
    axes.hist(errors[np.isfinite(errors)], bins=30, color=GREY)
    axes.set(xlabel=readable(holdout.metric), ylabel=f"number of {holdout.unit}")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_title(f"new model: error of each of the {holdout.unit} of the holdout", fontsize=10)


def _against_floor(axes: Any, errors: np.ndarray, holdout: Holdout) -> None:
    bars = {"new model": float(np.nanmean(errors)) if np.isfinite(errors).any() else 0.0}
    if holdout.floor is not None:
        bars["floor"] = holdout.floor
    axes.bar_label(axes.bar([*bars], [*bars.values()], width=0.5, color=[BETTER, GREY][: len(bars)]), fmt="%.4f")
    axes.set(ylabel=f"mean {readable(holdout.metric)}", xlim=(-0.6, len(bars) - 0.4))
    axes.margins(y=0.1)
    axes.set_title("no champion to compare with; lower is better", fontsize=10)

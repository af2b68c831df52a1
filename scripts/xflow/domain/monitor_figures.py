"""A picture of realised figures: error and coverage over time, error by horizon or cohort."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xflow.domain.figures import BLUE, GREY, ORANGE, PALE, readable
from xflow.domain.monitoring import Cell, is_bad
from xflow.pipeline_base import MonitorPolicy

LABELS = 12
"""Windows that are named below the bars, at most."""

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def realised(cells: Sequence[Cell], metric: str, holdout: float, policy: MonitorPolicy) -> "Figure":
    """Draw what became of the predictions of one target.

    Parameters
    ----------
    cells
        Figures of the newest prediction of each origin (`Cell.version` empty).
    metric
        The pipeline's metric, whose windows are judged.
    holdout
        That figure of the serving version on its holdout; NaN when it is not known.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained", dpi=120)
    left, right = figure.subplots(2, 2, width_ratios=(3, 2)).T
    windows = sorted((cell for cell in cells if cell.slice == "window"), key=lambda cell: cell.item)
    _error_over_time(left[0], windows, metric, holdout, policy)
    _shares_over_time(left[1], windows)
    _by_part(right[0], [cell for cell in cells if cell.slice in ("step", "cohort")], metric, holdout)
    _counts(right[1], windows)
    for ax in (*left, *right):
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
    return figure


def _error_over_time(ax: "Axes", windows: Sequence[Cell], metric: str, holdout: float, policy: MonitorPolicy) -> None:
    told = [cell for cell in windows if metric in cell.figures]
    times, errors = _times(told), [cell.figures[metric] for cell in told]
    ax.plot(times, errors, color=BLUE, marker=".", label="realised")
    verdicts = [is_bad(cell.n, cell.figures[metric], holdout, policy) for cell in told]
    for flag, colour, label in ((True, ORANGE, "bad window"), (None, PALE, "not judged: too few outcomes")):
        chosen = [i for i, verdict in enumerate(verdicts) if verdict is flag]
        if chosen:
            ax.scatter(times[chosen], [errors[i] for i in chosen], color=colour, zorder=3, label=label)
    if math.isfinite(holdout):
        ax.axhline(holdout, color=GREY, ls="--", lw=1, label="holdout of the serving version")
        ax.axhline(
            policy.worse_than * holdout,
            color=ORANGE,
            ls=":",
            lw=1,
            label=f"{policy.worse_than:g} times it: above is bad",
        )
    ax.set_title(f"Realised {readable(metric)}, by the time that was predicted", fontsize=10)
    ax.set_ylabel(f"{readable(metric)} (lower is better)")
    ax.set_ylim(bottom=0)
    _dated(ax)
    ax.legend(fontsize=7, frameon=False)


def _shares_over_time(ax: "Axes", windows: Sequence[Cell]) -> None:
    """Draw the coverage of every interval with its nominal level, of cohorts the share that was right."""
    names = sorted({name for cell in windows for name in cell.figures if name.startswith(("coverage_", "accuracy"))})
    for name, colour in zip(names, (BLUE, ORANGE, GREY, "black"), strict=False):
        told = [cell for cell in windows if name in cell.figures]
        ax.plot(_times(told), [cell.figures[name] for cell in told], color=colour, marker=".", label=_title(name))
        if name.startswith("coverage_"):
            ax.axhline(float(name.removeprefix("coverage_")) / 100, color=colour, ls="--", lw=1)
    covers = any(name.startswith("coverage_") for name in names)
    said = (
        "Actual values within the intervals, and as promised (dashed)" if covers else "Vacancies whose cohort was right"
    )
    ax.set_title(said, fontsize=10)
    ax.set_ylabel("share of the actual values" if covers else "share of the vacancies")
    ax.set_ylim(0, 1.02)
    _dated(ax)
    if names:
        ax.legend(fontsize=7, frameon=False)


def _by_part(ax: "Axes", parts: Sequence[Cell], metric: str, holdout: float) -> None:
    told = [cell for cell in parts if metric in cell.figures]
    if told and told[0].slice == "cohort":
        ax.barh([cell.item for cell in told], [cell.figures[metric] for cell in told], color=BLUE)
        ax.set_title("By actual cohort", fontsize=10)
        ax.set_xlabel(f"{readable(metric)} (lower is better)")
        return
    ordered = sorted(told, key=lambda cell: int(cell.item))
    ax.plot([int(cell.item) for cell in ordered], [cell.figures[metric] for cell in ordered], color=BLUE, marker=".")
    if math.isfinite(holdout):
        ax.axhline(holdout, color=GREY, ls="--", lw=1)
    ax.set_title("By step of the horizon", fontsize=10)
    ax.set(xlabel="step", ylabel=readable(metric))
    ax.locator_params(axis="x", integer=True)
    ax.set_ylim(bottom=0)


def _counts(ax: "Axes", windows: Sequence[Cell]) -> None:
    places = range(len(windows))
    ax.bar(places, [cell.n for cell in windows], color=GREY)
    named = places[:: max(1, math.ceil(len(windows) / LABELS))]
    ax.set_xticks(named, [windows[i].item for i in named], rotation=45, ha="right", rotation_mode="anchor")
    ax.set_title("Predictions whose outcome is known, by window", fontsize=10)
    ax.set(ylabel="number of predictions", xlim=(-1, max(1, len(windows))))


def _times(cells: Sequence[Cell]) -> npt.NDArray[np.datetime64]:
    return np.array([cell.item for cell in cells], dtype="datetime64[D]")


def _title(name: str) -> str:
    return f"{name.removeprefix('coverage_')}% interval" if name.startswith("coverage_") else name


def _dated(ax: "Axes") -> None:
    from matplotlib.dates import ConciseDateFormatter

    ax.xaxis.set_major_formatter(ConciseDateFormatter(ax.xaxis.get_major_locator()))

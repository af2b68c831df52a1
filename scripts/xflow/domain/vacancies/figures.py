"""Pictures of a cohort model for people: confusion, reliability, shares, words, slices."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from xflow.domain.figures import BLUE, GREY, ORANGE
from xflow.domain.vacancies import metrics
from xflow.domain.vacancies.cohorts import Labels
from xflow.domain.vacancies.model import CohortModel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
MOST_SLICES = 20
LONGEST_NAME = 32
KINDS = {"words": "", "chars": "characters", "counts": "count"}
SLICES = {"professional_role_id": "role", "experience_id": "experience", "employer_size": "employer's vacancies"}
UNITS = {"lifetime": "days from the first sight to the end", "age": "days on offer so far"}
"""What the cohorts of demand are made from, by measure; those of salaries are net roubles a month."""


def figures(model: CohortModel, frame: pd.DataFrame, probabilities: Floats, labels: Labels) -> "dict[str, Figure]":
    """Return every picture that rows which the model did not see give, by name.

    Parameters
    ----------
    frame
        Features frame of those rows.
    probabilities
        What the model said of them, shape (n, k).
    labels
        Of those rows.
    """
    judged = labels.judged
    about = f"{model.target} cohort, {UNITS.get(model.measure, 'net roubles a month')}"
    made = {"cohort_shares": cohort_shares(probabilities[judged], labels.take(judged), about)}
    if judged.any():
        made["confusion"] = confusion(probabilities, labels, about)
        made["reliability"] = reliability(probabilities, labels)
    if top := model.top_features():
        made["top_features"] = top_features(top)
    table = metrics.by_slice(frame, probabilities, labels)
    if len(table):
        made["slices"] = slices(table, metrics.log_loss(probabilities, labels))
    return made


def confusion(probabilities: Floats, labels: Labels, about: str) -> "Figure":
    """Draw how the judged vacancies of each cohort are divided over the likeliest cohorts.

    Parameters
    ----------
    about
        What the cohorts are of, with the unit.
    """
    table = metrics.confusion(probabilities, np.where(labels.judged, labels.codes, -1))
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    figure, ax = _axes((7.5, 5.5))
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (i, j), count in np.ndenumerate(table):
        ax.text(
            j,
            i,
            f"{count:,}\n{shares[i, j]:.0%}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if shares[i, j] > 0.55 else "black",
        )
    ticks = range(len(labels.cohorts))
    ax.set_xticks(ticks, labels.cohorts, rotation=20, ha="right", fontsize=8)
    ax.set_yticks(ticks, labels.cohorts, fontsize=8)
    ax.set(xlabel="likeliest cohort by the model", ylabel="actual cohort")
    ax.set_title(f"Holdout, vacancies by {about}", fontsize=10)
    figure.colorbar(image, ax=ax, shrink=0.8, label="share of the actual cohort (row)")
    return figure


def reliability(probabilities: Floats, labels: Labels) -> "Figure":
    """Draw how often the likeliest cohort is right against the probability it was given."""
    codes = np.where(labels.judged, labels.codes, -1)
    bins = metrics.reliability(probabilities, codes)
    error = np.sqrt(bins["accuracy"] * (1 - bins["accuracy"]) / bins["rows"])
    figure, ax = _axes((5.5, 5))
    ax.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls="--", label="right as often as said")
    ax.errorbar(
        bins["confidence"], bins["accuracy"], yerr=error, color=BLUE, marker="o", ms=4, capsize=2,
        label="model, with one standard error",
    )  # fmt: skip
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability of the likeliest cohort", ylabel="share that is right")
    ax.set_title(
        f"Reliability on the holdout (calibration error {metrics.calibration_error(probabilities, codes):.3f})"
    )
    ax.legend(frameon=False, loc="upper left")
    return figure


def cohort_shares(probabilities: Floats, labels: Labels, about: str) -> "Figure":
    """Draw each cohort's share beside the mean probability that the model gives it; `about` as in `confusion`."""
    counts = np.array([*labels.counts().values()])
    places = np.arange(len(counts))
    figure, ax = _axes((8, 4))
    for offset, values, colour, name in (
        (-0.2, counts / max(counts.sum(), 1), GREY, f"actual, of {counts.sum():,} vacancies"),
        (
            0.2,
            probabilities.mean(axis=0) if len(probabilities) else places * 0.0,
            BLUE,
            "mean probability by the model",
        ),
    ):
        bars = ax.bar(places + offset, values, width=0.38, color=colour, label=name)
        ax.bar_label(bars, fmt="{:.0%}", fontsize=8, padding=2)
    ax.set_xticks(places, labels.cohorts, fontsize=8)
    ax.set(xlabel=about, ylabel="share of the vacancies", title="Cohorts on the holdout, and as the model expects them")
    ax.margins(y=0.15)
    ax.legend(frameon=False)
    return figure


def top_features(top: dict[str, list[tuple[str, float]]]) -> "Figure":
    """Draw the features that speak most for each cohort, as `CohortModel.top_features` returns them."""
    from matplotlib.figure import Figure

    columns = min(len(top), 3)
    rows = -(-len(top) // columns)
    figure = Figure(figsize=(4.4 * columns, 3.4 * rows), layout="constrained", dpi=120)
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    sources = {_parts(name)[0] for features in top.values() for name, _ in features}
    for spare in axes[len(top) :]:
        spare.remove()
    for ax, (cohort, features) in zip(axes, top.items()):
        names = [_readable(name, len(sources) > 1) for name, _ in features]
        ax.barh(range(len(names)), [weight for _, weight in features], color=BLUE)
        ax.set_yticks(range(len(names)), names, fontsize=7, parse_math=False)
        ax.invert_yaxis()
        ax.tick_params(axis="x", labelsize=7)
        ax.set_title(cohort, fontsize=9, loc="left")
        ax.spines[["top", "right"]].set_visible(False)
    figure.suptitle("What speaks most for each cohort", fontsize=11)
    figure.supxlabel("weight of the word or category in the linear member, in log-odds", fontsize=9)
    return figure


def slices(table: pd.DataFrame, overall: float) -> "Figure":
    """Draw the log loss of the largest parts of the rows, as `metrics.by_slice` returns them.

    Parameters
    ----------
    overall
        Log loss of all rows.
    """
    largest = table.sort_values("rows", ascending=False, kind="stable").head(MOST_SLICES)
    shown = table.loc[sorted(largest.index)][::-1]
    about = shown["slice"].replace(SLICES)
    names = [f"{name}: {part} ({rows:,})" for name, part, rows in zip(about, shown["value"], shown["rows"])]
    figure, ax = _axes((8, 0.28 * len(shown) + 1.6))
    bars = ax.barh(range(len(shown)), shown["log_loss"], color=BLUE)
    ax.bar_label(bars, fmt="%.2f", label_type="center", fontsize=7, color="white")  # away from the line
    ax.axvline(overall, color=ORANGE, lw=1.5)
    ax.set_yticks(range(len(shown)), names, fontsize=8)
    ax.set(xlabel="log loss (lower is better)")
    ax.set_title(f"Parts of the holdout (in brackets: vacancies; line: all of it, {overall:.2f})", fontsize=10)
    ax.margins(x=0.12)
    return figure


def _readable(feature: str, many: bool) -> str:
    """Return ``python`` for ``name_words__python``, and ``python (name)`` where there are many texts."""
    source, kind, value = _parts(feature)
    if not kind:
        # One hot: the value follows the column's name, and is empty where the vacancy has none.
        return (value + "unknown" if value.endswith("_") else value)[:LONGEST_NAME]
    shown = f"«{value}»" if kind == "chars" else value[:LONGEST_NAME]  # spaces are characters too
    about = ", ".join(part for part in (source if many or kind == "counts" else "", KINDS[kind]) if part)
    return f"{shown} ({about})" if about else shown


def _parts(feature: str) -> tuple[str, str, str]:
    """Return a feature's column, kind and value; column and kind are empty for a category."""
    block, _, value = feature.partition("__")
    source, _, kind = block.rpartition("_")
    return (source, kind, value) if kind in KINDS else ("", "", value)


def _axes(size: tuple[float, float]) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained", dpi=120)
    ax = figure.subplots()
    ax.spines[["top", "right"]].set_visible(False)
    return figure, ax

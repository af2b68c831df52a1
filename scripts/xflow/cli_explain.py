"""How an explanation is shown."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from xflow.domain.explain import SeriesExplained
    from xflow.domain.vacancies.explain import CohortExplained
    from xflow.domain.vacancies.explain_words import Feature
    from xflow.steps.explain import Explanation

SHOWN = 12
SAID = {
    "level": "level: mean of the last season",
    "season": "season: its value at this place, less the level",
    "trend": "trend: change of the level since the season before",
    "models": "what the models add to that",
    "cut": "raised to 0: no value was below it",
}


def show_explanation(found: "Explanation") -> None:
    """Print what a prediction is made of."""
    from xflow.domain.explain import SeriesExplained

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"\nfeatures from {escape(found.features_from)}")
    if isinstance(found.why, SeriesExplained):
        _series(console, found.why)
    else:
        _cohorts(console, found.why)
    same = "the model predicts the same once more" if found.agrees else "the model predicts something else now"
    console.print(f"{'[green]ok[/]' if found.agrees else '[red]fault[/]'} {same} (difference {found.difference:.2g})")
    sums = "contributions sum to what they explain" if found.why.sums_hold else "contributions do not sum up"
    console.print(f"{'[green]ok[/]' if found.why.sums_hold else '[red]fault[/]'} {sums}")


def _series(console: Console, why: "SeriesExplained") -> None:
    bounds = ", ".join(f"{low:.6g} to {high:.6g}" for low, high in zip(why.bounds[::2], why.bounds[1::2], strict=True))
    console.print(f"forecast {why.forecast:.6g}, intervals {bounds}; the floor says {why.floor:.6g}")
    table = Table("component", "adds", box=None, pad_edge=False)
    for name, value in why.components.items():
        if value or name != "cut":
            table.add_row(SAID[name], f"{value:+.6g}")
    table.add_row("forecast", f"{why.forecast:.6g}")
    console.print(table)
    for member in why.members:
        console.print(f"\n[bold]{member.name}[/] weighs {member.weight:.0%}, forecasts {member.forecast:.6g}")
        if member.features:
            features = Table("feature", "value of the level", "adds", box=None, pad_edge=False)
            features.add_row("base forecast and mean correction", "", f"{member.base:+.6g}")
            for each in member.features[:SHOWN]:
                features.add_row(escape(each.meaning), f"{each.value:.4g}", f"{each.contribution:+.6g}")
            rest = sum(each.contribution for each in member.features[SHOWN:])
            features.add_row(f"{len(member.features[SHOWN:])} more", "", f"{rest:+.6g}")
            console.print(features)


def _cohorts(console: Console, why: "CohortExplained") -> None:
    shares = ", ".join(f"{name} {share:.1%}" for name, share in why.probabilities.items())
    console.print(f"cohort [bold]{escape(why.cohort)}[/]: {escape(shares)}")
    table = Table("what weighed", "in", "points", box=None, pad_edge=False)
    for feature, points in why.reasons[:SHOWN]:
        table.add_row(escape(said(feature)), feature.column, f"{100 * points:+.2f}")
    console.print(table)
    console.print(
        f"{max(len(why.reasons) - SHOWN, 0)} more weighed less; points: percentage points of the cohort's probability "
        "that would go with it"
    )
    for member in why.members:
        console.print(
            f"\n[bold]{member.name}[/] weighs {member.weight:.0%}: {member.probability:.1%}, from "
            f"{member.base_probability:.1%} of a vacancy of which nothing is known"
        )
        if member.reasons:
            own = Table("what weighed", "in", member.unit, "points", box=None, pad_edge=False)
            for reason in member.reasons[:SHOWN]:
                figures = (f"{reason.contribution:+.4f}", f"{100 * reason.points:+.2f}")
                own.add_row(escape(said(reason.feature)), reason.feature.column, *figures)
            console.print(own)
            rest = sum(reason.contribution for reason in member.reasons[SHOWN:])
            console.print(f"{rest:+.4f} of others; {member.base:+.4f} to begin with, {member.margin:+.4f} in all")


def said(feature: "Feature") -> str:
    """Return a feature in words."""
    if feature.kind in {"word", "phrase"}:
        return f"«{feature.name}»"
    if feature.kind == "absent":
        return f"no «{feature.name}»"
    if feature.kind == "count":
        return f"{feature.name.replace('_', ' ')} of the text"
    return feature.name or "(none)"

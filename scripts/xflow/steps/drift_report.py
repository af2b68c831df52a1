"""Evidently's tests of the distributions, and its report with the gate's verdict on top.

Importing Evidently takes seconds: this module is for the step alone.
"""

import warnings
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import pandas as pd

from xflow.domain.drift import Check, Column, Drift, Level
from xflow.domain.drift_tests import contingency

if TYPE_CHECKING:
    from evidently.core.report import Snapshot

NUMBERS, CATEGORIES = "ks", "xflow_contingency"


def _contingency(old: pd.Series, new: pd.Series, kind: object, threshold: float) -> tuple[float, bool]:  # noqa: ARG001
    """Test two samples: Evidently's own chi-squared test takes the reference for the truth, not for a sample."""
    p = contingency(old, new)
    return p, p < threshold


def run_report(
    reference: pd.DataFrame, current: pd.DataFrame, columns: Sequence[Column], alpha: float
) -> tuple[dict[str, float], "Snapshot | None"]:
    """Return the p-value of each column's test, by name, and Evidently's report; no report without a column to test.

    Parameters
    ----------
    alpha
        Evidently marks columns with a p-value below it divided by the number of columns.
    """
    tested = [each for each in columns if Check.DISTRIBUTION in each.checks and _known(each, reference, current)]
    if not tested:
        return {}, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own modules
        return _tested(reference, current, tested, alpha / len(tested))


def _tested(
    reference: pd.DataFrame, current: pd.DataFrame, tested: Sequence[Column], threshold: float
) -> tuple[dict[str, float], "Snapshot"]:
    from evidently import DataDefinition, Dataset, Report
    from evidently.legacy.calculations.stattests import StatTest
    from evidently.legacy.calculations.stattests.registry import register_stattest
    from evidently.legacy.core import ColumnType
    from evidently.presets import DataDriftPreset

    of_categories = StatTest(CATEGORIES, "chi-squared p_value of two samples", [ColumnType.Categorical])
    register_stattest(of_categories, default_impl=_contingency)
    names = [each.name for each in tested]
    kinds = DataDefinition(
        numerical_columns=[each.name for each in tested if each.kind == "number"],
        categorical_columns=[each.name for each in tested if each.kind == "category"],
    )
    preset = DataDriftPreset(
        columns=names,
        drift_share=int(1e4 / len(tested)) / 1e4,  # any column
        num_method=NUMBERS,
        cat_method=CATEGORIES,
        num_threshold=threshold,
        cat_threshold=threshold,
        include_tests=False,
    )
    old, new = (Dataset.from_pandas(frame[names].reset_index(drop=True), kinds) for frame in (reference, current))
    made = Report([preset]).run(new, old)
    found = {
        each["config"]["column"]: float(each["value"])
        for each in made.dict()["metrics"]
        if each["config"]["type"].endswith("ValueDrift")
    }
    return found, made


def to_html(made: "Snapshot | None", drift: Drift, title: str, columns: Sequence[Column]) -> str:
    """Return one page that needs nothing from elsewhere: the verdict with every check, then Evidently's report."""
    head = _summary(drift, title, {each.name: each.about for each in columns})
    if made is None:
        return f'<!DOCTYPE html><html lang="en"><meta charset="UTF-8"><title>{escape(title)}</title>{head}</html>'
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        page: str = made.get_html_str(as_iframe=False)
    return page.replace("<body>", f"<body>{head}", 1).replace("<head>", f"<head><title>{escape(title)}</title>", 1)


def _known(column: Column, *frames: pd.DataFrame) -> bool:
    return all(column.name in frame and frame[column.name].notna().any() for frame in frames)


COLOURS = {Level.OK: "#2e7d32", Level.WARN: "#b26a00", Level.STOP: "#c62828"}
STYLE = (
    "#xflow{font:15px/1.45 system-ui,sans-serif;color:#1a1a1a;background:#fff;padding:24px 32px}"
    "#xflow h1{font-size:22px;margin:0 0 8px}#xflow table{border-collapse:collapse;width:100%}"
    "#xflow td,#xflow th{border-bottom:1px solid #ddd;padding:4px 10px;text-align:left;vertical-align:top}"
    "#xflow small{display:block;color:#666}#xflow td.n,#xflow th.n{text-align:right;white-space:nowrap}"
    "#xflow b{text-transform:uppercase}"
    "@media(max-width:760px){#xflow{font-size:12px;padding:12px}#xflow td,#xflow th{padding:3px 5px}}"
)


def _summary(drift: Drift, title: str, about: dict[str, str]) -> str:
    rows = "".join(
        f'<tr><td><b style="color:{COLOURS[each.level]}">{each.level}</b></td>'
        f"<td>{escape(each.column)}<small>{escape(about.get(each.column, ''))}</small></td><td>{each.check}</td>"
        f'<td class="n">{each.share:.1%}</td><td class="n">{each.adjusted:.2g}</td><td>{escape(each.detail)}</td></tr>'
        for each in drift.findings
    )
    return (
        f'<style>{STYLE}</style><section id="xflow"><h1>{escape(title)}: '
        f'<b style="color:{COLOURS[drift.verdict]}">{drift.verdict}</b></h1>'
        "<p>The input, and what the model predicts from it, beside the sample that was kept at its training. "
        "OK: nothing to do. WARN: predicted and told. STOP: nothing is predicted. The worst check decides, "
        "and is the first of the table.</p>"
        "<p>A check counts when the share that moved is large enough and its p-value, corrected for the number of "
        "checks (Holm), is small enough. Evidently's report below the table marks columns by their p-value alone, "
        "however little they moved.</p>"
        "<table><thead><tr><th>level</th><th>column</th><th>check</th>"
        '<th class="n">moved</th><th class="n">p, corrected</th><th>now, and in training</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )

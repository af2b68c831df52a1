"""Every name that xFlow makes by itself: for itself, and of each pipeline. None may be made twice.

A name that two of them make is the longer pipeline's fault: it is called like a part of the shorter one
(``vacancies_salary`` beside ``vacancies``), which may have served for long.
"""

from collections.abc import Iterable

LONGEST = 63
"""Bytes of an identifier in PostgreSQL and Greenplum; what is longer is cut without a word."""

TABLES = frozenset({"run", "rejected_row", "promotion", "realised", "served_prediction"})
"""Of the schema ``mart``, whatever the pipelines are called."""

PIPELINE_TABLES = {
    "forecasting": ("input", "prediction", "lineage"),
    "vacancies": (
        *("input", "prediction", "lineage", "history", "publication", "market"),
        *("snapshot", "sighting", "version", "detail"),
    ),
}
"""Tables and views of a pipeline, by its kind: ``<pipeline>_<one of these>``."""

MODELS = {"forecasting": ("",), "vacancies": ("salary", "demand")}
DAGS = ("train", "predict", "collect", "monitor", "rollback", "deadline", "deploy")

SYSTEM_COLUMNS = frozenset({"oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "gp_segment_id"}) | {
    "gp_foreign_server"
}
"""That every table of PostgreSQL or Greenplum has by itself; no other column may be called so."""


def made(pipeline: str, kind: str) -> dict[str, frozenset[str]]:
    """Return the names that a pipeline makes, by what they are names of.

    A pipeline's own name is among those of DAGs: ``sales_train`` beside ``sales`` would be a pipeline and a DAG.
    """
    return {
        "table": frozenset(f"{pipeline}_{table}" for table in PIPELINE_TABLES[kind]),
        "registered model": frozenset(
            f"{pipeline}_{target}".rstrip("_") if target else pipeline for target in MODELS[kind]
        ),
        "DAG": frozenset({pipeline, *(f"{pipeline}_{dag}" for dag in DAGS)}),
    }


def clash(pipeline: str, kind: str, others: Iterable[tuple[str, str]]) -> str | None:
    """Return which name of a pipeline is xFlow's own or another's, and what to do, or None.

    Parameters
    ----------
    others
        Names and kinds of other pipelines.
    """
    mine = made(pipeline, kind)
    makers = [("xFlow itself", {"table": TABLES}), *((f"pipeline {other}", made(other, k)) for other, k in others)]
    for maker, names in makers:
        for what, theirs in names.items():
            if twice := sorted(mine[what] & theirs):
                return f"{pipeline!r} would make the {what} {twice[0]}, which is that of {maker}: choose another name"
    return None

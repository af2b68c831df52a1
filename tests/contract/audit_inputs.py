"""Small inputs of both kinds for the tests of audits."""

import io
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xflow.domain.panel import period_starts
from xflow.pipeline import Pipeline
from xflow.vacancy_pipeline import VacancyPipeline

NOW = datetime(2026, 10, 31, 6)
TRADES = {
    "дворник": ("убирать двор и подъезды, чистить снег", 40_000, 3),
    "инженер": ("проектировать узлы станков, вести чертежи", 120_000, 14),
    "архитектор": ("определять архитектуру сервисов, руководить разработкой", 260_000, 26),
}
"""What a trade does, earns, and for how many days its vacancies live."""


def series_pipeline(name: str, **model) -> Pipeline:
    candidates = [
        {"name": "seasonal_naive", "kind": "seasonal_naive"},
        {"name": "global_xgb", "kind": "global_xgb", "params": {"trees": 40, "depth": 3, "min_child_weight": 1.0}},
    ]
    section = {"seasonality": 12, "horizon": 6, "folds": 1, "trials": 1, "candidates": candidates} | model
    place = f"input/{name}/"
    return Pipeline.model_validate(
        {
            "pipeline": name,
            "description": "Generated series.",
            "input": {"train": place, "predict": place},
            "contract": {"frequency": "M", "min_length": 40, "max_rejected": 0.2},
            "model": section,
        }
    )


def vacancy_pipeline(name: str, **model) -> VacancyPipeline:
    candidates = [
        {"name": "majority", "kind": "majority"},
        {"name": "logistic", "kind": "logistic", "params": {"chars": 3}},
        {"name": "aft", "kind": "aft", "targets": ["demand"], "params": {"components": 10, "chars": 0, "trees": 20}},
    ]
    section = {"folds": 3, "trials": 1, "candidates": candidates, "demand": {"min_closed": 20}} | model
    place = f"input/{name}/"
    return VacancyPipeline.model_validate(
        {
            "pipeline": name,
            "kind": "vacancies",
            "description": "Made-up vacancies.",
            "input": {"train": place, "predict": place},
            "model": section,
        }
    )


def series_objects(count: int = 6) -> dict[str, bytes]:
    """Return two objects of seasonal series with a trend, and two rows that the contract rejects."""
    rng = np.random.default_rng(5)
    rows: dict[str, list] = {"series_id": [], "timestamp": [], "value": []}
    for i in range(count):
        n = 60 + 3 * i
        t = np.arange(n)
        values = 100 * (1 + i) * (1 + 0.01 * t) * (1 + 0.2 * np.sin(2 * np.pi * t / 12)) * rng.normal(1, 0.01, n)
        rows["series_id"] += [f"s{i}"] * n
        rows["timestamp"] += period_starts(500 + 7 * i + t, "M").astype("M8[us]").astype(object).tolist()
        rows["value"] += values.tolist()
    table = pa.table(rows)
    first = table["timestamp"][0].as_py()
    bad = pa.table({"series_id": ["s0", None], "timestamp": [first] * 2, "value": [1.0, 2.0]}, schema=table.schema)
    halves = table.slice(0, 200), pa.concat_tables([table.slice(200), bad.slice(1)])
    return {f"{name}.parquet": parquet(half) for name, half in zip("ab", halves, strict=True)}


def vacancy_objects(count: int = 300, name: str = "vacancies.parquet") -> dict[str, bytes]:
    """Return one object of vacancies whose words tell salary and lifetime; four to an employer."""
    rng = np.random.default_rng(1)
    rows = []
    for i in range(count):
        duties, pay, days = TRADES[list(TRADES)[rng.integers(3)]]
        start = NOW - timedelta(days=60 * (count - i) / count)
        end = start + timedelta(days=float(days * rng.uniform(0.7, 1.3)))
        rows.append(
            {
                "vacancy_id": f"{1000 + i}",
                "snapshot_at": NOW,
                "responsibility": " ".join(
                    rng.permutation([*duties.split(), *(f"слово{rng.integers(400)}" for _ in range(4))])
                ),
                "employer_id": f"e{i // 4}",
                "salary_from": float(pay * rng.uniform(0.95, 1.05)) if rng.random() < 0.8 else None,
                "salary_currency": "RUR",
                "published_at": start,
                "first_seen": start,
                "closed_at": end if end <= NOW else None,
            }
        )
    return {name: parquet(pa.Table.from_pylist(rows))}


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=100)
    return sink.getvalue()

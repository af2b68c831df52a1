"""Cohort models of salary and demand that are fitted in a moment."""

from functools import cache

import numpy as np
import pandas as pd

from xflow.domain.vacancies import splits, tuning
from xflow.domain.vacancies.candidates import Setting, build
from xflow.domain.vacancies.cohorts import Labels, demand_labels, salary_labels
from xflow.domain.vacancies.features import text_frame
from xflow.domain.vacancies.model import CohortModel, fit_model
from xflow.vacancy_pipeline import DemandTarget, SalaryTarget

TEXTS, CATEGORIES = ("responsibility",), ("experience_id",)
TRADES = (
    ("убирать двор и подъезды, чистить снег", 40_000, 5.0),
    ("вести учет, готовить отчеты", 120_000, 15.0),
    ("проектировать узлы станков, вести чертежи", 240_000, 30.0),
)


@cache
def small_rows(count: int = 120) -> pd.DataFrame:
    """Return raw vacancies whose words tell salary and age."""
    rng = np.random.default_rng(2)
    picked = rng.integers(0, len(TRADES), count)
    frame = pd.DataFrame({"id": [str(i) for i in range(count)]})
    frame["responsibility"] = [f"{TRADES[i][0]} слово{rng.integers(50)}" for i in picked]
    frame["experience_id"] = [str(rng.choice(["noExperience", "between1And3"])) for _ in picked]
    frame["salary_net"] = [TRADES[i][1] * rng.uniform(0.9, 1.1) for i in picked]
    frame.loc[::10, "salary_net"] = np.nan
    frame["days"] = [TRADES[i][2] * rng.uniform(0.8, 1.2) for i in picked]
    return frame


@cache
def small_cohorts(target: str) -> CohortModel:
    """Fit a linear model of a target with the cohorts that a pipeline has by default."""
    rows = small_rows()
    frame = text_frame(rows, TEXTS, CATEGORIES).assign(
        salary_net=rows["salary_net"], days=rows["days"], closed=0.0, entered=0.0, followed=rows["days"]
    )
    labels, boundaries, measure = _labels(target, frame)
    setting = Setting(TEXTS, CATEGORIES, boundaries, device="cpu")
    folds = splits.folds(np.arange(len(frame)), labels.codes, 2, 0)
    params = {"C": 1.0, "chars": 0}
    found = tuning.tune("logistic", params, {}, frame=frame, labels=labels, folds=folds, setting=setting, trials=1)
    return fit_model(
        {"linear": (1.0, build("logistic", params, setting))},
        {"linear": found.oof},
        frame=frame,
        labels=labels,
        target=target,
        boundaries=boundaries,
        measure=measure,
        texts=TEXTS,
        categories=CATEGORIES,
    )


def _labels(target: str, frame: pd.DataFrame) -> tuple[Labels, tuple[float, ...], str]:
    if target == "salary":
        salary = SalaryTarget()
        return salary_labels(frame, salary, salary.boundaries), salary.boundaries, ""
    demand = DemandTarget()
    return demand_labels(frame, demand, "age"), demand.boundaries, "age"

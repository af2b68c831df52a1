"""What the drift gate looks at in vacancies, and in their cohorts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xflow.columns import VACANCY_ID
from xflow.domain.drift import Check, Column
from xflow.domain.drift_sample import draw
from xflow.domain.vacancies.features import EMPLOYER, LEMMAS
from xflow.domain.vacancies.model import CohortModel

PREDICTED = (Check.VALUES, Check.DISTRIBUTION)
WORD = r"[^\W\d_]"


def columns(model: CohortModel) -> tuple[Column, ...]:
    """Return the columns to compare: of the texts, the categories, the salary, and the model's predictions."""
    texts = [
        column
        for text in model.texts
        for column in (
            Column(f"{text}_words", tolerance=0.1, about=f"log10 of the words of {text}"),
            Column(f"{text}_russian", tolerance=0.1, sides="low", about=f"share of Cyrillic letters in {text}"),
        )
    ]
    named = [name for name in model.categories if name != EMPLOYER]
    categories = [Column(name, "category", about=f"{name} of the vacancy") for name in named]
    salary = Column("salary", tolerance=0.1, about="log10 of the monthly net salary in roubles, where one is stated")
    chances = [
        Column(f"p_{name}", tolerance=0.05, checks=PREDICTED, about=f"predicted probability of {name}")
        for name in model.cohorts
    ]
    cohort = Column("cohort", "category", checks=PREDICTED, about="predicted cohort")
    return (*texts, *categories, salary, *chances, cohort)


def sample(frame: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Return at most `limit` vacancies, one an employer: those of one employer are alike, and would count as many.

    Vacancies of nobody known count each by itself.
    """
    employer = frame[EMPLOYER].where(frame[EMPLOYER] != "", frame[VACANCY_ID])
    order = np.lexsort((draw(frame[VACANCY_ID]), draw(employer)))
    drawn = frame.iloc[order]
    alone: pd.DataFrame = drawn[~employer.iloc[order].duplicated().to_numpy()]
    return alone.head(limit).reset_index(drop=True)


def profile(frame: pd.DataFrame, model: CohortModel, learned: Sequence[bool] | np.ndarray) -> pd.DataFrame:
    """Return the figures of vacancies and of a model's predictions; columns as in `columns`.

    Parameters
    ----------
    frame
        A features frame.
    learned
        Which texts the model was fitted on, shape (n,): what it says about those tells nothing, and is NaN.
    """
    made: dict[str, object] = {VACANCY_ID: frame[VACANCY_ID]}
    for text in model.texts:
        words = np.array([len(each.split()) for each in frame[text + LEMMAS]], dtype=np.float64)
        made[f"{text}_words"] = np.where(words > 0, np.log10(np.maximum(words, 1)), np.nan)
        letters = frame[text].str.count(WORD).to_numpy(np.float64)
        russian = frame[text].str.count("[А-Яа-яЁё]").to_numpy(np.float64)
        made[f"{text}_russian"] = np.where(letters > 0, russian / np.maximum(letters, 1), np.nan)
    for name in model.categories:
        made[name] = frame[name].where(frame[name] != "", None)
    made["salary"] = np.log10(np.maximum(frame["salary_net"].to_numpy(np.float64), 1.0))
    chances = model.probabilities(frame)
    unseen = ~np.asarray(learned, dtype=bool)
    for k, name in enumerate(model.cohorts):
        made[f"p_{name}"] = np.where(unseen, chances[:, k], np.nan)
    best = np.array(model.cohorts, dtype=object)[chances.argmax(axis=1)]
    made["cohort"] = pd.Series(best, dtype=object).where(pd.Series(unseen), None)
    return pd.DataFrame(made)

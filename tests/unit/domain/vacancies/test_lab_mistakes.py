"""What the notebook that this pipeline follows got wrong, pinned from the flat vacancy to the cohort.

Salaries on a boundary, the upper end, currency and tax are in ``test_salary`` and ``test_cohorts``.
"""

import datetime as dt

import numpy as np
import pyarrow as pa

from xflow.domain.vacancies.cohorts import demand_labels, salary_labels
from xflow.domain.vacancies.columns import VacancyColumns
from xflow.domain.vacancies.features import features_frame
from xflow.domain.vacancies.splits import groups
from xflow.vacancy_pipeline import DemandTarget, SalaryTarget

SNAPSHOT = dt.datetime(2023, 9, 4, 17, 13, 13)


def frame_of(*rows):
    """Return the features frame of flat vacancies."""
    given = [{"responsibility": "Вести учет товара на складе", "snapshot_at": SNAPSHOT} | row for row in rows]
    names = sorted({name for row in given for name in row})
    batch = pa.RecordBatch.from_pydict({name: pa.array([row.get(name) for row in given]) for name in names})
    canonical = VacancyColumns().canonical(batch, "s3://b/k")
    return features_frame(
        canonical, np.arange(len(given)), texts=("responsibility",), categories=(), rates={"USD": 0.01}
    )


def cohorts(labels):
    return [labels.cohorts[code] for code in labels.codes]


def test_an_age_ends_with_the_snapshot_and_not_on_the_day_of_training():
    published = [SNAPSHOT - dt.timedelta(days=days) for days in (9.99, 10, 20)]
    frame = frame_of(*({"vacancy_id": str(i), "published_at": at} for i, at in enumerate(published)))
    np.testing.assert_allclose(frame["days"], [9.99, 10, 20])
    found = demand_labels(frame, DemandTarget(), "age")
    assert cohorts(found) == ["age below 10 days", "age 10-20 days", "age 20 days and more"]


def test_a_salary_counts_with_its_upper_end_tax_and_currency():
    frame = frame_of(
        {"vacancy_id": "1", "salary_from": 80_000.0, "salary_to": 130_000.0, "salary_currency": "RUR"},
        {"vacancy_id": "2", "salary_from": 110_000.0, "salary_currency": "RUR", "salary_gross": True},
        {"vacancy_id": "3", "salary_from": 1_500.0, "salary_currency": "USD"},
        {"vacancy_id": "4", "salary_from": 100_000.0, "salary_currency": "RUR"},
    )
    found = salary_labels(frame, SalaryTarget(), SalaryTarget().boundaries)
    assert cohorts(found) == ["100k-150k", "below 100k", "150k-200k", "100k-150k"]


def test_copies_of_a_vacancy_are_one_group():
    # Posted again under a new number, or by another branch, with a word changed: on one side of every split.
    text = "Вести учет товара на складе, готовить отчеты, принимать заказы клиентов, проверять договоры"
    frame = frame_of(
        {"vacancy_id": "1", "employer_id": "a", "responsibility": text},
        {"vacancy_id": "2", "employer_id": "b", "responsibility": f"<highlighttext>{text}</highlighttext>..."},
        {"vacancy_id": "3", "employer_id": "c", "responsibility": text + " срочно"},
        {"vacancy_id": "4", "employer_id": "d", "responsibility": "Управлять отделом"},
        {"vacancy_id": "5", "employer_id": "a", "responsibility": "Водить машину"},
    )
    found = groups(frame["employer_id"].tolist(), frame["responsibility_lemmas"].tolist())
    assert found.tolist() == [0, 0, 0, 1, 0]

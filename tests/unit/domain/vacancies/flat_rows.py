"""Flat vacancies for the tests: a right row, changed as a test wants it."""

import datetime as dt

import pyarrow as pa

from xflow.domain.vacancies.columns import VacancyColumns
from xflow.schema import VACANCY_SCHEMA

GOOD = dict.fromkeys(VACANCY_SCHEMA.names) | {
    "vacancy_id": "1",
    "snapshot_at": dt.datetime(2023, 9, 4, 12),
    "responsibility": "Писать сервисы на Python",
    "name": "Программист",
    "employer_id": "1455",
    "employer_name": "HeadHunter",
    "area_id": "1",
    "professional_role_id": "96",
    "salary_from": 100_000.0,
    "salary_to": 150_000.0,
    "salary_currency": "RUR",
    "salary_gross": False,
    "published_at": dt.datetime(2023, 9, 1, 12),
}


def flat(*rows, **changed):
    """Return a canonical batch of right rows, each with its own changes and those given for all."""
    made = [GOOD | changed | row for row in rows or ({},)]
    batch = pa.RecordBatch.from_pylist(made, schema=pa.schema([field.with_nullable(True) for field in VACANCY_SCHEMA]))
    return VacancyColumns().canonical(batch, "s3://b/k")


def at(text):
    return dt.datetime.fromisoformat(text)

"""The shared dumps of hh.ru as features frames, and the labels that the lab gave them."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from xflow.domain.vacancies.cohorts import Labels, demand_labels, salary_labels
from xflow.domain.vacancies.columns import VacancyColumns
from xflow.domain.vacancies.features import features_frame
from xflow.domain.vacancies.splits import groups
from xflow.schema import VACANCY_SCHEMA
from xflow.vacancy_pipeline import TEXTS, DemandTarget, SalaryTarget

REPOSITORY = Path(__file__).resolve().parents[1]
CATEGORIES = ("area_id", "professional_role_id", "experience_id", "employment_id", "schedule_id")
RATES = {"": 1.0, "USD": 0.0137, "EUR": 0.0117, "KZT": 5.8}
"""Units of a currency for one rouble, about as in 2021; in the oldest dump the currency is lost."""

GIVEN = {"vacancy_id": "id", "professional_role_id": "professional_role_ids"} | {
    "professional_role": "professional_role_names"
}


def folder() -> Path:
    """Return where the dumps lie: below ``XFLOW_DATA``, or below the repository's neighbour ``shared/data``."""
    return Path(os.environ.get("XFLOW_DATA") or REPOSITORY.parent / "shared" / "data") / "vacancies"


def load(path: Path) -> pd.DataFrame:
    """Return the vacancies of a dump as a features frame, one row an id, with `salary_from` and `rouble` besides."""
    table = pq.read_table(path)
    given = GIVEN | ({"published_at": "created_at"} if path.parent.name.startswith("2019") else {})
    wanted = {*VACANCY_SCHEMA.names} - {*given} | {*given.values()}
    columns = VacancyColumns(given, tuple(name for name in table.schema.names if name not in wanted))
    columns.check(table.schema, str(path))
    batches = [columns.canonical(batch, str(path)) for batch in table.select(_read(columns, table)).to_batches()]
    rows = pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
    frame = features_frame(rows, np.arange(rows.num_rows), texts=TEXTS, categories=CATEGORIES, rates=RATES)
    frame["salary_from"] = rows.column("salary_from").to_numpy(zero_copy_only=False)
    currency = rows.column("salary_currency").to_pandas()
    frame["rouble"] = (currency.isna() | (currency == "RUR")).to_numpy()
    known = (frame["responsibility"] != "") & rows.column("snapshot_at").is_valid().to_numpy(zero_copy_only=False)
    return frame[known].drop_duplicates("vacancy_id", keep="last").reset_index(drop=True)


def lab_salary(frame: pd.DataFrame) -> Labels:
    """Return the lab's salary cohorts, by the lower end as stated, with a figure on a boundary where it belongs."""
    target = SalaryTarget()
    lower = frame["salary_from"]
    return salary_labels(frame.assign(salary_net=lower, salary_stated=lower.notna()), target, target.boundaries)


def net_salary(frame: pd.DataFrame) -> Labels:
    """Return the pipeline's salary cohorts: midpoint, monthly, net, in roubles."""
    target = SalaryTarget()
    return salary_labels(frame, target, target.boundaries)


def age(frame: pd.DataFrame) -> Labels:
    """Return the demand cohorts that one snapshot allows: by the age so far."""
    return demand_labels(frame, DemandTarget(), "age")


def group(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return which rows share an employer or nearly the same text."""
    return groups(frame["employer_id"].tolist(), frame["responsibility_lemmas"].tolist())


def _read(columns: VacancyColumns, table: pa.Table) -> list[str]:
    return [name for name in columns.names if name in table.schema.names]

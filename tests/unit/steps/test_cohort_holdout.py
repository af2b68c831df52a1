"""The holdout of the shared dumps of hh.ru is like the whole."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xflow.domain.vacancies.columns import VacancyColumns
from xflow.domain.vacancies.features import features_frame
from xflow.schema import VACANCY_SCHEMA
from xflow.steps.kinds.cohort_data import CohortTarget, group_numbers
from xflow.vacancy_pipeline import CATEGORIES, TEXTS, CohortSection

DATA = Path(os.environ.get("XFLOW_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")
DUMPS = sorted((DATA / "vacancies").glob("*/vacancies.parquet"))
GIVEN = {
    "vacancy_id": "id",
    "professional_role_id": "professional_role_ids",
    "professional_role": "professional_role_names",
}
pytestmark = pytest.mark.skipif(not DUMPS, reason=f"no dumps in {DATA}/vacancies: set XFLOW_DATA")


def frame_of(path):
    table = pq.read_table(path)
    given = GIVEN | ({"published_at": "created_at"} if path.parent.name.startswith("2019") else {})
    known = {*VACANCY_SCHEMA.names, *given.values()} - {*given}
    columns = VacancyColumns(given, tuple(name for name in table.schema.names if name not in known))
    read = table.select([name for name in columns.names if name in table.schema.names]).to_batches()
    canonical = pa.Table.from_batches([columns.canonical(batch, str(path)) for batch in read])
    batch = canonical.combine_chunks().to_batches()[0]
    rates = {"": 1.0, "USD": 0.0137, "EUR": 0.0117, "KZT": 5.8}
    frame = features_frame(batch, np.arange(batch.num_rows), texts=TEXTS, categories=CATEGORIES, rates=rates)
    known = (frame["responsibility"] != "") & batch.column("snapshot_at").is_valid().to_numpy(zero_copy_only=False)
    return frame[known].drop_duplicates("vacancy_id").reset_index(drop=True)


@pytest.mark.parametrize("path", DUMPS, ids=[path.parent.name for path in DUMPS])
def test_the_holdout_of_a_dump_is_like_the_whole(path):
    """Cohorts within 1 point, filled fields within 4, rows an employer within a twentieth."""
    frame = frame_of(path)
    group = group_numbers(frame)
    section = CohortSection.model_validate({"candidates": [{"name": "majority", "kind": "majority"}]})
    for target, measure in (("salary", ""), ("demand", "age")):
        chosen = CohortTarget(section, target)
        data = chosen.data(frame, chosen.fixed, measure, 2)
        every = chosen._labels(frame, chosen.fixed, measure)
        judged = np.flatnonzero(every.judged)
        held = np.flatnonzero(frame["vacancy_id"].isin(data.holdout["vacancy_id"]))
        assert len(held) == pytest.approx(0.2 * len(judged), rel=0.05)
        shares = every.feasible[held].mean(axis=0), every.feasible[judged].mean(axis=0)
        assert shares[0] == pytest.approx(shares[1], abs=0.01)
        for name in (*TEXTS, *CATEGORIES):
            filled = frame[name] != ""
            assert filled.iloc[held].mean() == pytest.approx(filled.iloc[judged].mean(), abs=0.04), name
        rows = [len(each) / len(np.unique(group[each])) for each in (held, judged)]
        assert rows[0] == pytest.approx(rows[1], rel=0.05)
        assert not set(group[held]) & set(group[frame["vacancy_id"].isin(data.frame["vacancy_id"])])

"""Predicted cohorts beside those that the vacancies turned out to be of."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from xflow.columns import SNAPSHOT_AT, VACANCY_ID
from xflow.domain.monitoring import Cell
from xflow.domain.vacancies import cohorts
from xflow.domain.vacancies.cohorts import Labels
from xflow.domain.vacancies.features import features_frame
from xflow.domain.vacancies.metrics import row_losses
from xflow.schema import VACANCY_SCHEMA
from xflow.vacancy_pipeline import CohortSection

TIMES = ("published_at", "initial_created_at", "first_seen", "last_seen", "closed_at")

FACTS = (
    *(VACANCY_ID, SNAPSHOT_AT, "employer_id", "employer_name", "area_id", "area_name"),
    *("professional_role_id", "professional_role"),
    *("salary_from", "salary_to", "salary_currency", "salary_gross", "salary_rate", "salary_mode"),
    *(*TIMES, "publications"),
)
"""What must be known of a vacancy to say its cohorts, and to tell its part of the market."""

OUTCOME_SCHEMA = pa.schema(
    [
        *[pa.field(name, pa.string()) for name in ("run_key", "target", "cohort", "probabilities")],
        *[pa.field(name, pa.string()) for name in ("model_name", "model_version", "window_start")],
        *[pa.field(name, pa.bool_()) for name in ("newest", "newest_of_version", "learned")],
        *[VACANCY_SCHEMA.field(name) for name in FACTS],
    ]
)
"""One prediction beside the newest facts of its vacancy.

`newest` and `newest_of_version`: no newer prediction of the vacancy in its window (by this version). `learned`: the
training of the version read the vacancy.
"""

SHOWN = 50  # parts of a slice, the largest ones


@dataclass(frozen=True, slots=True)
class Basis:
    """What a model's cohorts are made from.

    Attributes
    ----------
    boundaries, measure
        As in `xflow.refs.FoldPlan`.
    known_until
        Newest time that its training knew; None: not known.
    """

    boundaries: tuple[float, ...]
    measure: str
    known_until: datetime | None


class RealisedCohorts:
    """Sums up, batch by batch, how well predicted cohorts met the actual ones.

    A prediction is judged when the cohort is known (of a lifetime: when it would be by now whichever it is) and the
    model could not have learned it: its training did not read the vacancy, or did not know the cohort yet. An age so
    far is no outcome: models of ages are not judged.

    Parameters
    ----------
    section
        The `model` section of the pipeline's file.
    rates
        As in `VacancyChecker`.
    bases
        By target and version; predictions of other versions are left out.
    as_of
        When the facts are looked at.
    """

    def __init__(
        self,
        section: CohortSection,
        rates: Mapping[str, float],
        bases: Mapping[tuple[str, str], Basis],
        as_of: datetime,
    ) -> None:
        self._section, self._rates, self._bases, self._as_of = section, rates, bases, as_of
        self._sums: dict[tuple[str, str, str, str], np.ndarray] = defaultdict(lambda: np.zeros(3))

    def add(self, batch: pa.RecordBatch) -> None:
        """Judge a batch of `OUTCOME_SCHEMA`."""
        made = batch.select(["target", "model_version"]).to_pandas()
        for (target, version), rows in made.groupby(["target", "model_version"]).indices.items():
            basis = self._bases.get((target, version))
            if basis is not None:
                self._add(batch.take(pa.array(rows)), target, version, basis)

    def cells(self) -> list[Cell]:
        """Return the figures of every part: `log_loss` and `accuracy`."""
        found: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
        for (target, version, name, item), (n, loss, right) in sorted(self._sums.items()):
            figures = {"log_loss": float(loss / n), "accuracy": float(right / n)}
            found[target, version, name].append(Cell(target, version, name, item, int(n), figures))
        return [cell for (_, _, name), cells in found.items() for cell in _shown(name, cells)]

    def _add(self, batch: pa.RecordBatch, target: str, version: str, basis: Basis) -> None:
        labels = self._labels(batch, target, basis, self._as_of)
        if labels is None:
            return
        told = [json.loads(text) for text in batch.column("probabilities").to_pylist()]
        same = np.array([each.keys() == set(labels.cohorts) for each in told], dtype=bool)
        shares = np.array([[each.get(name, np.nan) for name in labels.cohorts] for each in told], dtype=np.float64)
        judged = labels.judged & same & ~self._learned(batch, target, basis)
        rows = np.flatnonzero(judged)
        if not len(rows):
            return
        actual = np.array(labels.cohorts, dtype=object)[labels.codes[rows]]
        chosen = batch.take(pa.array(rows)).to_pandas()
        figures = pd.DataFrame(
            {
                "n": 1.0,
                "loss": row_losses(shares[rows], labels.feasible[rows]),
                "right": (chosen["cohort"].to_numpy() == actual).astype(np.float64),
            }
        )
        for kept, of_version, name, items in _parts(chosen, actual):
            for item, sums in figures[kept].groupby(items[kept]).sum().iterrows():
                self._sums[target, version if of_version else "", name, str(item)] += sums.to_numpy()

    def _labels(self, batch: pa.RecordBatch, target: str, basis: Basis, as_of: datetime) -> Labels | None:
        """Return the labels as they are known at a time; see `xflow.domain.vacancies.cohorts`."""
        if target == "demand" and basis.measure == "age":
            return None
        rows = batch.select([field.name for field in VACANCY_SCHEMA if field.name in FACTS])
        ids = np.arange(len(rows), dtype=np.int64)
        frame = features_frame(rows, ids, texts=(), categories=(), rates=self._rates, as_of=as_of)
        if target == "demand":
            demand = self._section.demand
            return None if demand is None else cohorts.demand_labels(frame, demand, basis.measure)
        salary = self._section.salary
        return None if salary is None else cohorts.salary_labels(frame, salary, basis.boundaries)

    def _learned(self, batch: pa.RecordBatch, target: str, basis: Basis) -> np.ndarray:
        """Return which cohorts the training may have known, shape (n,): it read the vacancy and its cohort was known.

        A salary is known from the beginning, a lifetime when it has ended, or would be known whichever it is.
        """
        read = batch.column("learned").to_numpy(zero_copy_only=False).astype(bool)
        if target != "demand" or basis.known_until is None:
            return np.asarray(read)
        labels = self._labels(_known_by(batch, basis.known_until), target, basis, basis.known_until)
        return np.asarray(read & labels.judged) if labels is not None else np.asarray(read)


def _known_by(batch: pa.RecordBatch, moment: datetime) -> pa.RecordBatch:
    """Return the facts of a batch as of an earlier moment: times after it are null."""
    until = pa.scalar(moment, pa.timestamp("us"))
    then = {name: pc.if_else(pc.less_equal(batch.column(name), until), batch.column(name), None) for name in TIMES}
    then[SNAPSHOT_AT] = pa.array([moment] * len(batch), pa.timestamp("us"))
    columns = [then.get(name, batch.column(name)) for name in batch.schema.names]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _parts(rows: pd.DataFrame, actual: np.ndarray) -> Iterator[tuple[np.ndarray, bool, str, pd.Series]]:
    """Yield the flags of the rows that count, whether by version, the slice, and each row's item in it."""
    newest, of_version = rows["newest"].to_numpy(bool), rows["newest_of_version"].to_numpy(bool)
    whole = pd.Series("", index=rows.index)
    for kept, by_version in ((newest, False), (of_version, True)):
        yield kept, by_version, "all", whole
        yield kept, by_version, "window", rows["window_start"]
    yield newest, False, "cohort", pd.Series(actual, index=rows.index)
    for name, told, code in (("role", "professional_role", "professional_role_id"), ("area", "area_name", "area_id")):
        yield newest, False, name, rows[told].where(rows[told].notna(), rows[code]).fillna("unknown")
    yield np.ones(len(rows), dtype=bool), False, "run", rows["run_key"]


def _shown(name: str, cells: list[Cell]) -> list[Cell]:
    if name not in ("role", "area"):
        return cells
    return sorted(cells, key=lambda cell: (-cell.n, cell.item))[:SHOWN]

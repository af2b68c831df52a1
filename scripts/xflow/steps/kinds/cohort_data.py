"""What the models of one target learn from, and what they are judged by."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xflow.columns import ROW_ID, VACANCY_ID
from xflow.domain.vacancies import cohorts, splits
from xflow.domain.vacancies.cohorts import Labels
from xflow.domain.vacancies.features import LEMMAS
from xflow.domain.vacancies.holdout import Split, draws, holdout
from xflow.domain.vacancies.records import to_frame
from xflow.errors import ContractViolated
from xflow.ports import FeatureStore
from xflow.refs import FeatureSetRef
from xflow.vacancy_pipeline import CohortSection

QUARTERS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class CohortData:
    """One plan's data.

    Attributes
    ----------
    frame, labels
        What may be learned from, and the cohorts that each vacancy may belong to.
    folds
        Positions of the training and the test part of every fold, within `frame`.
    holdout, holdout_labels
        Vacancies of other employers and texts, like all in cohorts, sizes of employers, fields and times.
    """

    frame: pd.DataFrame
    labels: Labels
    folds: list[tuple[np.ndarray, np.ndarray]]
    holdout: pd.DataFrame
    holdout_labels: Labels


@dataclass(frozen=True)
class Frozen:
    """How a target is cut out of a feature set; see `xflow.refs.FoldPlan`."""

    boundaries: tuple[float, ...]
    measure: str
    holdout_hash: str
    scored: int


class CohortTarget:
    """One target of a vacancies pipeline.

    Parameters
    ----------
    section
        The `model` section of the pipeline's file.
    name
        ``salary`` or ``demand``.
    """

    def __init__(self, section: CohortSection, name: str) -> None:
        self._section, self._name = section, name
        self._demand = section.demand if name == "demand" else None
        self._salary = section.salary if name == "salary" else None

    @property
    def fixed(self) -> tuple[float, ...]:
        """The boundaries that the pipeline's file fixes, none when they are fitted."""
        if self._demand is not None:
            return self._demand.boundaries
        if self._salary is not None and self._salary.quantiles is None:
            return self._salary.boundaries
        return ()

    def freeze(self, frame: pd.DataFrame) -> Frozen:
        """Choose the measure, split, and fit the boundaries on the training part.

        Raises
        ------
        ContractViolated
            Nothing can be learned: no salary is stated, all vacancies are of one cohort, or of too few employers.
        """
        measure = cohorts.demand_measure(frame, self._demand) if self._demand is not None else ""
        first = self._labels(frame, self._boundaries(frame), measure)
        cohorts.check_labels(first, self._name, self._section.folds)
        split = self._split(frame, first)
        boundaries = self._boundaries(frame.iloc[split.train])
        labels = self._labels(frame, boundaries, measure)
        if not self.fixed:
            # The same is learned from, but other vacancies may be held out, to be like all by these cohorts.
            split = self._split(frame, labels)
        learned = labels.take(split.train)
        cohorts.check_labels(learned, self._name, self._section.folds)
        content = content_hash(frame.iloc[split.holdout], labels.take(split.holdout))
        return Frozen(boundaries, measure, content, int(learned.judged.sum()))

    def data(self, frame: pd.DataFrame, boundaries: tuple[float, ...], measure: str, folds: int) -> CohortData:
        """Split a frame as it was frozen."""
        labels = self._labels(frame, boundaries, measure)
        split = self._split(frame, labels)
        learned = labels.take(split.train)
        train = frame.iloc[split.train].reset_index(drop=True)
        # Stratified by what is judged: a fold without any of a cohort could not be scored for it.
        codes = np.where(learned.judged, learned.codes, -1)
        return CohortData(
            train,
            learned,
            splits.folds(group_numbers(train), codes, folds, self._section.seed),
            frame.iloc[split.holdout].reset_index(drop=True),
            labels.take(split.holdout),
        )

    def _boundaries(self, frame: pd.DataFrame) -> tuple[float, ...]:
        return self.fixed if self._salary is None else cohorts.salary_boundaries(frame, self._salary)

    def _labels(self, frame: pd.DataFrame, boundaries: tuple[float, ...], measure: str) -> Labels:
        if self._demand is not None:
            return cohorts.demand_labels(frame, self._demand, measure)
        assert self._salary is not None  # noqa: S101  # a plan is of one of the pipeline's targets
        return cohorts.salary_labels(frame, self._salary, boundaries)

    def _split(self, frame: pd.DataFrame, labels: Labels) -> Split:
        """Hold out judged vacancies of employers that no training ever learns from; see the module `holdout`."""
        groups = group_numbers(frame)
        named = frame["employer_id"].to_numpy() != ""
        usable = np.flatnonzero(labels.usable)
        drawn = draws(groups, identities(frame), named)[usable]
        traits = np.column_stack([labels.feasible, _traits(frame, labels.judged)])[usable]
        parts = holdout(groups[usable], drawn, labels.judged[usable], traits, self._section.holdout)
        return Split(*(usable[rows] for rows in (parts.train, parts.holdout, parts.unused)))


def read_frame(features: FeatureStore, ref: FeatureSetRef) -> pd.DataFrame:
    """Return the features frame of a ready set.

    Raises
    ------
    ContractViolated
        It is empty.
    """
    facts, blocks = features.read(ref)
    frame = to_frame(facts, blocks)
    if frame.empty:
        raise ContractViolated(f"feature set {ref.id}: no vacancy is known up to as_of. Choose a later one.")
    return frame


def identities(frame: pd.DataFrame) -> np.ndarray:
    """Return what each vacancy may be known again by, shape (n, 3); see `splits.identities`."""
    names = (VACANCY_ID, "employer_id", "responsibility_lemmas")
    return splits.identities(*(frame[name].tolist() for name in names))


def group_numbers(frame: pd.DataFrame) -> np.ndarray:
    """Return the number of each vacancy's group, shape (n,): one employer's and near-duplicate texts are one."""
    return splits.groups(frame["employer_id"].tolist(), frame["responsibility_lemmas"].tolist())


def _traits(frame: pd.DataFrame, judged: np.ndarray) -> np.ndarray:
    """Return what of each vacancy the holdout is to have as often as all: its fields, and its quarter by time."""
    texts = frame.select_dtypes(object)
    filled = [texts[name] != "" for name in texts.columns if not str(name).endswith(LEMMAS)]
    began = -frame["followed"] if frame["has_history"].any() else frame["published"]
    times = np.nan_to_num(began.to_numpy(np.float64))
    quarters = np.searchsorted(np.quantile(times[judged], QUARTERS), times) if judged.any() else np.zeros(len(times))
    return np.column_stack([*filled, quarters[:, None] == np.arange(len(QUARTERS) + 1)])


def content_hash(frame: pd.DataFrame, labels: Labels) -> str:
    """Name a holdout by its content: ids, texts and cohorts."""
    content = hashlib.sha256(pd.util.hash_pandas_object(frame.drop(columns=[ROW_ID]), index=False).to_numpy().tobytes())
    content.update(labels.feasible.tobytes())
    return content.hexdigest()

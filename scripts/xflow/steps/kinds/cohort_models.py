"""The models of a vacancies pipeline: cohorts learned from texts, judged by employers that they never saw."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import batched, chain
from typing import Any

import numpy as np
import pandas as pd

from xflow.columns import ROW_ID, VACANCY_ID
from xflow.domain.tuning import TuneResult
from xflow.domain.vacancies import cohorts, figures, metrics, splits, tuning
from xflow.domain.vacancies.candidates import Setting, build
from xflow.domain.vacancies.cohorts import Labels
from xflow.domain.vacancies.model import CohortModel, combine, fit_model
from xflow.domain.vacancies.records import to_frame
from xflow.errors import ContractViolated
from xflow.ports import FeatureStore
from xflow.refs import CheckedInput, FeatureSetRef, FittedModel, FoldPlan, Selection
from xflow.steps.kinds import Champion, Fitted, Predicted, Progress
from xflow.vacancy_pipeline import CohortCandidate, VacancyPipeline

VACANCIES_A_CHUNK = 4_096
EXAMPLE_ROWS = 5


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
        The newest vacancies, of other employers and texts.
    """

    frame: pd.DataFrame
    labels: Labels
    folds: list[tuple[np.ndarray, np.ndarray]]
    holdout: pd.DataFrame
    holdout_labels: Labels


class CohortModels:
    """What is special to models of cohorts; see `xflow.steps.kinds.ModelKind`."""

    unit = "vacancies"
    fewest = 30

    def __init__(self, pipeline: VacancyPipeline) -> None:
        self._pipeline, self._model = pipeline, pipeline.model

    def plan(
        self,
        ref: FeatureSetRef,
        target: str,
        horizon: int | None,  # noqa: ARG002  # vacancies have none
        trials: int,
        features: FeatureStore,
    ) -> FoldPlan:
        """Return the plan that every candidate of a target is tuned and judged by.

        The newest vacancies that a model can be judged by are the holdout, whole employers and near-duplicate
        texts at a time; no candidate sees them, or others of their employers, before the promotion.

        Raises
        ------
        ContractViolated
            Nothing can be learned: no salary is stated, all vacancies are of one cohort, or of too few employers.
        """
        frame = self._read(ref, features)
        measure = self._measure(frame, target)
        split = self._split(frame, self._labels(frame, target, self._boundaries(frame, target), measure), measure)
        train = frame.iloc[split.train]
        boundaries = self._boundaries(train, target)
        labels = self._labels(frame, target, boundaries, measure)
        learned, held = labels.take(split.train), labels.take(split.holdout)
        cohorts.check_labels(learned, target, self._model.folds)
        return FoldPlan(
            feature_set=ref,
            target=target,
            folds=self._model.folds,
            trials=trials,
            holdout_hash=_hash(frame.iloc[split.holdout], held),
            scored=int(learned.judged.sum()),
            boundaries=boundaries,
            measure=measure,
        )

    def params(self, plan: FoldPlan) -> dict[str, object]:
        """Return what the target was made from, and what the models see."""
        return {
            "target": plan.target,
            "measure": plan.measure,
            "boundaries": json.dumps(plan.boundaries),
            "texts": ",".join(self._model.texts),
            "categories": ",".join(self._model.categories),
        }

    def data(self, plan: FoldPlan, features: FeatureStore) -> CohortData:
        """Read the plan's feature set and split it as planned."""
        frame = self._read(plan.feature_set, features)
        labels = self._labels(frame, plan.target, plan.boundaries, plan.measure)
        split = self._split(frame, labels, plan.measure)
        learned = labels.take(split.train)
        train = frame.iloc[split.train].reset_index(drop=True)
        # Stratified by what is judged: a fold without any of a cohort could not be scored for it.
        codes = np.where(learned.judged, learned.codes, -1)
        return CohortData(
            train,
            learned,
            splits.folds(self._groups(train), codes, plan.folds, self._model.seed),
            frame.iloc[split.holdout].reset_index(drop=True),
            labels.take(split.holdout),
        )

    def tune(
        self, candidate: CohortCandidate, data: CohortData, plan: FoldPlan, progress: Progress | None
    ) -> TuneResult:
        """Search a candidate's parameters by cross-validation over employers."""
        return tuning.tune(
            candidate.kind,
            candidate.params,
            candidate.search,
            frame=data.frame,
            labels=data.labels,
            folds=data.folds,
            setting=self._setting(plan),
            trials=plan.trials,
            progress=progress,
        )

    def combine(self, oof: Mapping[str, np.ndarray], data: CohortData) -> tuple[dict[str, float], float]:
        """Return the members' weights and the log loss of their average; `oof` has shape (n, k)."""
        return combine(oof, data.labels, data.folds)

    def fit(self, data: CohortData, plan: FoldPlan, selection: Selection, oof: Mapping[str, np.ndarray]) -> Fitted:
        """Fit the members without the holdout, calibrate them out of fold, and score the model on the holdout."""
        weights = dict(zip((member.name for member in selection.members), selection.weights, strict=True))
        setting = self._setting(plan)
        candidates = {
            member.name: (weights[member.name], build(member.kind, member.params, setting))
            for member in selection.members
        }
        model = fit_model(
            candidates,
            oof,
            frame=data.frame,
            labels=data.labels,
            target=plan.target,
            boundaries=plan.boundaries,
            measure=plan.measure,
            texts=self._model.texts,
            categories=self._model.categories,
        )
        floor = build(selection.floor.kind, selection.floor.params, setting).fit(data.frame, data.labels)
        made, naive = model.probabilities(data.holdout), floor.probabilities(data.holdout)
        found = {f"holdout_{name}": value for name, value in metrics.scores(made, data.holdout_labels).items()}
        found["holdout_log_loss_floor"] = metrics.log_loss(naive, data.holdout_labels)
        found["holdout_vacancies"] = float(data.holdout_labels.judged.sum())
        example = data.frame[[*self._model.texts, *self._model.categories]].head(EXAMPLE_ROWS)
        model = replace(model, learned=frozenset(_identities(data.frame).ravel().tolist()))
        return Fitted(model, found, figures.figures(model, data.holdout, made, data.holdout_labels), example)

    def description(self, plan: FoldPlan, fitted: FittedModel) -> str:
        """Return the members, the target and what it was made from."""
        members = ", ".join(f"{name} {weight:.0%}" for name, weight in fitted.weights.items())
        made_from = {"lifetime": "days from the first sight to the end", "age": "age so far, which is no lifetime"}
        target = f"{plan.target} cohorts by {made_from.get(plan.measure, 'monthly net roubles')}"
        return f"{members}; {target}, from {', '.join((*self._model.texts, *self._model.categories))}"

    def errors(self, model: CohortModel, data: CohortData) -> np.ndarray:
        """Return each vacancy's log loss on the holdout, shape (n,).

        NaN where it cannot be judged: its cohort is not known yet, or the model learned from it, from another vacancy
        of its employer, or from its text.
        """
        losses = metrics.row_losses(model.probabilities(data.holdout), data.holdout_labels.feasible)
        seen = np.isin(_identities(data.holdout), np.array([*model.learned], dtype=np.uint64)).any(axis=1)
        return np.where(data.holdout_labels.judged & ~seen, losses, np.nan)

    def mismatch(self, model: CohortModel, plan: FoldPlan | None = None) -> str | None:
        """Return what a model was trained for and the pipeline now says otherwise, or None when they agree.

        Against a plan, the cohorts must be those of the plan; without one, those that the pipeline fixes.
        """
        wanted: list[tuple[str, Sequence[object], Sequence[object]]]
        wanted = [("texts", self._model.texts, model.texts), ("categories", self._model.categories, model.categories)]
        if plan is not None:
            wanted += [("boundaries", plan.boundaries, model.boundaries), ("measure", plan.measure, model.measure)]
        elif fixed := self._fixed(model.target):
            wanted += [("boundaries", fixed, model.boundaries)]
        differ = [f"{name} {found} (now {now})" for name, now, found in wanted if tuple(now) != tuple(found)]
        return f"trained for {', '.join(differ)}" if differ else None

    def predictions(
        self,
        champions: Mapping[str, Champion],
        ref: FeatureSetRef,
        checked: CheckedInput,  # noqa: ARG002  # the features are of its as_of
        horizon: int | None,  # noqa: ARG002  # vacancies have none
        features: FeatureStore,
    ) -> Iterator[Predicted]:
        """Predict the cohort of every vacancy for each target."""
        facts, blocks = features.read(ref)
        for chunk in batched(blocks, VACANCIES_A_CHUNK):
            frame = to_frame(facts, chunk)
            made = [_columns(champion, target, frame) for target, champion in champions.items()]
            yield Predicted({name: [*chain(*(part[name] for part in made))] for name in made[0]}, len(frame))

    def _read(self, ref: FeatureSetRef, features: FeatureStore) -> pd.DataFrame:
        facts, blocks = features.read(ref)
        frame = to_frame(facts, blocks)
        if frame.empty:
            raise ContractViolated(f"{self._pipeline.name}: no vacancy is known up to as_of. Choose a later one.")
        return frame

    def _measure(self, frame: pd.DataFrame, target: str) -> str:
        if target == "demand" and self._model.demand is not None:
            return cohorts.demand_measure(frame, self._model.demand)
        return ""

    def _boundaries(self, frame: pd.DataFrame, target: str) -> tuple[float, ...]:
        if target == "salary" and self._model.salary is not None:
            return cohorts.salary_boundaries(frame, self._model.salary)
        return self._fixed(target)

    def _fixed(self, target: str) -> tuple[float, ...]:
        """Return the boundaries that the pipeline's file fixes, none when they are fitted."""
        if target == "demand" and self._model.demand is not None:
            return self._model.demand.boundaries
        if target == "salary" and self._model.salary is not None and self._model.salary.quantiles is None:
            return self._model.salary.boundaries
        return ()

    def _labels(self, frame: pd.DataFrame, target: str, boundaries: tuple[float, ...], measure: str) -> Labels:
        if target == "demand" and self._model.demand is not None:
            return cohorts.demand_labels(frame, self._model.demand, measure)
        assert self._model.salary is not None  # noqa: S101  # a plan is of one of the pipeline's targets
        return cohorts.salary_labels(frame, self._model.salary, boundaries)

    def _groups(self, frame: pd.DataFrame) -> np.ndarray:
        return splits.groups(frame["employer_id"].tolist(), frame["responsibility_lemmas"].tolist())

    def _split(self, frame: pd.DataFrame, labels: Labels, measure: str) -> splits.Split:
        """Hold out the newest judged vacancies; learn from older ones that share no group with them.

        Younger ones, which cannot be judged yet, are not learned from: they will be the holdout of a later training,
        which must not find a champion that knows them.
        """
        groups = self._groups(frame)
        judged = np.flatnonzero(labels.judged)
        times = self._times(frame, groups, measure)
        parts = splits.holdout(times[judged], groups[judged], self._model.holdout)
        held = judged[parts.holdout]
        older = times < times[held].min()
        other = labels.usable & ~labels.judged & older & ~np.isin(groups, groups[held])
        train = np.union1d(judged[parts.train], np.flatnonzero(other))
        return splits.Split(train, held, np.setdiff1d(np.flatnonzero(labels.usable), np.union1d(train, held)))

    def _times(self, frame: pd.DataFrame, groups: np.ndarray, measure: str) -> np.ndarray:
        """Return what orders the vacancies from old to new, shape (n,).

        Publication moves forward while a vacancy lives, so with a history it is their beginnings. The age so far
        of a snapshot is time itself: the newest would all be of one cohort, so whole groups are drawn instead, by
        their employers' names, so that the same ones are drawn again later.
        """
        if measure == "age":
            drawn = np.full(groups.max() + 1, np.inf)
            np.minimum.at(drawn, groups, _identities(frame)[:, 1].astype(np.float64))
            return np.asarray(drawn[groups])
        began = frame["has_history"].any()
        return np.asarray(-frame["followed"].to_numpy() if began else frame["published"].to_numpy())

    def _setting(self, plan: FoldPlan) -> Setting:
        model = self._model
        return Setting(model.texts, model.categories, plan.boundaries, model.seed, model.device)


def _columns(champion: Champion, target: str, frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the output's columns of one target."""
    names = champion.model.cohorts
    shares = champion.model.probabilities(frame)
    best = shares.argmax(axis=1)
    n = len(frame)
    return {
        "vacancy_id": frame[VACANCY_ID].tolist(),
        "target": [target] * n,
        "cohort": [names[i] for i in best],
        "probability": shares.max(axis=1).tolist(),
        "probabilities": [
            json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in shares.tolist()
        ],
        "model_name": [champion.version.name] * n,
        "model_version": [champion.version.version] * n,
        "input_row_id": frame[ROW_ID].tolist(),
    }


def _identities(frame: pd.DataFrame) -> np.ndarray:
    names = (VACANCY_ID, "employer_id", "responsibility_lemmas")
    return splits.identities(*(frame[name].tolist() for name in names))


def _hash(frame: pd.DataFrame, labels: Labels) -> str:
    """Name the holdout by its content: ids, texts and cohorts."""
    content = hashlib.sha256(pd.util.hash_pandas_object(frame.drop(columns=[ROW_ID]), index=False).to_numpy().tobytes())
    content.update(labels.feasible.tobytes())
    return content.hexdigest()

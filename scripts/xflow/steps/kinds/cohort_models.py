"""The models of a vacancies pipeline: cohorts learned from texts, judged by employers that they never saw."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import batched, chain
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from xflow.columns import ROW_ID, VACANCY_ID
from xflow.domain.tuning import TuneResult
from xflow.domain.vacancies import figures, metrics, tuning
from xflow.domain.vacancies.candidates import Setting, build
from xflow.domain.vacancies.features import duties_alone
from xflow.domain.vacancies.model import CohortModel, combine, fit_model
from xflow.domain.vacancies.records import to_frame
from xflow.errors import ConfigInvalid
from xflow.ports import FeatureStore, ObjectStore
from xflow.refs import CheckedInput, FeatureSetRef, FittedModel, FoldPlan, Selection
from xflow.steps.kinds import Champion, Fitted, Predicted, Progress
from xflow.steps.kinds.cohort_data import CohortData, CohortTarget, content_hash, group_numbers, identities, read_frame
from xflow.steps.kinds.holdout import cohort_holdout
from xflow.vacancy_pipeline import CohortCandidate, VacancyPipeline

VACANCIES_A_CHUNK = 4_096
EXAMPLE_ROWS = 5


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
        horizon: int | None,
        trials: int,
        features: FeatureStore,
    ) -> FoldPlan:
        """Return the plan that every candidate of a target is tuned and judged by.

        The holdout is of employers that no training learns from, near-duplicate texts included, and like all
        vacancies that a model can be judged by.

        Raises
        ------
        ContractViolated
            Nothing can be learned: no salary is stated, all vacancies are of one cohort, or of too few employers.
        """
        _no_horizon(horizon)
        frame = read_frame(features, ref)
        made = CohortTarget(self._model, target).freeze(frame)
        return FoldPlan(
            feature_set=ref,
            target=target,
            folds=self._model.folds,
            trials=trials,
            holdout_hash=made.holdout_hash,
            scored=made.scored,
            boundaries=made.boundaries,
            measure=made.measure,
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
        target = CohortTarget(self._model, plan.target)
        return target.data(read_frame(features, plan.feature_set), plan.boundaries, plan.measure, plan.folds)

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
        alone = model.probabilities(duties_alone(data.holdout, self._model.texts, self._model.categories))
        found["holdout_log_loss_duties_alone"] = metrics.log_loss(alone, data.holdout_labels)
        found["holdout_vacancies"] = float(data.holdout_labels.judged.sum())
        example = data.frame[[*self._model.texts, *self._model.categories]].head(EXAMPLE_ROWS)
        model = replace(model, learned=frozenset(identities(data.frame).ravel().tolist()))
        pictures = figures.figures(model, data.holdout, made, data.holdout_labels)
        return Fitted(model, found, pictures, example, cohort_holdout(data.holdout, model.cohorts, made))

    def holdout(self, model: CohortModel, data: CohortData) -> pa.Table:
        """Return a model's probabilities for the holdout, a row a vacancy."""
        return cohort_holdout(data.holdout, model.cohorts, model.probabilities(data.holdout))

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
        seen = np.isin(identities(data.holdout), np.array([*model.learned], dtype=np.uint64)).any(axis=1)
        return np.where(data.holdout_labels.judged & ~seen, losses, np.nan)

    def mismatch(self, model: CohortModel, plan: FoldPlan | None = None) -> str | None:
        """Return what a model was trained for and the pipeline now says otherwise, or None when they agree.

        Against a plan, the cohorts must be those of the plan; without one, those that the pipeline fixes.
        """
        wanted: list[tuple[str, Sequence[object], Sequence[object]]]
        wanted = [("texts", self._model.texts, model.texts), ("categories", self._model.categories, model.categories)]
        if plan is not None:
            wanted += [("boundaries", plan.boundaries, model.boundaries), ("measure", plan.measure, model.measure)]
        elif fixed := CohortTarget(self._model, model.target).fixed:
            wanted += [("boundaries", fixed, model.boundaries)]
        differ = [f"{name} {found} (now {now})" for name, now, found in wanted if tuple(now) != tuple(found)]
        return f"trained for {', '.join(differ)}" if differ else None

    def holdout_hash(self, data: CohortData) -> str:
        """Return the name of the holdout by its content: ids, texts and cohorts."""
        return content_hash(data.holdout, data.holdout_labels)

    def groups(self, data: CohortData) -> np.ndarray:
        """Return the group of each vacancy: one employer's, and near-duplicate texts, are one."""
        return group_numbers(data.holdout)

    def seen(self, model: CohortModel, data: CohortData) -> str | None:  # noqa: ARG002
        """Return None: `errors` leaves out what a model learned from, vacancy by vacancy."""
        return None

    def outranks(self, champion: CohortModel, plan: FoldPlan) -> str | None:
        """Return why a champion stays whose cohorts the input alone, and not the file, has changed; else None.

        Its quantiles are others than those of this input, or it is of lifetimes and the plan of ages.
        """
        old, new = champion.boundaries, plan.boundaries
        if self.mismatch(champion) is None and len(old) == len(new) and tuple(old) != tuple(new):
            return (
                f"the champion stays: its cohorts begin at {list(old)}, the quantiles of this input are {list(new)}, "
                "and errors of different cohorts cannot be compared. Write salary.boundaries into the file to have "
                "every version judged by the same cohorts, or put this one into service by hand"
            )
        demand = self._model.demand
        chosen_by_input = plan.target == "demand" and demand is not None and demand.measure == "auto"
        if chosen_by_input and (champion.measure, plan.measure) == ("lifetime", "age"):
            return (
                "the champion stays: it knows lifetimes, and of this input too few vacancies have closed for more than "
                "ages so far (demand.min_closed). Set demand.measure: age to replace it."
            )
        return None

    def predictions(
        self,
        champions: Mapping[str, Champion],
        ref: FeatureSetRef,
        checked: CheckedInput,  # noqa: ARG002  # the features are of its as_of
        horizon: int | None,
        features: FeatureStore,
        store: ObjectStore,  # noqa: ARG002  # nothing is told of rejected vacancies but in mart.rejected_row
    ) -> Iterator[Predicted]:
        """Predict the cohort of every vacancy for each target."""
        _no_horizon(horizon)
        facts, blocks = features.read(ref)
        for chunk in batched(blocks, VACANCIES_A_CHUNK):
            frame = to_frame(facts, chunk)
            made = [_columns(champion, target, frame) for target, champion in champions.items()]
            yield Predicted({name: [*chain(*(part[name] for part in made))] for name in made[0]}, len(frame))

    def _setting(self, plan: FoldPlan) -> Setting:
        model = self._model
        return Setting(model.texts, model.categories, plan.boundaries, model.seed, model.device)


def _no_horizon(horizon: int | None) -> None:
    if horizon is not None:
        raise ConfigInvalid(f"horizon {horizon}: vacancies have none, leave it out")


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

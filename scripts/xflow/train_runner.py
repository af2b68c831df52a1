"""The steps of a training after its input: from the plan of the folds to the promotion."""

from functools import cached_property
from typing import TYPE_CHECKING

from xflow import refs
from xflow.runner import Json, Runner, checked_input, dump

if TYPE_CHECKING:
    from xflow.origin import Origin


class TrainRunner(Runner):
    """Runs the steps of one training; see `xflow.runner.Runner`."""

    @cached_property
    def origin(self) -> "Origin":
        """Code and machine that the training's figures come from."""
        from xflow.origin import origin_of

        return origin_of(self.pipeline, self.bundle)

    def plan(self, features: Json, horizon: int | None = None, trials: int | None = None, target: str = "") -> Json:
        """Freeze the holdout and lay out the backtest; return a `FoldPlan`."""
        from xflow.steps.plan import plan

        with self._step(f"plan {target}".strip()):
            # A registry that is down is told before the tuning.
            self.registry.champion(self.pipeline.model_name(target))
            made = plan(
                self.pipeline,
                refs.FeatureSetRef.model_validate(features),
                horizon,
                trials or self.pipeline.model.trials,
                target=target,
                feature_store=self.features,
            )
            return dump(made)

    def candidates(self, target: str = "") -> list[str]:
        """Return the names of the candidates to tune for a target."""
        return [candidate.name for candidate in self.pipeline.candidates(target)]

    def tune(self, plan: Json, candidate: str, force: bool = False) -> Json:
        """Tune and backtest one candidate, or take its score over; return a `CandidateScore`."""
        from xflow.steps.tune import tune

        with self._step(f"tune {candidate}"):
            return dump(
                tune(
                    self.key,
                    self.pipeline,
                    _plan(plan),
                    candidate,
                    store=self.store,
                    feature_store=self.features,
                    progress=self.progress,
                    origin=self.origin,
                    force=force,
                )
            )

    def select(self, plan: Json, scores: list[Json]) -> Json:
        """Choose the model's members and hold them against the floor; return a `Selection`."""
        from xflow.steps.select import select

        with self._step("select"):
            candidates = [refs.CandidateScore.model_validate(score) for score in scores]
            for source in sorted({score.reused_from for score in candidates} - {""}):
                self.mart.note_run(self.key, {"reused_from": source})
            return dump(
                select(
                    self.key,
                    self.pipeline,
                    _plan(plan),
                    candidates,
                    self.code,
                    store=self.store,
                    feature_store=self.features,
                    registry=self.registry,
                    code_hash=self.origin.code_hash,
                )
            )

    def fit(self, plan: Json, selection: Json, checked: Json) -> Json:
        """Fit the selected model and log it with its figures; return a `FittedModel`."""
        from xflow.steps.fit import fit

        with self._step("fit"):
            return dump(
                fit(
                    self.key,
                    self.pipeline,
                    _plan(plan),
                    refs.Selection.model_validate(selection),
                    self.code,
                    store=self.store,
                    feature_store=self.features,
                    checked=checked_input(checked),
                    origin=self.origin,
                    registry=self.registry,
                )
            )

    def register(self, plan: Json, fitted: Json) -> Json:
        """Register the fitted model; return a `ModelVersionRef`."""
        from xflow.steps.promote import register

        with self._step("register"):
            model = refs.FittedModel.model_validate(fitted)
            return dump(
                register(
                    self.key,
                    self.pipeline,
                    _plan(plan),
                    model,
                    self.code,
                    registry=self.registry,
                )
            )

    def judge(self, plan: Json, version: Json) -> Json:
        """Judge the version beside the champion; return a `Verdict`."""
        from xflow.steps.judge import judge

        with self._step("judge"):
            return dump(
                judge(
                    self.pipeline,
                    _plan(plan),
                    refs.ModelVersionRef.model_validate(version),
                    feature_store=self.features,
                    registry=self.registry,
                    ledger=self.promotions,
                )
            )

    def promote(self, verdict: Json, approval: Json | None = None) -> Json:
        """Let the version serve when it won, and nobody who was asked said no; return a `Promotion`."""
        from xflow.steps.promote import promote

        with self._step("promote"):
            return dump(
                promote(
                    self.key,
                    self.pipeline,
                    refs.Verdict.model_validate(verdict),
                    refs.Approval.model_validate(approval) if approval else None,
                    self.code,
                    registry=self.registry,
                    ledger=self.promotions,
                )
            )

    def close(self, promotions: list[Json | None]) -> None:
        """Write what the training ended in into the ledger: a `Promotion` for each target, None for one that failed."""
        from xflow.steps.promote import NOT_TRAINED, close_run

        with self._step("close"):
            ended = dict(zip(self.pipeline.targets, promotions, strict=True))
            # The failed step left its reason there, and a close before this one kept it.
            told = str((self.mart.run(self.key) or {}).get("message") or "").rpartition(NOT_TRAINED)[2]
            failed = {target: told for target, each in ended.items() if each is None}
            made = [refs.Promotion.model_validate(each) for each in promotions if each is not None]
            close_run(self.key, made, failed=failed, mart=self.mart)


def _plan(value: Json) -> refs.FoldPlan:
    return refs.FoldPlan.model_validate(value)

"""The steps of a prediction after its input."""

from xflow import refs
from xflow.code_version import git_commit
from xflow.errors import ConfigInvalid, XflowError
from xflow.runner import Json, Runner, checked_input, dump, log


class PredictRunner(Runner):
    """Runs the steps of one prediction; see `xflow.runner.Runner`."""

    def check_contract(self, input_uri: str | None = None, as_of: str | None = None, at: str | None = None) -> Json:
        """Check the input against the contract; return a `CheckedInput`.

        Parameters
        ----------
        at
            A past date or time, in UTC: the run uses what was known by then, and fails at once when there was no
            champion. A given `as_of` still says up to which time values are used.
        """
        from xflow.steps.champions import versions
        from xflow.steps.check_contract import parse_as_of
        from xflow.steps.kinds import input_kind

        with self._step("check_contract"):
            self.features.retract(str(self.key))
        if at is None:
            return super().check_contract(input_uri, as_of)
        moment = parse_as_of(at)
        kind = input_kind(self.pipeline)
        known = kind.known_at(moment)
        if as_of and parse_as_of(as_of, kind.timezone) > known:
            raise ConfigInvalid(f"as_of {as_of} is later than what was known at {at}: {known.isoformat()}")
        checked = super().check_contract(input_uri, as_of or known.isoformat())
        with self._step(f"champions of {at}"):
            versions(self.pipeline, moment, registry=self.registry, ledger=self.promotions)
        return checked

    def check_drift(self, features: Json, checked: Json, at: str | None = None) -> Json:
        """Hold the input against what the champions, or those of a past date, learned from; return a `DriftVerdict`."""
        from xflow.steps.champions import champions
        from xflow.steps.check_contract import parse_as_of
        from xflow.steps.check_drift import check_drift

        with self._step("check_drift"):
            looks, moment = self.pipeline.drift.gate != "off", parse_as_of(at) if at else None
            serving = champions(self.pipeline, moment, registry=self.registry, ledger=self.promotions) if looks else {}
            made = check_drift(
                self.key,
                self.pipeline,
                checked_input(checked),
                refs.FeatureSetRef.model_validate(features),
                serving,
                self.code,
                store=self.store,
                mart=self.mart,
                feature_store=self.features,
                registry=self.registry,
            )
            return dump(made.model_copy(update={"models": {name: each.version for name, each in serving.items()}}))

    def predict(
        self,
        features: Json,
        checked: Json,
        horizon: int | None = None,
        at: str | None = None,
        drift: Json | None = None,
    ) -> Json:
        """Let the champions, or those of a past date, predict and write parquet; return a `PredictionRef`.

        Parameters
        ----------
        drift
            What `check_drift` found: the champions that it looked at predict, also when others serve by now.
        """
        from xflow.steps.check_contract import parse_as_of
        from xflow.steps.predict import predict

        with self._step("predict"):
            return dump(
                predict(
                    self.key,
                    self.pipeline,
                    checked_input(checked),
                    refs.FeatureSetRef.model_validate(features),
                    horizon,
                    git_commit(),
                    store=self.store,
                    feature_store=self.features,
                    registry=self.registry,
                    ledger=self.promotions,
                    at=parse_as_of(at) if at else None,
                    models=refs.DriftVerdict.model_validate(drift).models if drift else {},
                    progress=self.progress,
                )
            )

    def load_predictions(self, predictions: Json) -> Json:
        """Copy the predictions into the output mart, and publish; return the number of rows by table."""
        from xflow.steps.load_predictions import load_predictions
        from xflow.steps.publish import publish

        with self._step("load_predictions"):
            made = refs.PredictionRef.model_validate(predictions)
            load = load_predictions(self.key, self.pipeline, made, store=self.store, mart=self.mart)
            publish(made, store=self.store, features=self.features)
            return {load.table: load.rows}

    def _note_failure(self, name: str, error: Exception) -> None:
        """Leave the reason in the ledger; what the run had published before, when it is repeated, is so no more."""
        super()._note_failure(name, error)
        try:
            self.features.retract(str(self.key))
        except XflowError as unreachable:  # the step's own error is what must be seen
            log.warning("%s: its features could not be taken out of service: %s", self.key, unreachable)

"""The steps of a prediction after its input."""

from xflow import refs
from xflow.code_version import git_commit
from xflow.runner import Json, Runner, checked_input, dump


class PredictRunner(Runner):
    """Runs the steps of one prediction; see `xflow.runner.Runner`."""

    def predict(self, features: Json, checked: Json, horizon: int | None = None) -> Json:
        """Let the champions predict and write parquet; return a `PredictionRef`."""
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
                    progress=self.progress,
                )
            )

    def load_predictions(self, predictions: Json) -> Json:
        """Copy the predictions into the output mart; return the number of rows by table."""
        from xflow.steps.load_predictions import load_predictions

        with self._step("load_predictions"):
            made = refs.PredictionRef.model_validate(predictions)
            load = load_predictions(self.key, self.pipeline, made, store=self.store, mart=self.mart)
            return {load.table: load.rows}

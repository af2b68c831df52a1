"""Composition root: settings become adapters, and one step runs with them.

Every step takes and returns plain JSON values, so that a DAG task and the command line call the
same methods. Heavy packages are imported by the step that needs them.
"""

import errno
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xflow import refs
from xflow.code_version import git_commit
from xflow.errors import DiskFull, XflowError
from xflow.pipeline import AnyPipeline
from xflow.settings import Settings, pipelines_folder

if TYPE_CHECKING:
    from xflow.adapters.greenplum import GreenplumMart
    from xflow.adapters.mlflow_registry import MlflowRegistry
    from xflow.adapters.s3 import S3Store
    from xflow.adapters.tarantool import TarantoolFeatures

log = logging.getLogger("xflow")

Json = dict[str, Any]
Progress = Callable[[int, int], None]
FEATURE_SETS_KEPT = 5


class Runner:
    """Runs the steps of one run of one pipeline.

    Parameters
    ----------
    settings
        Addresses and credentials.
    pipeline
        The pipeline's configuration.
    key
        The run's key; everything that a step leaves behind carries it.
    progress
        Called by long steps with the units done and the units in all.
    bundle
        The DAG bundle that the pipeline's file comes from, as ``name@version``; None on the command line.
    pipelines
        Folder of the pipeline files; `pipelines_folder` when left out.
    """

    def __init__(
        self,
        settings: Settings,
        pipeline: AnyPipeline,
        key: refs.RunKey,
        progress: Progress | None = None,
        *,
        bundle: str | None = None,
        pipelines: Path | None = None,
    ) -> None:
        self.settings, self.pipeline, self.key, self.progress = settings, pipeline, key, progress
        self.bundle, self.pipelines = bundle, pipelines or pipelines_folder()

    @property
    def code(self) -> dict[str, str]:
        """Which code makes the run's models, as the registry's tags."""
        return {"git_commit": git_commit()} | ({"dag_bundle": self.bundle} if self.bundle else {})

    @cached_property
    def store(self) -> "S3Store":
        """The object store."""
        from xflow.adapters.s3 import S3Store

        s = self.settings
        return S3Store(s.s3_endpoint, s.s3_bucket, s.s3_access_key, s.s3_secret_key)

    @cached_property
    def mart(self) -> "GreenplumMart":
        """The mart."""
        from xflow.adapters.greenplum import GreenplumMart

        return GreenplumMart(self.settings.greenplum_dsn)

    @cached_property
    def features(self) -> "TarantoolFeatures":
        """The feature store."""
        from xflow.adapters.tarantool import TarantoolFeatures

        return TarantoolFeatures(self.settings.tarantool_uri)

    @cached_property
    def registry(self) -> "MlflowRegistry":
        """The model registry."""
        from xflow.adapters.mlflow_registry import MlflowRegistry

        s = self.settings
        return MlflowRegistry(s.mlflow_uri, s.mlflow_username, s.mlflow_password)

    def check_contract(self, input_uri: str | None = None, as_of: str | None = None) -> Json:
        """Check the input against the contract; return a `CheckedInput`."""
        from xflow.steps.check_contract import check_contract
        from xflow.steps.kinds import input_kind

        with self._step("check_contract"):
            location = input_uri or getattr(self.pipeline.input, self.key.kind)
            self.mart.prepare(self.pipeline.name, input_kind(self.pipeline).tables)
            facts = {"input_uri": self.store.uri(location), "git_commit": git_commit(), "bundle": self.bundle}
            self.mart.start_run(self.key, facts)
            return dump(check_contract(self.key, self.pipeline, location, as_of, store=self.store, mart=self.mart))

    def load_mart(self, checked: Json) -> Json:
        """Copy accepted and rejected rows into the mart; return the number of rows by table."""
        from xflow.steps.load_mart import load_mart

        with self._step("load_mart"):
            loads = load_mart(self.key, self.pipeline, _checked(checked), store=self.store, mart=self.mart)
            return {load.table: load.rows for load in loads}

    def write_features(self, checked: Json) -> Json:
        """Write the feature set and purge old ones; return a `FeatureSetRef`."""
        from xflow.steps.write_features import write_features

        with self._step("write_features"):
            written = write_features(
                self.key, self.pipeline, _checked(checked), store=self.store, features=self.features
            )
            self.features.purge(self.key.job, FEATURE_SETS_KEPT)
            self.mart.note_run(self.key, {"feature_set": written.id})
            return dump(written)

    def plan(self, features: Json, horizon: int | None = None, trials: int | None = None, target: str = "") -> Json:
        """Freeze the holdout and lay out the backtest; return a `FoldPlan`."""
        from xflow.steps.plan import plan

        with self._step(f"plan {target}".strip()):
            made = plan(
                self.pipeline,
                _features(features),
                horizon,
                trials or self.pipeline.model.trials,
                target=target,
                feature_store=self.features,
            )
            return dump(made)

    def candidates(self, target: str = "") -> list[str]:
        """Return the names of the candidates to tune for a target."""
        return [candidate.name for candidate in self.pipeline.candidates(target)]

    def tune(self, plan: Json, candidate: str) -> Json:
        """Tune and backtest one candidate; return a `CandidateScore`."""
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
                )
            )

    def select(self, plan: Json, scores: list[Json]) -> Json:
        """Choose the model's members and hold them against the floor; return a `Selection`."""
        from xflow.steps.select import select

        with self._step("select"):
            candidates = [refs.CandidateScore.model_validate(score) for score in scores]
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
                )
            )

    def fit(self, plan: Json, selection: Json) -> Json:
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
                    registry=self.registry,
                )
            )

    def register(self, plan: Json, fitted: Json) -> Json:
        """Register the fitted model; return a `ModelVersionRef`."""
        from xflow.steps.promote import register

        with self._step("register"):
            model = refs.FittedModel.model_validate(fitted)
            return dump(register(self.key, self.pipeline, _plan(plan), model, self.code, registry=self.registry))

    def promote(self, plan: Json, version: Json) -> Json:
        """Judge the version beside the champion and move the alias; return a `Promotion`."""
        from xflow.steps.promote import judge_and_promote

        with self._step("promote"):
            return dump(
                judge_and_promote(
                    self.pipeline,
                    _plan(plan),
                    refs.ModelVersionRef.model_validate(version),
                    feature_store=self.features,
                    registry=self.registry,
                )
            )

    def close(self, promotions: list[Json]) -> None:
        """Write what the training ended in into the ledger."""
        from xflow.steps.promote import close_run

        with self._step("close"):
            close_run(self.key, [refs.Promotion.model_validate(each) for each in promotions], mart=self.mart)

    def predict(self, features: Json, checked: Json, horizon: int | None = None) -> Json:
        """Let the champions predict and write parquet; return a `PredictionRef`."""
        from xflow.steps.predict import predict

        with self._step("predict"):
            return dump(
                predict(
                    self.key,
                    self.pipeline,
                    _checked(checked),
                    _features(features),
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

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """Log a step with its duration, and leave the reason of a failure in the ledger."""
        started = time.monotonic()
        try:
            yield
        except KeyboardInterrupt:
            self._note_failure(name, InterruptedError("stopped by hand; the same run id goes on"))
            raise
        except Exception as raised:
            error = _explained(raised)
            self._note_failure(name, error)
            if error is raised:
                raise
            raise error from raised
        log.info("%s: %s took %.3f s", self.key, name, time.monotonic() - started)

    def _note_failure(self, name: str, error: Exception) -> None:
        try:
            self.mart.note_run(self.key, {"state": "failed", "message": f"{name}: {type(error).__name__}: {error}"})
        except XflowError as unreachable:  # the step's own error is what must be seen
            log.warning("%s: the failure of %s could not be noted in the ledger: %s", self.key, name, unreachable)


def _explained(error: Exception) -> Exception:
    """Return what an error means to a run: a full disk may show in any step that keeps local copies."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        folder = tempfile.gettempdir()
        return DiskFull(f"{folder}: {error.strerror}. Free space there, or set TMPDIR to another folder.")
    return error


def dump(ref: refs.Ref) -> Json:
    """Return a reference as plain JSON values."""
    made: Json = json.loads(ref.model_dump_json())
    return made


def _checked(value: Mapping[str, Any]) -> refs.CheckedInput:
    return refs.CheckedInput.model_validate(value)


def _features(value: Mapping[str, Any]) -> refs.FeatureSetRef:
    return refs.FeatureSetRef.model_validate(value)


def _plan(value: Mapping[str, Any]) -> refs.FoldPlan:
    return refs.FoldPlan.model_validate(value)

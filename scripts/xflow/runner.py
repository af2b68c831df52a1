"""Composition root: settings become adapters, and one step runs with them.

Every step takes and returns plain JSON values, so that a DAG task and the command line call the
same methods. Heavy packages are imported by the step that needs them.
"""

import errno
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xflow import refs
from xflow.code_version import code_hash, git_commit
from xflow.environments import environment
from xflow.errors import DiskFull, XflowError
from xflow.pipeline import AnyPipeline
from xflow.settings import Settings, pipelines_folder

if TYPE_CHECKING:
    from xflow.adapters.greenplum import GreenplumMart
    from xflow.adapters.mlflow_registry import MlflowRegistry
    from xflow.adapters.promotion_ledger import GreenplumPromotions
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
    def promotions(self) -> "GreenplumPromotions":
        """The ledger of promotions."""
        from xflow.adapters.promotion_ledger import GreenplumPromotions

        return GreenplumPromotions(self.settings.greenplum_dsn)

    @cached_property
    def features(self) -> "TarantoolFeatures":
        """The feature store."""
        from xflow.adapters.tarantool import TarantoolFeatures

        return TarantoolFeatures(self.settings.tarantool_uri)

    @cached_property
    def registry(self) -> "MlflowRegistry":
        """The model registry."""
        return registry_of(self.settings)

    def check_contract(self, input_uri: str | None = None, as_of: str | None = None) -> Json:
        """Check the input against the contract; return a `CheckedInput`."""
        from xflow.domain.object_names import plain_location
        from xflow.steps.check_contract import check_contract
        from xflow.steps.kinds import input_kind

        with self._step("check_contract"):
            location = plain_location(input_uri or getattr(self.pipeline.input, self.key.kind))
            self.mart.prepare(self.pipeline.name, input_kind(self.pipeline).tables)
            facts = {"input_uri": self.store.uri(location), "git_commit": git_commit(), "bundle": self.bundle}
            self.mart.start_run(self.key, facts)
            return dump(check_contract(self.key, self.pipeline, location, as_of, store=self.store, mart=self.mart))

    def load_mart(self, checked: Json) -> Json:
        """Copy accepted and rejected rows into the mart; return the number of rows by table."""
        from xflow.steps.load_mart import load_mart

        with self._step("load_mart"):
            loads = load_mart(self.key, self.pipeline, checked_input(checked), store=self.store, mart=self.mart)
            return {load.table: load.rows for load in loads}

    def write_features(self, checked: Json, force: bool = False) -> Json:
        """Write the feature set, or take a training's over from an earlier one; return a `FeatureSetRef`."""
        from xflow.steps.write_features import write_features

        with self._step("write_features"):
            written = write_features(
                self.key,
                self.pipeline,
                checked_input(checked),
                store=self.store,
                features=self.features,
                code_hash=code_hash() if self.key.kind == "train" else "",
                force=force,
            )
            self.features.purge(self.key.job, FEATURE_SETS_KEPT)
            source = None if written.id == str(self.key) else written.id
            self.mart.note_run(self.key, {"feature_set": written.id, "reused_from": source})
            return dump(written)

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


def registry_of(settings: Settings) -> "MlflowRegistry":
    """Return the model registry, as the environment of the settings sees it."""
    from xflow.adapters.mlflow_registry import MlflowRegistry

    s = settings
    return MlflowRegistry(s.mlflow_uri, s.mlflow_username, s.mlflow_password, environment(s.environment))


def dump(ref: refs.Ref) -> Json:
    """Return a reference as plain JSON values."""
    made: Json = json.loads(ref.model_dump_json())
    return made


def checked_input(value: Json) -> refs.CheckedInput:
    """Return a checked input from its JSON values."""
    return refs.CheckedInput.model_validate(value)

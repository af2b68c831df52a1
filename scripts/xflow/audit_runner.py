"""Audits: verify what a run left, explain a prediction. They read every store and write to none."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from xflow.errors import ConfigInvalid
from xflow.pipeline import load
from xflow.runner import FEATURE_SETS_KEPT, Runner
from xflow.settings import Settings, pipelines_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xflow.adapters.lineage import GreenplumLineage
    from xflow.domain.audit import Audit
    from xflow.steps.audited import Audited
    from xflow.steps.explain import Explanation


class AuditRunner(Runner):
    """Audits one run, whose key it carries; see `xflow.runner.Runner`."""

    @classmethod
    def of_run(
        cls, settings: Settings, run: str, pipeline: str = "", kind: str = "", folder: "Path | None" = None
    ) -> Self:
        """Return the runner that audits a run, named as `xflow.steps.audited.find_run` says."""
        from xflow.adapters.lineage import GreenplumLineage
        from xflow.steps.audited import find_run

        return cls._of(settings, find_run(GreenplumLineage(settings.greenplum_dsn), run, pipeline, kind), folder)

    @classmethod
    def of_prediction(cls, settings: Settings, prediction_id: str, folder: "Path | None" = None) -> Self:
        """Return the runner that audits the run of a prediction, whatever pipeline it is of."""
        from xflow.adapters.lineage import GreenplumLineage
        from xflow.steps.audited import find_prediction

        return cls._of(settings, find_prediction(GreenplumLineage(settings.greenplum_dsn), prediction_id), folder)

    @cached_property
    def lineage(self) -> "GreenplumLineage":
        """The mart as an audit reads it."""
        from xflow.adapters.lineage import GreenplumLineage

        return GreenplumLineage(self.settings.greenplum_dsn)

    def verify(self, prediction_id: str = "") -> "Audit":
        """Check everything that the run left, and follow one of its predictions, the first when none is named."""
        from xflow.steps.verify import verify

        with self._step("verify"):
            return verify(self._audited(), prediction_id, kept_sets=FEATURE_SETS_KEPT, progress=self.progress)

    def explain(self, prediction_id: str) -> "Explanation":
        """Say what a prediction of the run is made of."""
        from xflow.steps.explain import explain

        with self._step("explain"):
            return explain(self._audited(), prediction_id)

    def _audited(self) -> "Audited":
        from xflow.steps.audited import Audited

        (row,) = self.lineage.find(run_key=str(self.key))
        return Audited(self.key, self.pipeline, row, self.store, self.lineage, self.features, self.registry)

    def _note_failure(self, name: str, error: Exception) -> None:
        """Leave the ledger alone: what an audit finds is no failure of the run."""

    @classmethod
    def _of(cls, settings: Settings, row: "Mapping[str, Any]", folder: "Path | None") -> Self:
        from xflow.steps.audited import key_of

        place = folder or pipelines_folder()
        path = place / f"{row['pipeline']}.yaml"
        if not path.is_file():
            raise ConfigInvalid(
                f"run {row['run_key']}: there is no file {path} of its pipeline any more. Bring it back."
            )
        return cls(settings, load(path), key_of(row), pipelines=place)

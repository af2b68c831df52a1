"""The step of a monitor run."""

from functools import cached_property
from typing import TYPE_CHECKING

from xflow.code_version import git_commit
from xflow.runner import Json, Runner, dump

if TYPE_CHECKING:
    from xflow.adapters.realised import GreenplumRealised


class MonitorRunner(Runner):
    """Runs the step of one monitor run; see `xflow.runner.Runner`."""

    @cached_property
    def realised(self) -> "GreenplumRealised":
        """Predictions beside their outcomes."""
        from xflow.adapters.realised import GreenplumRealised

        return GreenplumRealised(self.settings.greenplum_dsn, self.pipeline.name)

    def monitor(self, as_of: str | None = None) -> Json:
        """Write what became of the predictions, and decide whether to ask for a retraining; return a `Monitored`."""
        from xflow.steps.kinds import input_kind
        from xflow.steps.monitor import monitor

        with self._step("monitor"):
            self.mart.prepare(self.pipeline.name, input_kind(self.pipeline).tables)
            self.realised.prepare()
            self.mart.start_run(self.key, {"git_commit": git_commit(), "bundle": self.bundle})
            found = monitor(
                self.key, self.pipeline, as_of, mart=self.mart, realised=self.realised, registry=self.registry
            )
            return dump(found)

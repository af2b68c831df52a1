"""What a person does with the versions of a pipeline's models: roll back, and promote by hand."""

from typing import Literal

from xflow.code_version import git_commit
from xflow.runner import Json, Runner, dump


class PromotionRunner(Runner):
    """Runs a rollback, or a promotion by hand; see `xflow.runner.Runner`."""

    def roll_back(self, reason: str, by: str, version: str | None = None, target: str | None = None) -> list[Json]:
        """Put the previous version, or a named one, back into service; return a `Swap` for each model."""
        return self._put("rollback", reason, by, version, target)

    def promote(self, reason: str, by: str, version: str, target: str | None = None) -> list[Json]:
        """Put a named version into service; return a `Swap` for each model."""
        return self._put("promote", reason, by, version, target)

    def _put(
        self, action: Literal["promote", "rollback"], reason: str, by: str, version: str | None, target: str | None
    ) -> list[Json]:
        from xflow.steps.kinds import input_kind
        from xflow.steps.rollback import Order, put_into_service

        order = Order(action, reason, by, version, target)
        with self._step(action):
            self.mart.prepare(self.pipeline.name, input_kind(self.pipeline).tables)
            self.mart.start_run(self.key, {"git_commit": git_commit(), "bundle": self.bundle})
            swaps = put_into_service(
                self.key, self.pipeline, order, git_commit(), registry=self.registry, ledger=self.promotions
            )
            said = "; ".join(f"{each.name}: version {each.after} in place of {each.before or 'none'}" for each in swaps)
            facts = {
                "state": "success",
                "message": f"{action} by {by}: {said}: {reason}",
                "model_name": ", ".join(each.name for each in swaps),
                "model_version": ", ".join(each.after for each in swaps),
            }
            self.mart.note_run(self.key, facts)
            return [dump(each) | {"moved": each.moved} for each in swaps]

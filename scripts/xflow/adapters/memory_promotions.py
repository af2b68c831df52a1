"""Fake of the ledger of promotions, for unit tests of the steps."""

from datetime import UTC, datetime

from xflow.promotion_ports import SAME, PromotionRecord


class MemoryPromotions:
    """A `PromotionLedger` in a list."""

    def __init__(self) -> None:
        self.rows: list[PromotionRecord] = []

    def record(self, decision: PromotionRecord) -> bool:
        """Add a decision unless its run has just made the same; return whether it was new."""
        of_run = [row for row in self.rows if (row.model_name, row.run_key) == (decision.model_name, decision.run_key)]
        if of_run and all(getattr(of_run[-1], name) == getattr(decision, name) for name in SAME):
            return False
        at = decision.decided_at or datetime.now(UTC).replace(tzinfo=None)
        self.rows.append(decision.model_copy(update={"decided_at": at}))
        return True

    def decisions(self, model_name: str, environment: str) -> list[PromotionRecord]:
        """Return the decisions about a model in an environment, oldest first."""
        return [row for row in self.rows if (row.model_name, row.environment) == (model_name, environment)]

    def champion_at(self, model_name: str, environment: str, at: datetime) -> str | None:
        """Return the version that served in an environment at a time, or None before the first."""
        moved = [
            row
            for row in self.decisions(model_name, environment)
            if row.outcome == "promoted" and row.decided_at is not None and row.decided_at <= at
        ]
        return max(moved, key=lambda row: row.decided_at or at).champion_after if moved else None

"""The question that a person answers before a version that won may serve.

A task that asks takes no slot while it waits. Nobody's answer within the time is a refusal: the champion stays.
"""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, XComArg
from airflow.sdk.exceptions import AirflowSkipException

APPROVE, REJECT = "Approve", "Reject"
NOTE = Param("", type="string", title="Note", description_md="Why; it is kept with the decision.")


class ApprovePromotion(HITLOperator):
    """Ask whether a version that won the judgement may serve; skip when it did not win.

    Parameters
    ----------
    verdict
        What the judgement decided, as `TrainRunner.judge` returns it.
    """

    template_fields = (*HITLOperator.template_fields, "verdict")

    def __init__(self, *, verdict: XComArg, days: float, **kwargs: Any) -> None:
        super().__init__(
            subject="Promote?",
            options=[APPROVE, REJECT],
            defaults=REJECT,
            params={"note": NOTE},
            response_timeout=timedelta(days=days),
            **kwargs,
        )
        self.verdict = verdict

    def execute(self, context: Any) -> Any:
        """Ask, with the figures of the judgement."""
        from xflow.steps.approval import question

        if not self.verdict["promote"]:
            raise AirflowSkipException("the champion stays: there is nothing to ask")
        self.subject, self.body = question(self.verdict)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Return whether it was approved, by whom, and why."""
        answer = super().execute_complete(context, event)
        user = answer["responded_by_user"]
        note = answer["params_input"].get("note") or ""
        return {
            "approved": answer["chosen_options"] == [APPROVE],
            "by": user["name"] if user else "",
            "note": note if user else f"nobody answered within {self.response_timeout}",
        }

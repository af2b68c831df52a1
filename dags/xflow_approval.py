"""The question that a person answers before a version that won may serve.

A task that asks takes no slot while it waits. Nobody's answer within the time is a refusal: the champion stays.
"""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, XComArg
from airflow.sdk.exceptions import AirflowSkipException

from xflow.pipeline import AnyPipeline
from xflow_alerts import tell

APPROVE, REJECT = "Approve", "Reject"
NOTE = Param(None, type=["null", "string"], title="Note", description_md="Why; it is kept with the decision.")


class ApprovePromotion(HITLOperator):
    """Ask whether a version that won the judgement may serve; skip when it did not win.

    Parameters
    ----------
    verdict
        What the judgement decided, as `TrainRunner.judge` returns it.
    pipeline
        Whose version it is; its section `promotion` says how long an answer is waited for.
    """

    template_fields = (*HITLOperator.template_fields, "verdict")

    def __init__(self, *, verdict: XComArg, pipeline: AnyPipeline, **kwargs: Any) -> None:
        super().__init__(
            subject="Promote?",
            options=[APPROVE, REJECT],
            defaults=REJECT,
            response_timeout=timedelta(hours=pipeline.promotion.approval_hours),
            **kwargs,
        )
        self.verdict, self.pipeline = verdict, pipeline

    def execute(self, context: Any) -> Any:
        """Ask, with the figures of the judgement, and tell people that they are asked."""
        from xflow.refs import Verdict
        from xflow.steps.approval import asked, question

        verdict = Verdict.model_validate(self.verdict)
        if not asked(verdict):
            raise AirflowSkipException("the champion stays: there is nothing to ask")
        self.subject, self.body = question(verdict, self.pipeline.promotion)
        version = verdict.version
        links = {"answer": context["task_instance"].log_url, "model": f"models:/{version.name}/{version.version}"}
        tell(self.pipeline, "promotion", f"{self.subject} {verdict.reason}", links)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Return an `xflow.refs.Approval`: whether it may serve, who said so, and why."""
        answer = super().execute_complete(context, event)
        user = answer["responded_by_user"]
        note = answer["params_input"].get("note") or ""
        return {
            "approved": answer["chosen_options"] == [APPROVE],
            "by": user["name"] if user else "",
            "note": note if user else f"nobody answered within {self.pipeline.promotion.approval_hours:g} hours",
        }


def approve(pipeline: AnyPipeline, verdict: XComArg) -> XComArg:
    """Wire the question about one target; return the answer, an `xflow.refs.Approval`, or None when none was needed."""
    task = ApprovePromotion(
        task_id="approve",
        params={"note": NOTE},
        verdict=verdict,
        pipeline=pipeline,
        doc_md=f"Ask a person; no answer within {pipeline.promotion.approval_hours:g} hours is a refusal.",
    )
    return XComArg(task)

"""The ledger of promotions: who made which version serve, when, and by which figures."""

from datetime import datetime
from typing import Literal, Protocol

from xflow.refs import Ref

type Action = Literal["judge", "promote", "rollback"]
"""``judge``: a training's decision; ``promote`` and ``rollback``: a person's."""
type Outcome = Literal["promoted", "kept", "refused", "rejected"]
"""``kept``: judged and not better; ``refused``: could not be judged; ``rejected``: won, and a person said no."""

SAME = ("action", "outcome", "version", "champion_before", "champion_after", "environment")
"""Fields in which two decisions of one run about a model agree when the second is the first, made again."""


class PromotionRecord(Ref):
    """One decision about a version of a model.

    Attributes
    ----------
    pipeline, model_name, target, run_key
        What it is about, and the run that it was made by.
    version
        The version that was judged, or that serves from then on.
    champion_before, champion_after
        Versions that served before and after; ``""``: none.
    environment, alias
        Where, and by which alias of the registry.
    metric, champion_score, challenger_score, difference, lower, upper, confidence, units
        The comparison on the holdout: mean errors, their difference (challenger minus champion) with the bounds of
        its interval, and how many series or vacancies it rests on. None where nothing was compared.
    policy, figures
        JSON: the pipeline file's section `promotion`, and all figures.
    holdout_hash, feature_set, git_commit
        What was compared on, and which code did it.
    decided_by
        ``policy``, or the name of the person.
    decided_at
        When, in UTC without a zone; the server's clock when None.
    """

    pipeline: str
    model_name: str
    target: str = ""
    run_key: str
    action: Action
    outcome: Outcome
    version: str
    champion_before: str = ""
    champion_after: str = ""
    environment: str
    alias: str
    metric: str = ""
    champion_score: float | None = None
    challenger_score: float | None = None
    difference: float | None = None
    lower: float | None = None
    upper: float | None = None
    confidence: float | None = None
    units: int | None = None
    policy: str = ""
    figures: str = ""
    reason: str
    holdout_hash: str = ""
    feature_set: str = ""
    git_commit: str = ""
    decided_by: str = "policy"
    decided_at: datetime | None = None


class PromotionLedger(Protocol):
    """Decisions are added, never changed."""

    def record(self, decision: PromotionRecord) -> bool:
        """Add a decision; return whether it was new.

        It is not when the newest decision of its run about its model has the same action, outcome, version and
        champions: a step that is tried again adds nothing.
        """

    def decisions(self, model_name: str, environment: str) -> list[PromotionRecord]:
        """Return the decisions about a model in an environment, oldest first."""

    def champion_at(self, model_name: str, environment: str, at: datetime) -> str | None:
        """Return the version that served in an environment at a time (inclusive), or None before the first."""

"""What an alert says: an event of a pipeline, why, and where to look."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

AlertEvent = Literal["success", "failure", "drift", "promotion", "rollback", "deadline"]
Level = Literal["success", "info", "warning", "failure"]

TITLES: dict[AlertEvent, tuple[str, Level]] = {
    "success": ("the run succeeded", "success"),
    "failure": ("the run failed", "failure"),
    "drift": ("drift", "warning"),
    "promotion": ("promotion", "info"),
    "rollback": ("rollback", "warning"),
    "deadline": ("the predictions are late", "failure"),
}
LONGEST = 1500
"""Characters of a reason: with title and links it stays below the shortest limit of the services (Discord, 2,000)."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A message to people.

    Attributes
    ----------
    event
        What happened.
    pipeline
        Whose run it is.
    reason
        Why, in a sentence or two.
    links
        Addresses to look at, by what they show, in this order.
    environment
        Where it happened; shown unless it is ``prod``.
    """

    event: AlertEvent
    pipeline: str
    reason: str
    links: Mapping[str, str] = field(default_factory=dict)
    environment: str = "prod"

    @property
    def title(self) -> str:
        """One line: the pipeline and what happened to it."""
        where = "" if self.environment == "prod" else f" ({self.environment})"
        return f"{self.pipeline}{where}: {TITLES[self.event][0]}"

    @property
    def body(self) -> str:
        """The reason, cut to `LONGEST` characters, and a line for each link."""
        reason = self.reason if len(self.reason) <= LONGEST else f"{self.reason[: LONGEST - 3]}..."
        return "\n".join([reason, *(f"{name}: {address}" for name, address in self.links.items() if address)])

    @property
    def level(self) -> Level:
        """How bad it is."""
        return TITLES[self.event][1]


def pages(links: Mapping[str, str], mlflow: str) -> dict[str, str]:
    """Return `links` with the addresses of MLflow's pages in place of model URIs and of a run's id.

    Parameters
    ----------
    links
        A value ``models:/name/7`` or ``models:/name@alias`` is a model; what is named ``mlflow_run`` is the id of a
        run. All others stay as they are.
    mlflow
        Address of MLflow as a browser reaches it.
    """
    return {name: _page(name, value, mlflow.rstrip("/")) for name, value in links.items() if value}


TRAINING = "?workflowType=machine_learning"
"""Without it MLflow opens its pages for language models around the one that is meant."""


def _page(name: str, value: str, mlflow: str) -> str:
    if name == "mlflow_run":
        return f"{mlflow}/#/runs/{value}{TRAINING}"
    if not value.startswith("models:/"):
        return value
    model, _, version = value.removeprefix("models:/").partition("/")
    model = model.partition("@")[0]
    return f"{mlflow}/#/models/{model}" + (f"/versions/{version}" if version else "") + TRAINING

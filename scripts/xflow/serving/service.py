"""What the endpoints share: settings, pipelines, the models in service, and where their work is written."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from xflow.pipeline import AnyPipeline
from xflow.serving.problems import Problem
from xflow.serving.served import ServedModels
from xflow.settings import ServingSettings

if TYPE_CHECKING:
    from xflow.ports import FeatureStore
    from xflow.serving.board.view import Board
    from xflow.serving.deployments import Deployments
    from xflow.serving.keys import Keys
    from xflow.serving.metrics import Metrics
    from xflow.serving.prediction_log import PredictionLog


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a running service; `xflow.serving.server` makes them."""

    settings: ServingSettings
    pipelines: dict[str, AnyPipeline]
    models: ServedModels
    deployments: "Deployments"
    features: "FeatureStore"
    keys: "Keys"
    log: "PredictionLog"
    metrics: "Metrics"
    board: "Board"

    def start(self) -> None:
        """Load the models and begin to write the log, both in the background."""
        self.log.start()
        self.deployments.start()

    def stop(self) -> None:
        """Write out what the log still holds; requests have ended by now."""
        self.deployments.stop()
        self.board.answers.close()
        self.log.stop()

    def pipeline(self, name: str) -> AnyPipeline:
        """Return a pipeline by its name.

        Raises
        ------
        Problem
            404: there is none.
        """
        found = self.pipelines.get(name)
        if found is None:
            known = ", ".join(sorted(self.pipelines)) or "none"
            raise Problem(404, f"there is no pipeline {name}; there are: {known}", {"path.pipeline": "unknown"})
        return found


async def _service(request: Request) -> Service:  # one that is not would cost a thread a request
    service: Service = request.app.state.service
    return service


Services = Annotated[Service, Depends(_service)]
"""The service, as a parameter of an endpoint."""

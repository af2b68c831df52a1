"""The models that answer, by name: each replaced as a whole, so that a request sees one version from end to end."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from xflow.pipeline import AnyPipeline
from xflow.refs import ModelVersionRef
from xflow.serving.problems import Problem

if TYPE_CHECKING:
    from xflow.ports import AnyModel


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """One version of one model, in memory.

    Attributes
    ----------
    pipeline, target
        Whose it is.
    version
        Name and number in the registry.
    model
        The fitted model.
    pyfunc
        The same behind MLflow's interface, with its signature.
    since
        When it came into service here, in UTC.
    """

    pipeline: AnyPipeline
    target: str
    version: ModelVersionRef
    model: "AnyModel"
    pyfunc: Any
    since: datetime


class ServedModels:
    """What is in service now.

    Assigning a name of a dictionary is atomic, and a request holds on to the model that it began with: a swap drops
    none.
    """

    def __init__(self) -> None:
        self._models: dict[str, ServedModel] = {}

    def swap(self, new: ServedModel) -> ServedModel | None:
        """Let a model answer from now on; return the one that it replaces."""
        old = self._models.get(new.version.name)
        self._models[new.version.name] = new
        return old

    def all(self) -> list[ServedModel]:
        """Return what is in service, by name."""
        return [self._models[name] for name in sorted(self._models)]

    def named(self, name: str) -> ServedModel:
        """Return a model by its name in the registry.

        Raises
        ------
        Problem
            404: none of that name is in service.
        """
        found = self._models.get(name)
        if found is None:
            known = ", ".join(sorted(self._models)) or "none"
            raise Problem(404, f"no model {name} is in service; there are: {known}", {"path.name": "not in service"})
        return found

    def of(self, pipeline: AnyPipeline) -> dict[str, ServedModel]:
        """Return the models of a pipeline by target, of those targets that have one.

        Raises
        ------
        Problem
            503: it has none, as nothing was trained, promoted and deployed yet.
        """
        names = {target: pipeline.model_name(target) for target in pipeline.targets}
        found = {target: self._models[name] for target, name in names.items() if name in self._models}
        if not found:
            name = pipeline.name
            raise Problem(503, f"{name} has no model in service: run {name}_train, then {name}_deploy")
        return found

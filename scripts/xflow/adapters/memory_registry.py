"""Fake of the model registry, for unit tests of the steps."""

import pickle
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xflow.errors import ModelMissing
from xflow.refs import ModelVersionRef, RunKey

if TYPE_CHECKING:
    from xflow.ports import AnyModel


class MemoryRegistry:
    """A `ModelRegistry` in dictionaries; models are kept pickled, as a real registry keeps them."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.current: dict[str, str] = {}
        self.candidates: dict[tuple[str, str], dict[str, Any]] = {}
        self.models: dict[str, bytes] = {}
        self.versions: dict[str, list[str]] = {}
        self.aliases: dict[tuple[str, str], str] = {}
        self.notes: dict[tuple[str, str], dict[str, Any]] = {}

    def open_run(self, key: RunKey, params: Mapping[str, Any], tags: Mapping[str, str], target: str = "") -> str:
        """Return the id of the run that belongs to a run key, a new one when `params` differ from the last time's."""
        mark = f"{key}/{target}" if target else str(key)
        run_id = self.current.setdefault(mark, mark)
        known = self.runs.get(run_id, {}).get("params", {})
        if any(known.get(name, value) != value for name, value in params.items()):
            run_id = self.current[mark] = f"{mark}#{len(self.runs)}"
        run = self.runs.setdefault(run_id, {"params": dict(params), "tags": {}})
        if run_id not in self.models:
            run["tags"] |= tags
        return run_id

    def log_candidate(
        self,
        run_id: str,
        name: str,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        fold_metrics: Sequence[Mapping[str, float]],
    ) -> None:
        """Log one candidate; repeating it replaces it."""
        self.candidates[run_id, name] = {"params": params, "metrics": metrics, "fold_metrics": fold_metrics}

    def log_model(
        self,
        run_id: str,
        model: "AnyModel",
        example: Any,
        metrics: Mapping[str, float],
        figures: Mapping[str, Any],
        documents: Mapping[str, Any],
    ) -> str:
        """Log a fitted model once."""
        self.models.setdefault(run_id, pickle.dumps(model))
        self.runs[run_id] |= {"metrics": metrics, "figures": figures, "documents": documents, "example": example}
        return run_id

    def register(
        self, name: str, run_id: str, model_uri: str, tags: Mapping[str, str], description: str
    ) -> ModelVersionRef:
        """Register a logged model once."""
        runs = self.versions.setdefault(name, [])
        if model_uri not in runs:
            runs.append(model_uri)
        version = str(runs.index(model_uri) + 1)
        self.notes.setdefault((name, version), {}).update(tags, description=description)
        return ModelVersionRef(name=name, version=version, mlflow_run_id=run_id)

    def champion(self, name: str) -> ModelVersionRef | None:
        """Return the version that carries the champion alias, or None."""
        version = self.aliases.get((name, "champion"))
        if version is None:
            return None
        return ModelVersionRef(name=name, version=version, mlflow_run_id=self.versions[name][int(version) - 1])

    def load(self, version: ModelVersionRef) -> "AnyModel":
        """Return the fitted model of a version."""
        runs = self.versions.get(version.name, [])
        if int(version.version) > len(runs):
            raise ModelMissing(f"{version.name} has no version {version.version}")
        model: AnyModel = pickle.loads(self.models[runs[int(version.version) - 1]])  # noqa: S301  # its own pickle
        return model

    def promote(self, version: ModelVersionRef, previous: ModelVersionRef | None) -> None:
        """Move ``champion`` to a version, and ``previous`` to the one that had it."""
        if previous is not None and previous.version != version.version:
            self.aliases[version.name, "previous"] = previous.version
        self.aliases[version.name, "champion"] = version.version

    def challenge(self, version: ModelVersionRef, reason: str, figures: Mapping[str, float]) -> None:
        """Mark a version as the challenger and write down what was decided about it."""
        self.aliases[version.name, "challenger"] = version.version
        self.notes[version.name, version.version] |= {"decision": reason, **figures}

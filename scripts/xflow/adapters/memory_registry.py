"""The model registry in memory, for unit tests of the steps and for repeated trainings."""

import json
import pickle
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xflow.environments import PRODUCTION, STAGED, Environment
from xflow.errors import ModelDamaged, ModelMissing
from xflow.refs import ModelVersionRef, RunKey

if TYPE_CHECKING:
    from xflow.ports import AnyModel


class MemoryRegistry:
    """A `ModelRegistry` in dictionaries; models are kept pickled, as a real registry keeps them."""

    def __init__(self, environment: Environment = PRODUCTION) -> None:
        self.environment = environment
        self.files: dict[tuple[str, str], bytes] = {}
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
        files: Mapping[str, bytes],
    ) -> str:
        """Log a fitted model once."""
        if run_id in self.models:
            return run_id
        self.models[run_id] = pickle.dumps(model)
        self.log_files(run_id, {f"{name}.json": json.dumps(each).encode() for name, each in documents.items()})
        self.log_files(run_id, files)
        self.runs[run_id] |= {"metrics": metrics, "figures": figures, "documents": documents, "example": example}
        return run_id

    def log_files(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Write files by their path to a run's artifacts."""
        self.files |= {(run_id, path): content for path, content in files.items()}

    def log_figure(self, run_id: str, name: str, figure: Any) -> None:
        """Write a picture to a run's artifacts."""
        self.runs[run_id].setdefault("figures", {})[name] = figure

    def log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Write figures to a run."""
        self.runs[run_id].setdefault("metrics", {}).update(metrics)

    def artifact(self, run_id: str, path: str) -> bytes:
        """Return one file of a run's artifacts."""
        if (run_id, path) not in self.files:
            raise ModelMissing(f"run {run_id} has no artifact {path}")
        return self.files[run_id, path]

    def facts(self, run_id: str) -> dict[str, dict[str, Any]]:
        """Return a run's parameters, metrics and tags."""
        if run_id not in self.runs:
            raise ModelMissing(f"there is no run {run_id}")
        run = self.runs[run_id]
        params = {name: str(value) for name, value in run["params"].items()}
        return {"params": params, "metrics": dict(run.get("metrics", {})), "tags": dict(run["tags"])}

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
        """Return the version that serves in this environment, or None."""
        version = self.aliases.get((name, self.environment.champion))
        return None if version is None else self.version(name, version)

    def version(self, name: str, which: str) -> ModelVersionRef:
        """Return a version by its number or by an alias."""
        number = self.aliases.get((name, which[1:]), "") if which.startswith("@") else which
        runs = self.versions.get(name, [])
        if not number.isdecimal() or not 1 <= int(number) <= len(runs):
            raise ModelMissing(f"{name} has no version {which}")
        return ModelVersionRef(name=name, version=number, mlflow_run_id=runs[int(number) - 1])

    def tags(self, version: ModelVersionRef) -> dict[str, str]:
        """Return the tags of a version."""
        return {name: str(value) for name, value in self.notes[version.name, version.version].items()}

    def load(self, version: ModelVersionRef) -> "AnyModel":
        """Return the fitted model of a version."""
        runs = self.versions.get(version.name, [])
        if int(version.version) > len(runs):
            raise ModelMissing(f"{version.name} has no version {version.version}")
        try:
            model: AnyModel = pickle.loads(self.models[runs[int(version.version) - 1]])  # noqa: S301  # its own pickle
        except (KeyError, pickle.UnpicklingError) as error:
            raise ModelDamaged(f"{version.name} version {version.version}: its files are gone or damaged.") from error
        return model

    def promote(self, version: ModelVersionRef, previous: ModelVersionRef | None) -> None:
        """Let a version serve in this environment, and keep the one that did as the previous one."""
        if previous is not None and previous.version != version.version:
            self.aliases[version.name, self.environment.previous] = previous.version
        self.aliases[version.name, self.environment.champion] = version.version

    def stage(self, version: ModelVersionRef) -> None:
        """Move ``staging`` to a version."""
        self.aliases[version.name, STAGED] = version.version

    def challenge(self, version: ModelVersionRef, reason: str, figures: Mapping[str, float]) -> None:
        """Mark a version as the challenger and write down what was decided about it."""
        self.aliases[version.name, "challenger"] = version.version
        self.notes[version.name, version.version] |= {"decision": reason, **figures}

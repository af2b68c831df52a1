"""Experiments, models and aliases in MLflow."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.exceptions import RestException

from xflow.adapters.mlflow_model import CohortsModel, ForecastModel
from xflow.adapters.mlflow_notes import MODEL, NOTE
from xflow.adapters.mlflow_runs import MlflowRuns
from xflow.adapters.mlflow_server import mapped
from xflow.adapters.model_code import load_with_own_code, missing_files
from xflow.environments import STAGED
from xflow.errors import ModelDamaged, ModelMissing
from xflow.refs import ModelVersionRef

if TYPE_CHECKING:
    from xflow.ports import AnyModel

CODE = "code"
"""Name of the folder of a model with the code that was logged."""


class MlflowRegistry(MlflowRuns):
    """Model registry on an MLflow tracking server, with its runs; see `MlflowRuns`."""

    def register(
        self, name: str, run_id: str, model_uri: str, tags: Mapping[str, str], description: str
    ) -> ModelVersionRef:
        """Register a logged model once; a version that already belongs to the run is returned."""
        with mapped(self._uri):
            found = self._client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
            if found:
                return ModelVersionRef(name=name, version=str(found[0].version), mlflow_run_id=run_id)
            self._registered_model(name)
            version = self._client.create_model_version(
                name,
                model_uri,
                run_id,
                tags=dict(tags),
                description=description,
                await_creation_for=0,
                model_id=model_uri.removeprefix("models:/"),
            )
            self._client.set_tag(run_id, NOTE, description)
            return ModelVersionRef(name=name, version=str(version.version), mlflow_run_id=run_id)

    def champion(self, name: str) -> ModelVersionRef | None:
        """Return the version that serves in this environment, or None."""
        try:
            return self.version(name, f"@{self.environment.champion}")
        except ModelMissing:
            return None

    def version(self, name: str, which: str) -> ModelVersionRef:
        """Return a version by its number or by an alias; see `xflow.ports.ModelRegistry`."""
        with mapped(self._uri):
            number = self._aliases(name).get(which[1:]) if which.startswith("@") else which
            if number is None or not number.isdecimal():
                raise ModelMissing(f"MLflow at {self._uri}: {name} has no version {which}")
            found = self._client.get_model_version(name, number)
        return ModelVersionRef(name=name, version=str(found.version), mlflow_run_id=str(found.run_id))

    def tags(self, version: ModelVersionRef) -> dict[str, str]:
        """Return the tags of a version."""
        with mapped(self._uri):
            return dict(self._client.get_model_version(version.name, version.version).tags)

    def load(self, version: ModelVersionRef) -> "AnyModel":
        """Return the fitted model of a version."""
        with tempfile.TemporaryDirectory(prefix="xflow-") as folder:
            self.download(version, Path(folder))
            try:
                wrapped: ForecastModel | CohortsModel = load_with_own_code(Path(folder)).unwrap_python_model()
                model = wrapped.model
            except (OSError, MemoryError):  # of this machine
                raise
            except Exception as error:  # unpickling runs code of any library
                raise ModelDamaged(
                    f"{version.name} version {version.version} cannot be loaded: {type(error).__name__}: {error}. Its "
                    "files are damaged, or of other versions of xFlow or of its libraries."
                ) from error
        return model

    def download(self, version: ModelVersionRef, target: Path) -> None:
        """Download a version's model, as MLflow keeps it, into a folder.

        The code that was logged with it stays: it is many files, and whoever loads the model here has its own.

        Raises
        ------
        ModelDamaged
            MLflow knows the version, and not all files that it is loaded from are there any more.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        try:
            with mapped(self._uri):
                model = get_artifact_repository(f"models:/{version.name}/{version.version}", self._uri)
                for part in model.list_artifacts(None):
                    if part.path != CODE:
                        model.download_artifacts(part.path, str(target))
        except ModelMissing as error:
            raise ModelDamaged(f"{version.name} version {version.version}: its files are gone: {error}.") from error
        if missing := missing_files(target):
            raise ModelDamaged(
                f"{version.name} version {version.version}: its files in MLflow are gone or not complete: there is no "
                f"{', '.join(missing)}."
            )

    def promote(self, version: ModelVersionRef, previous: ModelVersionRef | None) -> None:
        """Let a version serve in this environment, and keep the one that did as the previous one."""
        with mapped(self._uri):
            if previous is not None and previous.version != version.version:
                self._client.set_registered_model_alias(version.name, self.environment.previous, previous.version)
            self._client.set_registered_model_alias(version.name, self.environment.champion, version.version)

    def stage(self, version: ModelVersionRef) -> None:
        """Move ``staging`` to a version."""
        with mapped(self._uri):
            self._client.set_registered_model_alias(version.name, STAGED, version.version)

    def challenge(self, version: ModelVersionRef, reason: str, figures: Mapping[str, float]) -> None:
        """Mark a version as the challenger and write down what was decided about it."""
        with mapped(self._uri):
            self._client.set_registered_model_alias(version.name, "challenger", version.version)
            self._client.set_model_version_tag(version.name, version.version, "decision", reason)
            for name, figure in figures.items():
                self._client.set_model_version_tag(version.name, version.version, name, f"{figure:.6g}")

    def _aliases(self, name: str) -> dict[str, str]:
        """Return the version of each alias; the server resolves none that it does not know without an error."""
        return {alias: str(number) for alias, number in self._client.get_registered_model(name).aliases.items()}

    def _registered_model(self, name: str) -> None:
        try:
            self._client.create_registered_model(name, description=MODEL.format(name=name))
        except RestException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

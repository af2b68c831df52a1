"""Experiments, models and aliases in MLflow."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from mlflow.exceptions import MlflowException, RestException
from requests.exceptions import RequestException

import xflow
from xflow.adapters.mlflow_model import CohortsModel, ForecastModel, wrap
from xflow.errors import AccessDenied, ModelMissing, Permanent, ServiceUnavailable
from xflow.refs import ModelVersionRef, RunKey

if TYPE_CHECKING:
    import pandas as pd

    from xflow.ports import AnyModel

RUN_KEY = "xflow.run_key"
REPLACED = "xflow.replaced_run_key"  # on a run that was repeated with other data or parameters
MODEL_URI = "xflow.model_uri"
NOTE = "mlflow.note.content"  # what MLflow shows as the description
REQUIREMENTS = (
    "xgboost",
    "ts-etna",
    "statsforecast",
    "scikit-learn",
    "pandas",
    "numpy",
    "pyarrow",
    "pydantic",
    "pymorphy3",
    "pymorphy3-dicts-ru",
    "pyyaml",
)
CLIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Artifacts come through the server: the S3 that it would point at may have no address outside of it.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",  # a model must not depend on the folder that it was trained from
}
# These warn at every model about what is meant: a model that is a Python object, and pip without a pin.
# On stderr that reads as an error in a task's log.
CHATTER = ("mlflow.pyfunc", "mlflow.utils.environment")
EXPERIMENT = "Trainings of the pipeline {name}: a run for each training and target, a child run for each candidate."
MODEL = "Model {name}. `champion` makes the predictions, `previous` did before it, `challenger` was judged last."


class MlflowRegistry:
    """Model registry on an MLflow tracking server.

    MLflow's client takes credentials from the process environment alone, so the constructor puts
    them there.

    Parameters
    ----------
    uri, username, password
        The tracking server and a user who may write to it.
    """

    def __init__(self, uri: str, username: str, password: str) -> None:
        os.environ["MLFLOW_TRACKING_USERNAME"] = username
        os.environ["MLFLOW_TRACKING_PASSWORD"] = password
        for name, value in CLIENT.items():
            os.environ.setdefault(name, value)
        for name in CHATTER:
            logging.getLogger(name).setLevel(logging.ERROR)
        mlflow.set_tracking_uri(uri)
        self._uri = uri
        self._client = MlflowClient(uri)

    def open_run(self, key: RunKey, params: Mapping[str, Any], tags: Mapping[str, str], target: str = "") -> str:
        """Return the id of the run that belongs to a run key; see `xflow.ports.ModelRegistry`."""
        wanted = {name: str(value) for name, value in params.items()}
        mark, title = (f"{key}/{target}", f"{target} {key.slug}") if target else (str(key), key.slug)
        with _mapped(self._uri):
            experiment = self._experiment(key.pipeline)
            found = self._runs(experiment, f"tags.`{RUN_KEY}` = '{mark}'")
            run = found[0] if found else None
            if run is not None and any(run.data.params.get(name, value) != value for name, value in wanted.items()):
                self._client.set_tag(run.info.run_id, REPLACED, mark)
                self._client.delete_tag(run.info.run_id, RUN_KEY)
                run = None
            if run is None:
                run = self._client.create_run(experiment, run_name=title, tags={RUN_KEY: mark, **tags})
            elif MODEL_URI not in run.data.tags:  # a logged model keeps the origin that it has
                for name in (name for name, value in tags.items() if run.data.tags.get(name) != value):
                    self._client.set_tag(run.info.run_id, name, tags[name])
            for name in wanted.keys() - run.data.params.keys():
                self._client.log_param(run.info.run_id, name, wanted[name])
            return str(run.info.run_id)

    def log_candidate(
        self,
        run_id: str,
        name: str,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        fold_metrics: Sequence[Mapping[str, float]],
    ) -> None:
        """Log one candidate as a child run; repeating it replaces the child."""
        with _mapped(self._uri):
            experiment = self._client.get_run(run_id).info.experiment_id
            for old in self._runs(experiment, f"tags.`mlflow.parentRunId` = '{run_id}' and tags.candidate = '{name}'"):
                self._client.delete_run(old.info.run_id)
            tags = {"mlflow.parentRunId": run_id, "candidate": name}
            child = self._client.create_run(experiment, run_name=name, tags=tags).info.run_id
            for param, value in params.items():
                self._client.log_param(child, param, value)
            for metric, figure in metrics.items():
                self._client.log_metric(child, metric, figure)
            for step, fold in enumerate(fold_metrics):
                for metric, figure in fold.items():
                    self._client.log_metric(child, f"fold_{metric}", figure, step=step)
            self._client.set_terminated(child)

    def log_model(
        self,
        run_id: str,
        model: "AnyModel",
        example: "pd.DataFrame",
        metrics: Mapping[str, float],
        figures: Mapping[str, Any],
        documents: Mapping[str, Any],
    ) -> str:
        """Log a fitted model once with its example, pictures and JSON documents; return its URI."""
        with _mapped(self._uri):
            run = self._client.get_run(run_id)
            if MODEL_URI in run.data.tags:
                return str(run.data.tags[MODEL_URI])
            self._drop_unfinished(run)
            for name, figure in figures.items():
                self._client.log_figure(run_id, figure, f"figures/{name}.png")
            for name, document in documents.items():
                self._client.log_dict(run_id, document, f"{name}.json")
            for metric, value in metrics.items():
                self._client.log_metric(run_id, metric, value)
            uri = self._log_pyfunc(run_id, model, example)
            self._client.set_tag(run_id, MODEL_URI, uri)
            self._client.set_terminated(run_id)
            return uri

    def register(
        self, name: str, run_id: str, model_uri: str, tags: Mapping[str, str], description: str
    ) -> ModelVersionRef:
        """Register a logged model once; a version that already belongs to the run is returned."""
        with _mapped(self._uri):
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
        """Return the version that carries the champion alias, or None."""
        try:
            with _mapped(self._uri):
                number = self._client.get_registered_model(name).aliases.get("champion")
                if number is None:
                    return None
                found = self._client.get_model_version(name, str(number))
        except ModelMissing:
            return None
        return ModelVersionRef(name=name, version=str(found.version), mlflow_run_id=str(found.run_id))

    def load(self, version: ModelVersionRef) -> "AnyModel":
        """Return the fitted model of a version."""
        with _mapped(self._uri):
            loaded = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
            wrapped: ForecastModel | CohortsModel = loaded.unwrap_python_model()
            return wrapped.model

    def promote(self, version: ModelVersionRef, previous: ModelVersionRef | None) -> None:
        """Move ``champion`` to a version, and ``previous`` to the one that had it."""
        with _mapped(self._uri):
            if previous is not None and previous.version != version.version:
                self._client.set_registered_model_alias(version.name, "previous", previous.version)
            self._client.set_registered_model_alias(version.name, "champion", version.version)

    def challenge(self, version: ModelVersionRef, reason: str, figures: Mapping[str, float]) -> None:
        """Mark a version as the challenger and write down what was decided about it."""
        with _mapped(self._uri):
            self._client.set_registered_model_alias(version.name, "challenger", version.version)
            self._client.set_model_version_tag(version.name, version.version, "decision", reason)
            for name, figure in figures.items():
                self._client.set_model_version_tag(version.name, version.version, name, f"{figure:.6g}")

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(self._client.create_experiment(name, tags={NOTE: EXPERIMENT.format(name=name)}))
        except RestException as error:  # another run made it in between
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return str(self._client.get_experiment_by_name(name).experiment_id)

    def _registered_model(self, name: str) -> None:
        try:
            self._client.create_registered_model(name, description=MODEL.format(name=name))
        except RestException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _runs(self, experiment: str, condition: str) -> Sequence[Run]:
        return list(self._client.search_runs([experiment], condition, max_results=100))

    def _drop_unfinished(self, run: Run) -> None:
        """Delete models that an interrupted attempt of this run logged but never recorded."""
        models: Sequence[LoggedModel] = self._client.search_logged_models(
            [run.info.experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'"
        )
        for model in models:
            self._client.delete_logged_model(model.model_id)

    def _log_pyfunc(self, run_id: str, model: "AnyModel", example: "pd.DataFrame") -> str:
        wrapped = wrap(model)
        with mlflow.start_run(run_id=run_id):
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=wrapped,
                signature=wrapped.signature(),
                input_example=example,
                code_paths=[str(Path(xflow.__file__).parent)],
                pip_requirements=_pinned(),
            )
        return str(info.model_uri)


def _pinned() -> list[str]:
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in REQUIREMENTS]


@contextmanager
def _mapped(uri: str) -> Iterator[None]:
    """Map MLflow's errors to xFlow's at the boundary."""
    try:
        yield
    except RequestException as error:
        raise ServiceUnavailable(f"MLflow at {uri} does not answer: {error}. Is the server up?") from error
    except MlflowException as error:
        status = error.get_http_status_code()
        if status in (401, 403):
            raise AccessDenied(
                f"MLflow at {uri} refused the user: check MLFLOW_TRACKING_USERNAME and password"
            ) from error
        if isinstance(error.__cause__, RequestException) or "failed with exception" in str(error):
            raise ServiceUnavailable(f"MLflow at {uri} does not answer: {error}. Is the server up?") from error
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise ModelMissing(f"MLflow at {uri}: {error.message}") from error
        if status >= 500 or status == 429:
            raise ServiceUnavailable(f"MLflow at {uri} answered {status}: {error.message}") from error
        raise Permanent(f"MLflow at {uri} refused the request: {error.message}") from error

"""Experiments, runs and their artifacts in MLflow."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Metric, Param, Run
from mlflow.exceptions import RestException

from xflow.adapters.golden import FOLDER, golden_rows
from xflow.adapters.mlflow_model import wrap
from xflow.adapters.mlflow_notes import CANDIDATE, EXPERIMENT, NOTE, RUNS, source, title
from xflow.adapters.mlflow_server import mapped, sign_in
from xflow.adapters.model_code import write_code
from xflow.environments import PRODUCTION, Environment
from xflow.errors import ModelMissing
from xflow.refs import RunKey

if TYPE_CHECKING:
    import pandas as pd

    from xflow.ports import AnyModel

RUN_KEY = "xflow.run_key"
REPLACED = "xflow.replaced_run_key"  # on a run that was repeated with other data or parameters
MODEL_URI = "xflow.model_uri"
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
)


class MlflowRuns:
    """Runs on an MLflow tracking server.

    MLflow's client takes credentials from the process environment alone, so the constructor puts
    them there.

    Parameters
    ----------
    uri, username, password
        The tracking server and a user who may write to it.
    environment
        Where the versions serve: which aliases `champion` and `promote` are about.
    """

    def __init__(self, uri: str, username: str, password: str, environment: Environment = PRODUCTION) -> None:
        sign_in(username, password)
        mlflow.set_tracking_uri(uri)
        self._uri, self.environment = uri, environment
        self._client = MlflowClient(uri)

    def open_run(self, key: RunKey, params: Mapping[str, Any], tags: Mapping[str, str], target: str = "") -> str:
        """Return the id of the run that belongs to a run key; see `xflow.ports.ModelRegistry`."""
        wanted = {name: str(value) for name, value in params.items()}
        mark = f"{key}/{target}" if target else str(key)
        with mapped(self._uri):
            experiment = self._experiment(key.pipeline)
            found = self._runs(experiment, f"tags.`{RUN_KEY}` = '{mark}'")
            run = found[0] if found else None
            if run is not None and any(run.data.params.get(name, value) != value for name, value in wanted.items()):
                self._client.set_tag(run.info.run_id, REPLACED, mark)
                self._client.delete_tag(run.info.run_id, RUN_KEY)
                run = None
            if run is None:
                about = {NOTE: RUNS[key.kind]} if key.kind in RUNS else {}
                all_tags = {RUN_KEY: mark, **about, **source(key, tags), **tags}
                run = self._client.create_run(experiment, run_name=title(key, target), tags=all_tags)
            elif MODEL_URI not in run.data.tags:  # a logged model keeps the origin that it has
                for name in (name for name, value in tags.items() if run.data.tags.get(name) != value):
                    self._client.set_tag(run.info.run_id, name, tags[name])
            if absent := {name: wanted[name] for name in wanted.keys() - run.data.params.keys()}:
                self._client.log_batch(run.info.run_id, params=_params(absent))
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
        with mapped(self._uri):
            experiment = self._client.get_run(run_id).info.experiment_id
            for old in self._runs(experiment, f"tags.`mlflow.parentRunId` = '{run_id}' and tags.candidate = '{name}'"):
                self._client.delete_run(old.info.run_id)
            tags = {"mlflow.parentRunId": run_id, "candidate": name, NOTE: CANDIDATE}
            child = self._client.create_run(experiment, run_name=name, tags=tags).info.run_id
            figures = _metrics(metrics)
            for step, fold in enumerate(fold_metrics):
                figures += _metrics({f"fold_{metric}": figure for metric, figure in fold.items()}, step)
            self._client.log_batch(child, figures, _params(params))
            self._client.set_terminated(child)

    def log_model(
        self,
        run_id: str,
        model: "AnyModel",
        example: "pd.DataFrame",
        metrics: Mapping[str, float],
        figures: Mapping[str, Any],
        documents: Mapping[str, Any],
        files: Mapping[str, bytes],
    ) -> str:
        """Log a fitted model once with its example, pictures, JSON documents and other files; return its URI."""
        with mapped(self._uri):
            run = self._client.get_run(run_id)
            if MODEL_URI in run.data.tags:
                return str(run.data.tags[MODEL_URI])
            self._drop_unfinished(run)
            for name, figure in figures.items():
                self._client.log_figure(run_id, figure, f"figures/{name}.png")
            for name, document in documents.items():
                self._client.log_dict(run_id, document, f"{name}.json")
            self._log_files(run_id, files)
            self._client.log_batch(run_id, _metrics(metrics))
            uri = self._log_pyfunc(run_id, model, example)
            self._client.set_tag(run_id, MODEL_URI, uri)
            self._client.set_terminated(run_id)
            return uri

    def log_files(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Write files by their path to a run's artifacts, over those that have the name."""
        with mapped(self._uri):
            self._log_files(run_id, files)

    def log_figure(self, run_id: str, name: str, figure: Any) -> None:
        """Write a picture to a run's artifacts, as ``figures/<name>.png``."""
        with mapped(self._uri):
            self._client.log_figure(run_id, figure, f"figures/{name}.png")

    def log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Write figures to a run, and end it."""
        with mapped(self._uri):
            self._client.log_batch(run_id, _metrics(metrics))
            self._client.set_terminated(run_id)

    def artifact(self, run_id: str, path: str) -> bytes:
        """Return one file of a run's artifacts."""
        folder, _, _ = path.rpartition("/")
        with mapped(self._uri), tempfile.TemporaryDirectory(prefix="xflow-") as target:
            found = self._client.list_artifacts(run_id, folder or None)
            if all(each.path != path or each.is_dir for each in found):
                raise ModelMissing(f"MLflow at {self._uri}: run {run_id} has no artifact {path}")
            return Path(self._client.download_artifacts(run_id, path, target)).read_bytes()

    def facts(self, run_id: str) -> dict[str, dict[str, Any]]:
        """Return a run's parameters, metrics and tags."""
        with mapped(self._uri):
            data = self._client.get_run(run_id).data
        return {"params": dict(data.params), "metrics": dict(data.metrics), "tags": dict(data.tags)}

    def _log_files(self, run_id: str, files: Mapping[str, bytes]) -> None:
        for path, content in files.items():
            folder, _, name = path.rpartition("/")
            with tempfile.TemporaryDirectory(prefix="xflow-") as target:
                (Path(target) / name).write_bytes(content)
                self._client.log_artifact(run_id, str(Path(target) / name), folder or None)

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
        with mlflow.start_run(run_id=run_id), tempfile.TemporaryDirectory(prefix="xflow-") as target:
            golden_rows(wrapped, example).write(Path(target) / FOLDER)
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=wrapped,
                artifacts={FOLDER: str(Path(target) / FOLDER)},
                signature=wrapped.signature(),
                input_example=example,
                code_paths=[str(write_code(Path(target)))],
                pip_requirements=_pinned(),
            )
        return str(info.model_uri)


def _metrics(figures: Mapping[str, float], step: int = 0) -> list[Metric]:
    now = int(time.time() * 1000)
    return [Metric(name, value, now, step) for name, value in figures.items()]


def _params(values: Mapping[str, Any]) -> list[Param]:
    return [Param(name, str(value)) for name, value in values.items()]


def _pinned() -> list[str]:
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in REQUIREMENTS]

"""What the demo's runs left in the ledger and in the registry, as tables."""

import json
from typing import Any

from rich.table import Column, Table

from xflow.environments import environment
from xflow.pipeline import AnyPipeline, Pipeline, load
from xflow.refs import RunKey
from xflow.settings import Settings, pipelines_folder

GENERATED = {"vacancies": " (generated sample: its figures say nothing of real vacancies)"}


def results(
    settings: Settings, airflow: str, mlflow: str, pipeline: str, run_id: str, in_service: dict[str, str]
) -> Table:
    """Return the table of what a pipeline's training and prediction of one run id left behind.

    Parameters
    ----------
    airflow, mlflow
        Addresses of their pages in a browser.
    in_service
        Versions that answer over REST, by model.
    """
    loaded = load(pipelines_folder() / f"{pipeline}.yaml")
    table = Table(
        "",
        Column(overflow="fold"),
        title=f"{pipeline}{GENERATED.get(pipeline, '')}: run {run_id}",
        title_justify="left",
        show_header=False,
    )
    trained, predicted = (ledger_row(settings, pipeline, kind, run_id) for kind in ("train", "predict"))
    table.add_row("rows of train", rows(trained))
    table.add_row("rows of predict", f"{rows(predicted)}; {predicted['rows_out']} predictions out")
    counted = json.loads(predicted["metrics"] or "{}")
    for name, what in (("series_fell_back", "fell back"), ("series_without_forecast", "without forecast")):
        if counted.get(name):
            table.add_row(f"series {what}", f"{counted[name]}; the column note says why")
    for name, figure in scores(json.loads(trained["metrics"]), loaded):
        table.add_row(name, figure)
    table.add_row("models", f"{models(trained)}: {trained['message']}")
    table.add_row("predictions by", models(predicted))
    table.add_row("in service", ", ".join(f"{name} version {version}" for name, version in in_service.items()))
    table.add_row("predictions", predicted["output_uri"])
    table.add_row("Airflow", f"{airflow}/dags/{pipeline}_train")
    for target in loaded.targets:
        name = loaded.model_name(target)
        # Without the workflow, MLflow opens the menus of its language model side.
        version = champion_version(settings, name)
        page = f"{mlflow}/#/models/{name}/versions/{version}?workflowType=machine_learning"
        table.add_row("MLflow", page)
    return table


def models(run: dict[str, Any]) -> str:
    """Return a run's models, each with its version."""
    pairs = zip(run["model_name"].split(", "), run["model_version"].split(", "), strict=True)
    return ", ".join(f"{name} version {version}" for name, version in pairs)


def rows(run: dict[str, Any]) -> str:
    """Return a run's count of input rows as a sum that can be checked."""
    return f"{run['rows_in']} in = {run['rows_accepted']} accepted + {run['rows_rejected']} rejected"


def ledger_row(settings: Settings, pipeline: str, kind: str, run_id: str) -> dict[str, Any]:
    """Return a run's row of ``mart.run``."""
    from xflow.adapters.greenplum import GreenplumMart  # its driver is not needed to show the help

    key = RunKey.model_validate({"pipeline": pipeline, "kind": kind, "run_id": run_id})
    row = GreenplumMart(settings.greenplum_dsn).run(key)
    if row is None:
        raise SystemExit(f"mart.run has no row of the {kind} run {run_id}, although Airflow says that it succeeded.")
    return row


def scores(metrics: dict[str, float], pipeline: AnyPipeline) -> list[tuple[str, str]]:
    """Return name and text of the figures that say how good the models are, each beside what it is held against."""
    model, found = pipeline.model, []
    for target in pipeline.targets:
        of, title = (f"{target}_", f"{target} ") if target else ("", "")
        for part in ("backtest", "holdout"):
            name = f"{of}{part}_{model.metric}"
            text = f"{metrics[name]:.4f}; {model.floor} {metrics[f'{name}_floor']:.4f}"
            found.append((f"{title}{part} {model.metric}", text))
        auc = metrics.get(f"{of}holdout_roc_auc")
        if auc is not None:
            found.append((f"{title}holdout ROC AUC", f"{auc:.4f} one versus one; chance 0.5"))
    if isinstance(pipeline, Pipeline):
        covered = (
            f"{metrics[f'holdout_coverage_{level * 100:.0f}']:.1%} in the {level:.0%} interval"
            for level in pipeline.model.levels
        )
        found.append(("holdout coverage", ", ".join(covered)))
    return found


def champion_version(settings: Settings, name: str) -> str:
    """Return the version that carries the champion alias, by MLflow's REST API (its client takes 5 s to import)."""
    import requests

    answer = requests.get(
        f"{settings.mlflow_uri}/api/2.0/mlflow/registered-models/alias",
        params={"name": name, "alias": environment(settings.environment).champion},
        auth=(settings.mlflow_username, settings.mlflow_password),
        timeout=30,
    )
    if not answer.ok:
        raise SystemExit(f"MLflow names no champion of {name}: {answer.status_code} {answer.text}")
    return str(answer.json()["model_version"]["version"])

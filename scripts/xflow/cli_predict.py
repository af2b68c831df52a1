"""Commands that predict: now, for a past date, and for many past dates."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from xflow.cli_base import AsOf, Horizon, InputUri, Name, RunId, Steps, print_rows, reported, run_of
from xflow.errors import ConfigInvalid
from xflow.predict_runner import PredictRunner
from xflow.runner import Json
from xflow.vacancy_pipeline import VacancyPipeline

MOST = 1_000
"""Dates that one backfill takes."""

At = Annotated[
    str | None,
    typer.Option(help="Past date or time in UTC: predict with what was known then and the champion of then."),
]
From = Annotated[str, typer.Option("--from", help="First date or time, in UTC, as 2026-08-01 or 2026-08-01T06:00.")]
To = Annotated[str, typer.Option("--to", help="Last date or time.")]


class Every(StrEnum):
    """The distance of the dates of a backfill."""

    hour = "hour"
    day = "day"
    week = "week"
    month = "month"


def predict(
    name: Name,
    input_uri: InputUri = None,
    as_of: AsOf = None,
    at: At = None,
    horizon: Horizon = None,
    run_id: RunId = None,
) -> None:
    """Predict with the champions and write parquet to S3.

    --as-of cuts the data alone: today's champion predicts from what was known by then. --at takes the champion of
    that date as well.
    """
    with reported():
        _predict(name, input_uri, as_of, at, horizon, run_id)


def backfill(name: Name, first: From, last: To, every: Every = Every.day, input_uri: InputUri = None) -> None:
    """Predict for past dates, each with what was known then and the champion of then.

    A date has a run of its own, backfill-<date>: repeating the command replaces what it wrote, and nothing else.
    """
    with reported():
        for date in dates(first, last, every):
            stamp = date.isoformat()
            _predict(name, input_uri, None, stamp, None, f"backfill-{stamp.replace(':', '')}")


def dates(first: str, last: str, every: Every) -> list[datetime]:
    """Return the dates of a backfill, both ends included.

    Raises
    ------
    ConfigInvalid
        There are none, or more than `MOST`.
    """
    import pandas as pd

    from xflow.steps.check_contract import parse_as_of

    start, end = parse_as_of(first), parse_as_of(last)
    found: list[datetime] = []

    def shift(number: int) -> Any:
        return pd.DateOffset(**{f"{every}s": number})  # type: ignore[arg-type]  # the stubs take the last one alone

    while (date := start + shift(len(found))) <= end:
        found.append(date.to_pydatetime() if isinstance(date, pd.Timestamp) else date)
        if len(found) > MOST:
            raise ConfigInvalid(f"more than {MOST} dates from {first} to {last} every {every}: take fewer at a time")
    if not found:
        raise ConfigInvalid(f"no date from {first} to {last}: --to lies before --from")
    return found


def _predict(
    name: str, input_uri: str | None, as_of: str | None, at: str | None, horizon: int | None, run_id: str | None
) -> None:
    with Steps(PredictRunner(*run_of(name, "predict", run_id))) as steps:
        run = steps.runner
        checked = steps.call("check contract", run.check_contract, input_uri, as_of, at)
        steps.call("load mart", run.load_mart, checked)
        features = steps.call("write features", run.write_features, checked)
        drift = steps.call("check drift", run.check_drift, features, checked, at)
        predictions = steps.call("predict", run.predict, features, checked, horizon, at, drift)
        steps.call("load predictions", run.load_predictions, predictions)
    print_rows(checked)
    if drift["verdict"]:
        typer.echo(f"drift: {drift['verdict']} {drift['reason']}".rstrip() + f"; report {', '.join(drift['reports'])}")
    _print(predictions, "vacancies" if isinstance(run.pipeline, VacancyPipeline) else "series")


def _print(predictions: Json, about: str) -> None:
    champions = ", ".join(f"{model['name']} version {model['version']}" for model in predictions["models"])
    typer.echo(
        f"{predictions['rows']} predictions of {predictions['entities']} {about} by {champions}: "
        f"{predictions['prefix']}"
    )

"""Requests of MLflow's scoring protocol: read by MLflow's code, predicted in a thread, written down row by row."""

import io
import json
import logging
import time
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server
from mlflow.types import DataType, Schema

from xflow.columns import SERIES_ID
from xflow.errors import ForecastNotFinite, ModelIncompatible
from xflow.pipeline import Pipeline
from xflow.serving.problems import Problem
from xflow.serving.schemas_series import MOST_STEPS
from xflow.serving.served import ServedModel
from xflow.serving.sizes import check_characters, check_csv, check_parquet, check_rows
from xflow.settings import ServingSettings
from xflow.vacancy_pipeline import TEXTS

log = logging.getLogger("xflow.serving")

HORIZON = "horizon"
FORMATS = sorted(scoring_server.SUPPORTED_FORMATS)
LONGEST_MESSAGE = 300
MOST_DECODED = 8
"""Times the largest body that a table in parquet may have once it is decoded."""


class Scored(NamedTuple):
    """The answer to a request.

    Attributes
    ----------
    body
        As MLflow's server writes it.
    rows
        Id, input and output of every vacancy, which has no id here, or of every series.
    seconds
        Of the model's call.
    """

    body: str
    rows: list[tuple[str, str, str]]
    seconds: float


def scored(served: ServedModel, body: bytes, kind: str, limits: ServingSettings) -> Scored:
    """Return the answer to a request.

    Parameters
    ----------
    kind
        Content type without its parameters: JSON, CSV or parquet.

    Raises
    ------
    Problem
        400: it cannot be read, or the model takes other columns. 415: it is of another type. 422: it is too large.
    """
    frame, params = _parsed(body, kind, served, limits)
    _check(served, frame, params, limits)
    began = time.perf_counter()
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
            made = served.pyfunc.predict(frame, params=params or None)
    except (MlflowException, ValueError, TypeError, KeyError, AttributeError) as error:
        _refuse("the model takes other columns or values than these", error)
    except (ModelIncompatible, ForecastNotFinite) as error:
        raise Problem(400, str(error), {"body": type(error).__name__}) from error
    seconds = time.perf_counter() - began
    if not np.isfinite(made.select_dtypes("number").to_numpy()).all():
        raise Problem(400, "the model has no finite answer to these values", {"body": "too large or too small"})
    written = io.StringIO()
    scoring_server.predictions_to_json(made, written)
    return Scored(written.getvalue(), _rows(frame, made), seconds)


def _parsed(
    body: bytes, kind: str, served: ServedModel, limits: ServingSettings
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the frame and the parameters of a request."""
    schema = served.pyfunc.metadata.get_input_schema()
    most = limits.most_values if isinstance(served.pipeline, Pipeline) else limits.most_rows
    params: Any = {}
    try:
        if kind == scoring_server.CONTENT_TYPE_JSON:
            document = json.loads(body)
            if not isinstance(document, dict):
                raise Problem(400, "send an object that has one of " + ", ".join(FORMATS), {"body": "is no object"})
            params = document.get(scoring_server.SERVING_PARAMS_KEY) or {}
            given = {name: document[name] for name in FORMATS if name in document}
            for table in given.values():
                check_rows(table, most)
            data = scoring_server.infer_and_parse_data(given, schema)
        elif kind == scoring_server.CONTENT_TYPE_CSV:
            check_csv(body.decode(), most)
            data = _csv(body, schema)
        elif kind == scoring_server.CONTENT_TYPE_PARQUET:
            check_parquet(body, most, MOST_DECODED * limits.most_bytes)
            data = scoring_server.parse_parquet_input(io.BytesIO(body))
        else:
            types = ", ".join(scoring_server.CONTENT_TYPES)
            raise Problem(415, f"send one of {types}", {"header.content-type": kind or "missing"})
        frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(data)
    except (MlflowException, ValueError, TypeError, RecursionError) as error:
        _refuse("the body cannot be read", error)
    if not isinstance(params, dict):
        raise Problem(400, "params must be an object", {"body.params": "is no object"})
    return frame, params


def _csv(body: bytes, schema: Schema) -> pd.DataFrame:
    """Return a frame; MLflow's code reads all but times, which pandas takes in no dtype."""
    times = [each.name for each in schema.inputs if each.type == DataType.datetime]
    others = Schema([each for each in schema.inputs if each.name not in times])
    frame: pd.DataFrame = scoring_server.parse_csv_input(io.StringIO(body.decode()), others)
    if not isinstance(frame.index, pd.RangeIndex):  # pandas takes what is too much for names of rows
        raise ValueError("rows have more values than there are columns")  # noqa: TRY004  # of the request, not of us
    return frame.assign(**{name: pd.to_datetime(frame[name]) for name in times if name in frame})


def _check(served: ServedModel, frame: pd.DataFrame, params: dict[str, Any], limits: ServingSettings) -> None:
    """Check that a request is not too large, and that its columns and series can be told apart."""
    if isinstance(frame.columns, pd.MultiIndex) or frame.columns.has_duplicates:
        raise Problem(400, "each column needs a name of its own, a text", {"body": "names of columns"})
    if not isinstance(served.pipeline, Pipeline):
        if len(frame) > limits.most_rows:
            raise Problem(422, f"{len(frame)} vacancies at once: send at most {limits.most_rows}", {"body": "too many"})
        names = served.pyfunc.metadata.get_input_schema().input_names()
        if len(frame) and not any(name in frame for name in names):
            raise Problem(400, f"none of the model's columns was sent: {', '.join(names)}", {"body": "other columns"})
        texts = (text for name in TEXTS if name in frame for text in frame[name] if isinstance(text, str))
        check_characters(texts, limits.most_characters, "body")
        return
    if SERIES_ID in frame and not frame[SERIES_ID].map(lambda name: isinstance(name, str)).all():
        raise Problem(400, f"{SERIES_ID} must be a text in every row", {"body": f"{SERIES_ID} is no text"})
    series = frame[SERIES_ID].nunique() if SERIES_ID in frame else 0
    horizon = params.get(HORIZON, served.pipeline.model.horizon)
    if not isinstance(horizon, int) or isinstance(horizon, bool) or not 1 <= horizon <= MOST_STEPS:
        raise Problem(422, f"horizon is a whole number from 1 to {MOST_STEPS}", {"body.params.horizon": "out of range"})
    if series > limits.most_series or max(len(frame), series * horizon) > limits.most_values:
        detail = f"at most {limits.most_series} series, and {limits.most_values} values sent or forecast"
        raise Problem(422, detail, {"body": f"{len(frame)} rows of {series} series, {horizon} steps"})


def _refuse(what: str, error: Exception) -> NoReturn:
    """Refuse a request by the first line of an error: MLflow's go on with the whole input."""
    log.info("%s: %s", what, type(error).__name__)
    message = getattr(error, "message", str(error)).rpartition("Error: ")[2].splitlines() or [""]
    raise Problem(400, f"{what}: {message[0][:LONGEST_MESSAGE]}", {"body": type(error).__name__}) from None


def _rows(frame: pd.DataFrame, made: pd.DataFrame) -> list[tuple[str, str, str]]:
    if SERIES_ID not in made:
        given, answers = frame.to_dict("records"), made.to_dict("records")
        return [("", _json(one), _json(other)) for one, other in zip(given, answers, strict=True)]
    of_series = dict(iter(frame.groupby(SERIES_ID, sort=False)))
    return [
        (str(name), _json(of_series[name].to_dict("list")), _json(rows.to_dict("list")))
        for name, rows in made.groupby(SERIES_ID, sort=False)
    ]


def _json(values: object) -> str:
    return json.dumps(values, ensure_ascii=False, default=str)

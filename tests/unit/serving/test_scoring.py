"""MLflow's scoring protocol over the models in service: the same answers as MLflow's, other refusals."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from mlflow.models import Model
from mlflow.pyfunc import PyFuncModel, scoring_server

from served_world import COHORTS, SERIES, ServedWorld, problem, served_world
from small_cohorts import small_cohorts, small_rows
from small_models import small_model, small_panel
from xflow.adapters.mlflow_model import wrap

VACANCIES = f"/models/{COHORTS}_salary/invocations"
FORECAST = f"/models/{SERIES}/invocations"
JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"


class Plain:
    """A model's own `predict` in the form that MLflow's wrapper calls."""

    def __init__(self, wrapped: Any) -> None:
        self.wrapped = wrapped

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        return self.wrapped.predict(None, model_input, params)


def pyfunc(model: Any) -> PyFuncModel:
    """Return a model behind MLflow's interface, which checks what it is given against the signature."""
    wrapped = wrap(model)
    meta = Model(flavors={"python_function": {"loader_module": "none"}}, signature=wrapped.signature())
    return PyFuncModel(meta, Plain(wrapped))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServedWorld, TestClient]]:
    world = served_world(tmp_path_factory.mktemp("home"))
    world.serve(SERIES, "", small_model(1.0), pyfunc(small_model(1.0)))
    world.serve(COHORTS, "salary", small_cohorts("salary"), pyfunc(small_cohorts("salary")))
    with world.client() as client:
        yield world, client


@pytest.fixture
def world(shared: tuple[ServedWorld, TestClient]) -> ServedWorld:
    shared[0].log.rows.clear()
    return shared[0]


@pytest.fixture
def client(shared: tuple[ServedWorld, TestClient]) -> TestClient:
    return shared[1]


def send(client: TestClient, url: str, body: bytes | dict[str, Any], kind: str = JSON) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(url, content=content, headers={"content-type": kind})


def told(frame: pd.DataFrame, orient: Any) -> Any:
    return json.loads(frame.to_json(orient=orient, date_format="iso", double_precision=15))


def payloads(frame: pd.DataFrame) -> dict[str, tuple[bytes | dict[str, Any], str]]:
    parquet = io.BytesIO()
    frame.to_parquet(parquet)
    return {
        "split": ({"dataframe_split": told(frame, "split")}, JSON),
        "records": ({"dataframe_records": told(frame, "records")}, JSON),
        "instances": ({"instances": told(frame, "records")}, JSON),
        "inputs": ({"inputs": {name: [row[name] for row in told(frame, "records")] for name in frame}}, JSON),
        "csv": (frame.to_csv(index=False).encode(), f"{CSV}; charset=utf-8"),
        "parquet": (parquet.getvalue(), PARQUET),
    }


@pytest.mark.parametrize("form", ["split", "records", "instances", "inputs", "csv", "parquet"])
def test_cohorts_are_those_of_pyfunc(client: TestClient, world: ServedWorld, form: str) -> None:
    frame = small_rows().head(6)[["responsibility", "experience_id"]]
    found = send(client, VACANCIES, *payloads(frame)[form])
    assert found.status_code == 200, found.text
    wanted = world.models.named(f"{COHORTS}_salary").pyfunc.predict(frame)
    pd.testing.assert_frame_equal(pd.DataFrame(found.json()["predictions"]), wanted, check_exact=True)
    assert len(world.log.rows) == 6
    row = world.log.rows[2]
    assert (row.row, row.entity_id, row.target, row.endpoint) == (2, "", "salary", "/models/{name}/invocations")
    assert json.loads(row.input) == frame.iloc[2].to_dict()
    assert json.loads(row.output) == found.json()["predictions"][2]


@pytest.mark.parametrize("form", ["split", "records", "instances", "inputs", "csv", "parquet"])
def test_forecasts_are_those_of_pyfunc(client: TestClient, world: ServedWorld, form: str) -> None:
    frame = small_panel().to_frame().head(60).round(6)
    found = send(client, FORECAST, *payloads(frame)[form])
    assert found.status_code == 200, found.text
    wanted = world.models.named(SERIES).pyfunc.predict(frame)
    answer = pd.DataFrame(found.json()["predictions"]).astype({"timestamp": wanted["timestamp"].dtype})
    pd.testing.assert_frame_equal(answer, wanted, check_exact=True)
    assert [row.entity_id for row in world.log.rows] == ["s0", "s1"]
    assert json.loads(world.log.rows[1].input)["value"] == frame["value"].tolist()[36:]


def test_a_horizon_is_a_parameter(client: TestClient) -> None:
    split = told(small_panel().to_frame(), "split")
    found = send(client, FORECAST, {"dataframe_split": split, "params": {"horizon": 5}})
    assert len(found.json()["predictions"]) == 4 * 5
    for wrong in (0, -1, 1001, 1.5, "3", True, None, 10**30):
        refused = send(client, FORECAST, {"dataframe_split": split, "params": {"horizon": wrong}})
        assert problem(refused, 422) == {"body.params.horizon": "out of range"}
    assert problem(send(client, FORECAST, {"dataframe_split": split, "params": [1]}), 400) == {
        "body.params": "is no object"
    }


def month(cells: str) -> bytes:
    """Return a request of one row of a series."""
    names = '"columns": ["series_id", "timestamp", "value"]'
    return f'{{"dataframe_split": {{{names}, "data": [[{cells}]]}}}}'.encode()


HEAD = b"series_id,timestamp,value\n"
BAD = {
    "nothing": (FORECAST, b"", JSON, 400),
    "a list": (FORECAST, b"[1]", JSON, 400),
    "cut": (FORECAST, b"{", JSON, 400),
    "no UTF-8": (FORECAST, b"\xff", JSON, 400),
    "deep": (FORECAST, b'{"inputs":' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON, 400),
    "no format": (FORECAST, b'{"vacancies": []}', JSON, 400),
    "two formats": (FORECAST, b'{"inputs": [], "instances": []}', JSON, 400),
    "a chat": (FORECAST, b'{"messages": [{"role": "user"}]}', JSON, 400),
    "a number for a frame": (FORECAST, b'{"dataframe_split": 3}', JSON, 400),
    "other columns": (FORECAST, b'{"dataframe_records": [{"a": 1}]}', JSON, 400),
    "other columns of a vacancy": (VACANCIES, b'{"dataframe_records": [{"a": 1}]}', JSON, 400),
    "no columns": (VACANCIES, b'{"dataframe_records": [1]}', JSON, 400),
    "a number for a text": (VACANCIES, b'{"dataframe_records": [{"responsibility": 1}]}', JSON, 400),
    "off the grid": (FORECAST, month('"a", "2020-01-05", 1'), JSON, 400),
    "no value": (FORECAST, month('"a", "2020-01-01", null'), JSON, 400),
    "infinite": (FORECAST, month('"a", "2020-01-01", 1e999'), JSON, 400),
    "empty CSV": (FORECAST, b"", CSV, 400),
    "CSV of two widths": (VACANCIES, b"responsibility\na,b\n", CSV, 400),
    "CSV in no UTF-8": (VACANCIES, b"responsibility\n\xff\n", CSV, 400),
    "no time in CSV": (FORECAST, b"series_id,timestamp,value\na,soon,1\n", CSV, 400),
    "no parquet": (FORECAST, b"PAR1", PARQUET, 400),
    "text": (VACANCIES, b"a", "text/plain", 415),
    "no type": (VACANCIES, b"{}", "", 415),
    "another charset": (VACANCIES, b"responsibility\na\n", f"{CSV}; charset=cp1251", 415),
    "a list for a series": (FORECAST, month('["a"], "2020-01-01", 1'), JSON, 400),
    "an object for a series": (FORECAST, month('{"a": 1}, "2020-01-01", 1'), JSON, 400),
    "a column twice": (
        FORECAST,
        b'{"dataframe_split": {"columns": ["series_id", "series_id"], "data": []}}',
        JSON,
        400,
    ),
    "columns of two names": (VACANCIES, b'{"dataframe_split": {"columns": [["a", "b"]], "data": [[1]]}}', JSON, 400),
    "many columns": (VACANCIES, json.dumps({"inputs": {str(i): 1 for i in range(201)}}).encode(), JSON, 422),
    "columns row by row": (
        VACANCIES,
        json.dumps({"dataframe_records": [{f"{i} {j}": 1 for j in range(9)} for i in range(60)]}).encode(),
        JSON,
        422,
    ),
    "a wide row": (VACANCIES, json.dumps({"dataframe_split": {"data": [[], [1] * 201]}}).encode(), JSON, 422),
    "a wide CSV": (VACANCIES, b"a," * 201 + b"\n1\n", CSV, 422),
    "long texts": (
        VACANCIES,
        ("responsibility\n" + ("\ufdfa" * 1_400 + "\n") * 70).encode(),
        CSV,
        422,
    ),
    "many rows": (VACANCIES, b"responsibility\n" + b"a\n" * 71, CSV, 422),
    "many values": (FORECAST, HEAD + b"a,2020-01-01,1\n" * 601, CSV, 422),
    "many series": (FORECAST, HEAD + b"".join(b"%d,2020-01-01,1\n" % i for i in range(21)), CSV, 422),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_fault_is_a_problem_without_a_trace(client: TestClient, world: ServedWorld, fault: str) -> None:
    url, body, kind, status = BAD[fault]
    found = send(client, url, body, kind)
    assert problem(found, status)
    assert len(found.json()["detail"]) < 500
    assert world.log.rows == []


def parquet(table: pa.Table) -> bytes:
    written = io.BytesIO()
    pq.write_table(table, written, compression="zstd")
    return written.getvalue()


@pytest.mark.parametrize(
    ("table", "status"),
    [
        (pa.table({"responsibility": pa.array(["a"] * 100_000)}), 422),
        (pa.table({"responsibility": pa.array(["a" * 200_000] * 70)}), 422),
        (pa.table({"responsibility": pa.array(["a" * 200_000] * 70, pa.large_string())}), 422),
        (pa.table({str(i): [1] for i in range(201)}), 422),
        (pa.table({"responsibility": pa.array(["a"]), "other": [list(range(10))]}), 400),
    ],
)
def test_a_table_that_grows_when_decoded_is_refused_before(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, table: pa.Table, status: int
) -> None:
    monkeypatch.setattr(scoring_server, "parse_parquet_input", lambda _: pytest.fail("it was decoded"))
    problem(send(client, VACANCIES, parquet(table), PARQUET), status)


def test_a_model_is_named_where_there_are_several(client: TestClient, tmp_path: Path) -> None:
    body = b"responsibility\nabc\n"
    assert "query.model" in problem(send(client, "/invocations", body, CSV), 422)
    assert "query.model" in problem(send(client, "/invocations?model=none", body, CSV), 404)
    assert "path.name" in problem(send(client, "/models/none/invocations", body, CSV), 404)
    assert send(client, f"/invocations?model={COHORTS}_salary", body, CSV).status_code == 200
    alone = served_world(tmp_path)
    alone.models._models.clear()
    with alone.client() as other:
        problem(send(other, "/invocations", body, CSV), 503)
        problem(other.get("/ping"), 503)
        alone.serve(COHORTS, "salary", small_cohorts("salary"), pyfunc(small_cohorts("salary")))
        assert len(send(other, "/invocations", body, CSV).json()["predictions"]) == 1
        assert other.get("/health").text == "\n"


def test_a_client_may_ask_whether_a_model_is_there(client: TestClient, world: ServedWorld) -> None:
    with world.client(Authorization="") as stranger:
        for path in ("/ping", "/health", f"/models/{SERIES}/ping", f"/models/{SERIES}/health"):
            assert (stranger.get(path).status_code, stranger.get(path).text) == (200, "\n")
        problem(stranger.get("/models/none/ping"), 404)
        problem(stranger.get("/version"), 401)
        problem(send(stranger, FORECAST, b"{}"), 401)
    assert client.get("/version").text == client.get(f"/models/{SERIES}/version").text == mlflow.__version__


def test_an_answer_that_is_not_finite_is_refused(client: TestClient) -> None:
    frame = pd.DataFrame({"series_id": "a", "timestamp": pd.date_range("2020", periods=30, freq="MS")})
    frame["value"] = np.random.default_rng(1).choice([1.7e308, -1.7e308], 30)
    problem(send(client, FORECAST, {"dataframe_split": told(frame, "split")}), 400)

"""What a version must pass before it answers, and the files that it is kept in."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from small_cohorts import CATEGORIES, TEXTS, small_cohorts, small_rows
from small_models import small_model, small_panel, small_pipeline
from xflow.adapters.golden import ODD_TEXTS, GoldenRows, golden_rows
from xflow.adapters.mlflow_model import ForecastModel, wrap
from xflow.errors import DiskFull, ModelRefused, ServiceUnavailable
from xflow.pipeline_base import ServingPolicy
from xflow.refs import ModelVersionRef
from xflow.serving.model_cache import ModelCache
from xflow.serving.pipeline_files import read_again
from xflow.serving.served import ServedModel
from xflow.serving.smoke import smoke_test

VERSION = ModelVersionRef(name="demo", version="7", mlflow_run_id="abc")


class Behind:
    """Answers as MLflow's interface does, with something done to the answer."""

    def __init__(self, change: Callable[[pd.DataFrame], pd.DataFrame] = lambda made: made) -> None:
        self._model, self._change = wrap(small_model(1.0)), change

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        return self._change(self._model.predict(None, rows))


def served(pyfunc: Any) -> ServedModel:
    return ServedModel(small_pipeline(), "", VERSION, small_model(1.0), pyfunc, datetime.now(UTC))


@pytest.fixture(scope="module")
def golden() -> GoldenRows:
    return golden_rows(wrap(small_model(1.0)), small_panel().to_frame())


def times(column: str, row: int, factor: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(made: pd.DataFrame) -> pd.DataFrame:
        made.loc[made.index == row, column] *= factor
        return made

    return change


def test_an_odd_series_that_a_model_cannot_forecast_is_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    class LongSeriesOnly(ForecastModel):
        def predict(
            self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
        ) -> pd.DataFrame:
            if model_input.groupby("series_id").size().min() < 5:
                raise ValueError("five values at least")
            return super().predict(context, model_input, params)

    made = golden_rows(LongSeriesOnly(small_model(1.0)), small_panel().to_frame())
    assert "golden constant" in set(made.inputs["series_id"])
    assert "golden short" not in set(made.inputs["series_id"])
    assert "'golden short': five values at least" in caplog.text


def test_golden_rows_hold_a_short_and_a_constant_series_and_come_back_as_they_were(
    golden: GoldenRows, tmp_path: Path
) -> None:
    lengths = golden.inputs.groupby("series_id").size()
    assert lengths["golden short"] == 2
    assert golden.inputs.groupby("series_id")["value"].nunique()["golden constant"] == 1
    (tmp_path / "artifacts").mkdir()
    golden.write(tmp_path / "artifacts" / "golden")
    read = GoldenRows.read(tmp_path)
    assert read is not None
    pd.testing.assert_frame_equal(read.inputs, golden.inputs)
    pd.testing.assert_frame_equal(read.outputs, golden.outputs)
    assert GoldenRows.read(tmp_path / "artifacts") is None
    assert max(map(len, ODD_TEXTS)) > 50_000


def test_golden_vacancies_hold_empty_unknown_and_long_texts() -> None:
    example = small_rows().head(5)[[*TEXTS, *CATEGORIES]]
    made = golden_rows(wrap(small_cohorts("salary")), example)
    assert made.inputs["responsibility"].tolist() == [*example["responsibility"], *ODD_TEXTS]
    assert len(made.outputs) == len(made.inputs)
    assert made.outputs[list(small_cohorts("salary").cohorts)].sum(axis=1).between(0.999, 1.001).all()


def test_the_same_answers_pass(golden: GoldenRows) -> None:
    found = smoke_test(served(Behind()), golden, ServingPolicy())
    assert (found.rows, found.difference) == (len(golden.outputs), 0.0)
    nearly = smoke_test(served(Behind(times("forecast", 3, 1 + 1e-7))), golden, ServingPolicy())
    assert 0 < nearly.difference < 1e-5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (times("forecast", 3, 1.001), "1 of 18 golden rows have another forecast .* as row 3"),
        (times("upper_95", 0, np.nan), "another upper_95"),
        (times("upper_95", 0, np.inf), "another upper_95"),
        (lambda made: made.iloc[:-1], "17 rows"),
        (lambda made: made.assign(series_id="other"), "another series_id"),
        (lambda made: made.rename(columns={"forecast": "mean"}), "mean"),
        (lambda made: made.drop(columns="absent"), "fails on its golden rows: KeyError"),
    ],
    ids=["number", "nan", "infinite", "rows", "text", "columns", "error"],
)
def test_other_answers_are_refused(golden: GoldenRows, change: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(ModelRefused, match=f"demo version 7.*{said}"):
        smoke_test(served(Behind(change)), golden, ServingPolicy())


@pytest.mark.parametrize("part", ["inputs", "outputs"])
def test_a_version_without_golden_rows_is_refused(golden: GoldenRows, part: str) -> None:
    empty = replace(golden, **{part: getattr(golden, part).iloc[:0]})
    with pytest.raises(ModelRefused, match="demo version 7: has no golden rows"):
        smoke_test(served(Behind()), empty, ServingPolicy())


def test_a_version_that_breaks_on_requests_alone_is_refused(
    golden: GoldenRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = replace(served(Behind()), model=SimpleNamespace(freq="M", exogenous=(), horizon=3, levels=(0.8,)))
    with pytest.raises(ModelRefused, match=r"fails on its golden rows: AttributeError.*forecast"):
        smoke_test(series, golden, ServingPolicy())
    model = small_cohorts("salary")
    wrapped = wrap(model)
    rows = golden_rows(wrapped, small_rows().head(2)[[*TEXTS, *CATEGORIES]].assign(experience_id=None))
    behind = SimpleNamespace(predict=lambda given: wrapped.predict(None, given))
    whole = ServedModel(small_pipeline(), "salary", VERSION, model, behind, datetime.now(UTC))
    assert smoke_test(whole, rows, ServingPolicy(max_latency_ms=600_000)).difference == 0.0
    bare = SimpleNamespace(texts=model.texts, categories=model.categories, cohorts=model.cohorts)
    with pytest.raises(ModelRefused, match=r"fails on its golden rows: AttributeError.*probabilities"):
        smoke_test(replace(whole, model=bare), rows, ServingPolicy())


def test_a_slow_version_is_refused_unless_it_was_in_service_before(golden: GoldenRows) -> None:
    strict = ServingPolicy(max_latency_ms=1e-6)
    with pytest.raises(ModelRefused, match="max_latency_ms"):
        smoke_test(served(Behind()), golden, strict)
    assert smoke_test(served(Behind()), golden, strict, in_time=False).p50_ms > 0


def test_a_full_disk_is_told_also_when_mlflow_wraps_it(tmp_path: Path) -> None:
    class Full:
        def download(self, version: ModelVersionRef, target: Path) -> None:
            (target / "half").write_text("half")
            raise ServiceUnavailable("MLflow answered 500: failures: [Errno 28] No space left on device")

    cache = ModelCache(tmp_path, Full())
    with pytest.raises(DiskFull, match="Free space"):
        cache.fetch(VERSION)
    assert [path.name for path in tmp_path.rglob("*")] == ["demo"]


def test_the_pointer_is_written_whole_and_a_damaged_one_counts_as_none(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path, None)
    assert cache.last_good("demo") is None
    cache.keep(VERSION)
    assert cache.last_good("demo") == VERSION
    (tmp_path / "demo" / "serving.json").write_text('{"name": "demo", "ver')
    assert cache.last_good("demo") is None


def test_a_wrong_pipeline_file_leaves_what_it_said_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XFLOW_PIPELINES", str(tmp_path))
    good = (
        "pipeline: {name}\ndescription: Generated.\ninput: {{train: a, predict: b}}\ncontract: {{frequency: M}}\n"
        "model: {{seasonality: 12, horizon: 3, floor: naive, candidates: [{{name: naive, kind: seasonal_naive}}]}}\n"
    )
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(good.format(name=name))
    known: dict[str, Any] = {}
    read_again(known)
    assert sorted(known) == ["one", "two"]
    (tmp_path / "one.yaml").write_text(good.format(name="one").replace("horizon: 3", "horizon: none"))
    (tmp_path / "two.yaml").write_text(good.format(name="two").replace("horizon: 3", "horizon: 4"))
    read_again(known)
    assert (known["one"].model.horizon, known["two"].model.horizon) == (3, 4)
    (tmp_path / "one.yaml").unlink()
    (tmp_path / "one.yaml").mkdir()
    (tmp_path / "two.yaml").write_text(good.format(name="two").replace("horizon: 3", "horizon: 5"))
    read_again(known)
    assert (known["one"].model.horizon, known["two"].model.horizon) == (3, 5)

"""The whole stack from nothing: train and predict through Airflow's API, then the same runs again."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xflow.refs import RunKey
from xflow.serving_rest import ServingRest

pytestmark = pytest.mark.e2e

PIPELINE = "tourism_monthly"
SERIES, MONTHS, HORIZON = 14, 90, 12
RUN_ID = "e2e"


def series_table(months: int) -> pa.Table:
    """Return seasonal series of 366-series shape in small, with one duplicated and one infinite row."""
    rng = np.random.default_rng(3)
    start = np.datetime64("2016-01")
    ids, times, values = [], [], []
    for i in range(SERIES):
        season = 1 + 0.3 * np.sin(2 * np.pi * np.arange(months) / 12 + i)
        level = 100 * (i + 1) * (1 + 0.004 * np.arange(months))
        ids += [f"series-{i:02d}"] * months
        times.append(start + np.arange(months))
        values.append(level * season * rng.normal(1, 0.03, months))
    table = pa.table(
        {"series_id": ids, "timestamp": np.concatenate(times).astype("datetime64[us]"), "value": np.concatenate(values)}
    )
    dirt = pa.table(
        {
            "series_id": ["series-00", "loner"],
            "timestamp": np.array(["2016-01-01", "2016-01-01"], "datetime64[us]"),
            "value": [float(values[0][0]), np.inf],
        }
    )
    return pa.concat_tables([table, dirt])


@pytest.fixture(scope="module")
def stack(stack_of):
    return stack_of(PIPELINE)


@pytest.fixture(scope="module")
def trained(stack, tmp_path_factory):
    """Train once on a small sample with two bad rows."""
    folder = tmp_path_factory.mktemp("input")
    uri = stack.upload(folder, "tests/train.parquet", series_table(MONTHS))
    stack.switch_on("deploy")
    state = stack.run("train", RUN_ID, input_uri=uri, horizon=HORIZON, trials=1)
    assert state == "success", [(t["task_id"], t["state"]) for t in stack.tasks("train", RUN_ID)]
    return RunKey(pipeline=PIPELINE, kind="train", run_id=RUN_ID)


@pytest.fixture(scope="module")
def predicted(stack, trained, tmp_path_factory):
    """Predict once with the champion of that training."""
    folder = tmp_path_factory.mktemp("input")
    uri = stack.upload(folder, "tests/predict.parquet", series_table(MONTHS))
    state = stack.run("predict", RUN_ID, input_uri=uri, horizon=HORIZON)
    assert state == "success", [(t["task_id"], t["state"]) for t in stack.tasks("predict", RUN_ID)]
    return RunKey(pipeline=PIPELINE, kind="predict", run_id=RUN_ID)


def test_training_accounts_for_every_row(stack, trained):
    (row,) = stack.rows(
        "select state, rows_in, rows_accepted, rows_rejected from mart.run where run_key = %s", str(trained)
    )
    assert row == ("success", SERIES * MONTHS + 2, SERIES * MONTHS, 2)
    assert stack.counts("tourism_monthly_input")[str(trained)] == SERIES * MONTHS
    rules = stack.rows("select rule, entity_id from mart.rejected_row where run_key = %s order by 2", str(trained))
    assert [series for _, series in rules] == ["loner", "series-00"]


def test_training_leaves_a_champion_with_figures_and_pictures(stack, trained):
    version = stack.mlflow.get_model_version_by_alias(PIPELINE, "champion")
    assert version.tags["run_key"] == str(trained)
    run = stack.mlflow.get_run(version.run_id)
    assert run.data.metrics["holdout_mase"] > 0
    assert {"figures/forecast_against_actual.png", "figures/error_by_horizon.png", "figures/residuals.png"} <= {
        artifact.path for artifact in stack.mlflow.list_artifacts(version.run_id, "figures")
    }


def test_the_service_answers_with_the_champion_once_it_is_deployed(stack, trained):
    assert stack.run("deploy", RUN_ID) == "success", stack.tasks("deploy", RUN_ID)
    champion = stack.mlflow.get_model_version_by_alias(PIPELINE, "champion").version
    service = ServingRest(stack.settings.serving_url, stack.settings.serving_key)
    assert service.call("GET", f"/v1/models/{PIPELINE}")["version"] == champion
    names = {task["task_id"]: task["rendered_map_index"] for task in stack.tasks("deploy", RUN_ID)}
    assert names["deploy_version"] == f"{PIPELINE} {champion}"
    (row,) = stack.rows("select state, model_version from mart.run where run_key = %s", f"{PIPELINE}/deploy/{RUN_ID}")
    assert row == ("success", champion)


def test_the_feature_set_is_ready(stack, trained):
    sets = [row for row in stack.feature_sets() if "ready" in row]
    assert any(trained.job in row for row in sets)


def test_every_prediction_is_linked_to_its_input_row(stack, predicted):
    wanted = SERIES * HORIZON
    without = stack.rows(
        "select series_id, step, note from mart.tourism_monthly_prediction where run_key = %s and forecast is null",
        str(predicted),
    )
    assert without == [("loner", 0, "no forecast: all its rows were rejected (value_not_finite)")]
    assert stack.counts("tourism_monthly_prediction")[str(predicted)] == wanted + len(without)
    linked = stack.rows(
        "select count(*) from mart.tourism_monthly_lineage where run_key = %s and input_timestamp = '2023-06-01'",
        str(predicted),
    )
    assert linked == [(wanted,)]


def test_a_promotion_brings_the_champion_into_service_and_it_answers_as_the_batch_does(stack, predicted):
    run_id = stack.deployed([PIPELINE])
    query = (
        "select series_id, step, forecast, lower_80, upper_95 from mart.tourism_monthly_prediction "
        "where run_key = %s and forecast is not null"
    )
    batch = {(row[0], row[1]): row[2:] for row in stack.rows(query, str(predicted))}
    asked = {"series_ids": sorted({series for series, _ in batch}), "horizon": HORIZON}
    answer = stack.service.call("POST", f"/v1/series/{PIPELINE}/forecast", asked)
    assert answer["feature_set"] == str(predicted)
    online = {
        (series["id"], step + 1): (
            series["forecast"][step], series["intervals"]["80"]["lower"][step], series["intervals"]["95"]["upper"][step]
        )
        for series in answer["forecasts"] for step in range(HORIZON)
    }  # fmt: skip
    assert online.keys() == batch.keys()
    np.testing.assert_allclose([online[key] for key in batch], list(batch.values()), rtol=1e-9)
    key = RunKey(pipeline=PIPELINE, kind="deploy", run_id=run_id)
    assert stack.rows("select state, model_version from mart.run where run_key = %s", str(key)) == [
        ("success", answer["model"]["version"])
    ]


def test_predictions_on_s3_match_their_manifest(stack, predicted, tmp_path):
    keys = stack.objects(f"predictions/{PIPELINE}/{predicted.slug}/")
    manifest_key = next(key for key in keys if key.endswith("_manifest.json"))
    bucket = stack.settings.s3_bucket
    manifest = json.loads(stack.s3.get_object(Bucket=bucket, Key=manifest_key)["Body"].read())
    assert manifest["rows"] == SERIES * HORIZON + 1  # and the series whose only row was rejected
    for part in manifest["parts"]:
        local = tmp_path / "part.parquet"
        stack.s3.download_file(bucket, part["uri"].removeprefix(f"s3://{bucket}/"), str(local))
        frame = pq.read_table(local).to_pandas()
        assert len(frame) == part["rows"]
        frame = frame[frame["forecast"].notna()]
        assert (frame["lower_95"] <= frame["lower_80"]).all()
        assert (frame["upper_80"] <= frame["upper_95"]).all()
        assert frame["timestamp"].min() == np.datetime64("2023-07-01")


def test_the_same_runs_again_change_nothing(stack, trained, predicted):
    tables = ["run", "tourism_monthly_input", "tourism_monthly_prediction", "rejected_row"]

    def picture():
        ready = [row for row in stack.feature_sets() if "ready" in row]
        parts = {k: v for k, v in stack.objects(f"predictions/{PIPELINE}/{predicted.slug}/").items() if "part" in k}
        mine = {t: {k: n for k, n in stack.counts(t).items() if k in (str(trained), str(predicted))} for t in tables}
        champion = stack.mlflow.get_model_version_by_alias(PIPELINE, "champion").version
        forecasts = stack.rows(
            "select series_id, step, forecast from mart.tourism_monthly_prediction where run_key = %s order by 1, 2",
            str(predicted),
        )
        return mine, stack.versions(), champion, len(ready), sorted(parts), forecasts

    before = picture()
    assert stack.again("train", RUN_ID) == "success"
    assert stack.again("predict", RUN_ID) == "success"
    assert picture() == before


def test_absent_input_fails_at_once_and_says_what_to_do(stack, trained):
    uri = f"s3://{stack.settings.s3_bucket}/tests/absent.parquet"
    assert stack.run("train", "e2e-absent", input_uri=uri) == "failed"
    check = next(t for t in stack.tasks("train", "e2e-absent") if t["task_id"].endswith("check_contract"))
    assert (check["state"], check["try_number"]) == ("failed", 1)
    (row,) = stack.rows("select state, message from mart.run where run_id = 'e2e-absent'")
    assert row[0] == "failed"
    assert uri in row[1]

"""The DAGs that the pipeline files give: ids, tasks, form, schedules, and how light parsing them is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from xflow.settings import REPOSITORY

PIPELINE = REPOSITORY / "dags" / "pipelines" / "tourism_monthly.yaml"

TRAIN = {
    "input.check_contract": [],
    "input.load_mart": ["input.check_contract"],
    "input.write_features": ["input.check_contract"],
    "train.plan": ["input.write_features"],
    "train.tune": ["train.plan"],
    "train.select": ["train.plan", "train.tune"],
    "train.fit": ["input.check_contract", "train.plan", "train.select"],
    "promote.register": ["input.load_mart", "train.fit", "train.plan"],
    "promote.judge": ["promote.register", "train.plan"],
    "promote.promote": ["promote.judge"],
    "close_run": ["promote.promote"],
}
PREDICT = {
    "input.check_contract": [],
    "input.load_mart": ["input.check_contract"],
    "input.write_features": ["input.check_contract"],
    "predict.check_drift": ["input.check_contract", "input.write_features"],
    "predict.make_predictions": ["input.check_contract", "input.write_features", "predict.check_drift"],
    "predict.load_predictions": ["input.load_mart", "predict.make_predictions"],
}
KINDS = ("deploy", "monitor", "predict", "rollback", "train")

Parse = Callable[..., Any]


@pytest.fixture(scope="module")
def parsed(parse: Parse) -> Any:
    return parse()


@pytest.fixture(scope="module")
def train(parsed: Any) -> Any:
    return parsed["dags"]["tourism_monthly_train"]


@pytest.fixture(scope="module")
def predict(parsed: Any) -> Any:
    return parsed["dags"]["tourism_monthly_predict"]


def test_every_pipeline_file_gives_its_dags_without_import_errors(parsed: Any) -> None:
    names = [path.stem for path in PIPELINE.parent.glob("*.yaml")]
    assert "tourism_monthly" in names
    assert parsed["errors"] == {}
    made = [f"{name}_{kind}" for name in names for kind in KINDS]
    assert sorted(parsed["dags"]) == sorted([*made, "vacancies_collect"])


def test_every_target_has_tasks_of_its_own_and_one_close_run(parsed: Any) -> None:
    tasks = parsed["dags"]["vacancies_train"]["tasks"]
    for target in ("salary", "demand"):
        for name, upstream in TRAIN.items():
            group, _, task = name.partition(".")
            if group in ("train", "promote"):
                wanted = [
                    up.replace("train.", f"train_{target}.").replace("promote.", f"promote_{target}.")
                    for up in upstream
                ]
                assert sorted(tasks[f"{group}_{target}.{task}"]["upstream"]) == sorted(wanted)
    promotions = ["promote_demand.promote", "promote_salary.promote"]
    assert tasks["close_run"]["upstream"] == promotions
    assert tasks["every_target"]["upstream"] == ["close_run", *promotions]
    stored = parsed["dags"]["vacancies_train"]["serialized"]["dag"]["tasks"]
    rules = {each["__var"]["task_id"]: each["__var"].get("trigger_rule", "all_success") for each in stored}
    # What one target ended in stands, whatever became of another; the run is a failed one all the same.
    assert (rules["close_run"], rules["every_target"]) == ("all_done_min_one_success", "all_success")
    assert "every_target" not in parsed["dags"]["tourism_monthly_train"]["tasks"]
    assert "horizon" not in parsed["dags"]["vacancies_train"]["params"]


def test_a_collection_delivers_from_the_history(parsed: Any) -> None:
    tasks = parsed["dags"]["vacancies_collect"]["tasks"]
    assert {name: task["upstream"] for name, task in tasks.items()} == {
        "collect": [],
        "update_history": ["collect"],
        "deliver": ["update_history"],
        "deliver_market": ["update_history"],
        "finish": ["collect", "deliver", "deliver_market"],
    }


def test_only_dag_files_are_read(parsed: Any) -> None:
    assert parsed["files"] == [
        "check_pipelines.py", "collect.py", "deadline.py", "deploy.py", "monitor.py", "predict.py", "rollback.py",
        "train.py",
    ]  # fmt: skip


def test_parsing_is_light(parsed: Any) -> None:
    assert parsed["heavy"] == []
    assert parsed["cpu_seconds"] < len(parsed["files"])  # processor time: other load does not count


def test_tasks_and_their_order(train: Any, predict: Any) -> None:
    assert {name: task["upstream"] for name, task in train["tasks"].items()} == TRAIN
    assert {name: task["upstream"] for name, task in predict["tasks"].items()} == PREDICT


@pytest.mark.parametrize("kind", KINDS)
def test_every_task_is_documented_limited_and_retried_with_growing_pauses(parsed: Any, kind: str) -> None:
    dag = parsed["dags"][f"tourism_monthly_{kind}"]
    assert dag["doc"].startswith("### ")
    assert "Monthly forecasts" in dag["doc"]
    for name, task in dag["tasks"].items():
        assert task["doc"], name
        assert task["retries"] == 3, name
        assert task["backoff"] > 1, name
        assert 0 < task["timeout"] <= 4 * 3600, name
        actions = {rule["exception"]: rule["action"] for rule in task["policy"]["rules"]}
        assert (actions["xflow.errors.Permanent"], actions["xflow.errors.Retryable"]) == ("fail", "retry"), name


def test_only_tuning_and_fitting_take_the_gpu(train: Any) -> None:
    on_gpu = {name for name, task in train["tasks"].items() if (task["pool"], task["queue"]) == ("gpu", "gpu")}
    assert on_gpu == {"train.tune", "train.fit"}


def test_train_follows_the_clock_and_predict_what_is_new(train: Any, predict: Any) -> None:
    assert train["schedule"]["cron"] == yaml.safe_load(PIPELINE.read_text())["schedule"]
    assert [each["name"] for each in train["schedule"]["assets"]] == ["tourism_monthly_retrain"]
    assert predict["schedule"]["cron"] == yaml.safe_load(PIPELINE.read_text())["predict_schedule"]
    champion, delivery = predict["schedule"]["assets"]
    assert (champion["name"], champion["watchers"]) == ("tourism_monthly_champion", [])
    ((trigger, arguments),) = delivery["watchers"]
    assert trigger == "xflow_deliveries.DeliveryTrigger"
    assert arguments["location"] == "input/tourism_monthly/predict/"
    assert predict["serialized"]["dag"]["timetable"]["__var"]["asset_condition"]["__type"] == "asset_any"
    for dag in (train, predict):
        assert (dag["catchup"], dag["max_active_runs"]) == (False, 1)


def test_a_monitor_may_ask_every_training(parsed: Any) -> None:
    for name in ("vacancies", "vacancy_market"):  # which follow collections
        asked = parsed["dags"][f"{name}_train"]["schedule"]
        assert [each["name"] for each in asked] == [f"{name}_collected", f"{name}_retrain"]
        assert parsed["dags"][f"{name}_train"]["serialized"]["dag"]["timetable"]["__var"]["asset_condition"][
            "__type"
        ] == ("asset_any")
    monitor = parsed["dags"]["vacancies_monitor"]
    assert monitor["schedule"] == "0 7 * * *"
    assert {name: task["upstream"] for name, task in monitor["tasks"].items()} == {
        "monitor": [], "request_training": ["monitor"]
    }  # fmt: skip
    tasks = {task["__var"]["task_id"]: task["__var"] for task in monitor["serialized"]["dag"]["tasks"]}
    assert "asset" not in str(tasks["monitor"]["outlets"])
    assert "asset_alias" in str(tasks["request_training"]["outlets"])  # a request alone becomes an event


def test_a_deployment_follows_the_champion_with_a_task_instance_for_every_model(parsed: Any) -> None:
    dag = parsed["dags"]["vacancies_deploy"]
    assert [each["name"] for each in dag["schedule"]] == ["vacancies_champion"]
    assert {name: task["upstream"] for name, task in dag["tasks"].items()} == {
        "choose_versions": [], "deploy_version": ["choose_versions"], "write_ledger": ["deploy_version"]
    }  # fmt: skip
    tasks = {each["__var"]["task_id"]: each["__var"] for each in dag["serialized"]["dag"]["tasks"]}
    assert [name for name, task in tasks.items() if task.get("_is_mapped")] == ["deploy_version"]
    assert "asset" not in str([task.get("outlets") for task in tasks.values()])  # it starts nothing
    assert dag["defaults"] == {"version": None, "target": "all"}
    for version, right in ((None, True), ("7", True), ("@staging", True), ("v7", False), ("", False), (7, False)):
        assert jsonschema.Draft7Validator(dag["params"]["version"]).is_valid(version) == right
    assert sorted(parsed["dags"]["tourism_monthly_deploy"]["params"]) == ["version"]


def test_a_promotion_alone_becomes_an_event(parsed: Any) -> None:
    tasks = parsed["dags"]["tourism_monthly_train"]["serialized"]["dag"]["tasks"]
    outlets = {task["__var"]["task_id"]: task["__var"].get("outlets", []) for task in tasks}
    named = {name: each for name, each in outlets.items() if "asset" in str(each)}
    assert list(named) == ["close_run"]
    assert "asset_alias" in str(named["close_run"])  # an asset itself has an event at every success


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("input_uri", [None, "s3://bucket/key.parquet", "s3://b/prefix/"], ["", "key.parquet", "s3://bucket", 3]),
        ("as_of", [None, "2026-10-31", "2026-10-31T23:00:00"], ["", "31.10.2026", "yesterday", "2026-10-31T99"]),
        ("horizon", [1, 24], [0, -1, 1.5, "24", None]),
        ("trials", [1, 8], [0, 1001, "8", None]),
        ("force", [True, False], ["yes", 1, None]),
    ],
)
def test_the_form_takes_what_is_right_and_refuses_what_is_not(
    train: Any, predict: Any, field: str, good: list[Any], bad: list[Any]
) -> None:
    for dag in (train, predict) if field not in {"trials", "force"} else (train,):
        schema = dag["params"][field]
        assert schema["title"]
        assert schema["description_md"]
        jsonschema.validate(dag["defaults"][field], schema)
        for value in good:
            jsonschema.validate(value, schema)
        for value in bad:
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(value, schema)


def test_the_form_holds_the_pipelines_defaults(train: Any, predict: Any) -> None:
    model = yaml.safe_load(PIPELINE.read_text())["model"]
    common = {"input_uri": None, "as_of": None, "horizon": model["horizon"]}
    assert train["defaults"] == common | {"trials": model["trials"], "force": False}
    assert predict["defaults"] == common


def test_a_second_file_gives_a_second_pair(parse: Parse, tmp_path: Path) -> None:
    second = PIPELINE.read_text().replace("tourism_monthly", "tourism_again").replace("horizon: 24", "horizon: 7")
    (tmp_path / "tourism_monthly.yaml").write_text(PIPELINE.read_text())
    (tmp_path / "tourism_again.yaml").write_text(second)
    made = parse(XFLOW_PIPELINES=str(tmp_path))
    pairs = [f"{name}_{kind}" for name in ("tourism_again", "tourism_monthly") for kind in KINDS]
    assert made["errors"] == {}
    assert sorted(made["dags"]) == pairs
    assert made["dags"]["tourism_again_train"]["defaults"]["horizon"] == 7
    assert made["dags"]["tourism_again_predict"]["schedule"]["assets"][0]["name"] == "tourism_again_champion"


def test_a_wrong_file_is_an_import_error_and_leaves_the_other_pipelines_alone(parse: Parse, tmp_path: Path) -> None:
    (tmp_path / "tourism_monthly.yaml").write_text(PIPELINE.read_text())
    wrong = PIPELINE.read_text().replace("tourism_monthly", "wrong").replace("horizon: 24", "horizon: none")
    (tmp_path / "wrong.yaml").write_text(wrong)
    made = parse(XFLOW_PIPELINES=str(tmp_path))
    assert sorted(made["dags"]) == [f"tourism_monthly_{kind}" for kind in KINDS]
    (message,) = made["errors"].values()
    assert "wrong.yaml" in message
    assert "model.horizon" in message


def test_parsing_again_gives_the_same_dag_version(parse: Parse, parsed: Any) -> None:
    again = parse(PYTHONHASHSEED="7", TZ="Asia/Tokyo")
    for name, dag in parsed["dags"].items():
        assert again["dags"][name]["serialized"] == dag["serialized"], name

"""A training of several targets on the command line: one that fails stops no other one, and all are shown."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from xflow import cli_train
from xflow.adapters.memory import MemoryMart
from xflow.cli import app
from xflow.errors import FloorNotBeaten, ServiceUnavailable
from xflow.pipeline import load
from xflow.refs import RunKey
from xflow.settings import REPOSITORY
from xflow.train_runner import TrainRunner

PIPELINE = load(REPOSITORY / "dags" / "pipelines" / "vacancies.yaml")
KEY = RunKey(pipeline="vacancies", kind="train", run_id="one")
CHECKED = {
    "rows_in": 3,
    "rows_accepted": 3,
    "rows_rejected": 0,
    "rejected_by_rule": {},
    "accepted_without": {},
    "as_of": "2026-10-31T06:00:00",
    "objects": [{"uri": "s3://b/in.parquet"}],
}


def not_beaten(target: str) -> FloorNotBeaten:
    return FloorNotBeaten(
        f"vacancies_{target}: the best of 2 candidates has a backtest log_loss of 1.1000, the floor 1.0000"
    )


class Run(TrainRunner):
    """The runner of a training whose steps are told what to find; its ledger is in memory."""

    def __init__(self, *_: object, fails: dict[str, Exception]) -> None:
        super().__init__(SimpleNamespace(), PIPELINE, KEY)
        self.fails = fails
        self.mart = MemoryMart()
        self.mart.start_run(KEY, {})

    def check_contract(self, *_: object) -> dict[str, Any]:
        return CHECKED

    def load_mart(self, *_: object) -> dict[str, int]:
        return {}

    def write_features(self, *_: object) -> dict[str, Any]:
        return {"id": str(KEY)}

    def plan(self, _: object, horizon: object, trials: object, target: str) -> dict[str, Any]:
        return {"target": target}

    def candidates(self, target: str = "") -> list[str]:
        return ["majority", "logistic"]

    def tune(self, plan: Any, candidate: str, force: bool = False) -> dict[str, Any]:
        return {"name": candidate, "score": {"majority": 1.0, "logistic": 0.9}[candidate], "reused_from": ""}

    def select(self, plan: Any, scores: Any) -> dict[str, Any]:
        with self._step("select"):
            if plan["target"] in self.fails:
                raise self.fails[plan["target"]]
        return {"score": 0.8}

    def fit(self, plan: Any, *_: object) -> dict[str, Any]:
        return plan

    register = fit

    def judge(self, plan: Any, *_: object) -> dict[str, Any]:
        version = {"name": f"vacancies_{plan['target']}", "version": "4", "mlflow_run_id": "r"}
        return {
            "version": version, "target": plan["target"], "champion": "3", "outcome": "promoted", "reason": "better",
            "metric": "log_loss", "unit": "vacancies", "holdout_hash": "h", "feature_set": "f",
        }  # fmt: skip

    def promote(self, verdict: Any, approval: Any = None) -> dict[str, Any]:
        name = verdict["version"]["name"]
        return {
            "name": name, "version": "4", "target": verdict["target"], "champion": "4", "promoted": True,
            "reason": "better: 0.8 against 0.9", "figures": {}, "metrics": {"holdout_log_loss": 0.8},
        }  # fmt: skip


def trained(monkeypatch: pytest.MonkeyPatch, **fails: Exception) -> tuple[Run, Result, list[str]]:
    run, deployed = Run(fails=fails), list[str]()
    monkeypatch.setattr(cli_train, "run_of", lambda *_: (None, None, None))
    monkeypatch.setattr(cli_train, "TrainRunner", lambda *_: run)
    monkeypatch.setattr(cli_train, "follow", deployed.append)
    return run, CliRunner().invoke(app, ["train", "vacancies"]), deployed


@pytest.mark.parametrize(("failing", "other"), [("demand", "salary"), ("salary", "demand")])
def test_a_target_that_does_not_beat_the_floor_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, failing: str, other: str
) -> None:
    run, done, deployed = trained(monkeypatch, **{failing: not_beaten(failing)})
    assert done.exit_code == 1
    said = re.sub(r"\s+", " ", done.output)
    assert f"vacancies_{other} version 4 promoted: better: 0.8 against 0.9" in said
    assert f"vacancies_{failing} not trained: FloorNotBeaten: vacancies_{failing}: the best of 2 candidates" in said
    for target in ("salary", "demand"):  # the figures of both
        assert f"vacancies_{target}: backtest" in said
    assert said.count("0.9000") == 2
    assert deployed == ["vacancies"]
    row = run.mart.run(KEY)
    assert row["state"] == "partly"
    assert row["message"].startswith(
        f"{other}: better: 0.8 against 0.9; {failing}: not trained: select: FloorNotBeaten: "
    )
    assert (row["model_name"], row["model_version"]) == (f"vacancies_{other}", "4")
    assert row["metrics"] == {f"{other}_holdout_log_loss": 0.8}


def test_closing_again_leaves_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    run, _, _ = trained(monkeypatch, demand=not_beaten("demand"))
    before = dict(run.mart.run(KEY))
    run.close([run.promote(run.judge({"target": "salary"})), None])
    assert run.mart.run(KEY) == before
    run.close([run.promote(run.judge({"target": each})) for each in ("salary", "demand")])  # the other one, cleared
    assert run.mart.run(KEY)["state"] == "success"


def test_when_no_target_went_through_the_run_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    fails = {each: not_beaten(each) for each in ("salary", "demand")}
    run, done, deployed = trained(monkeypatch, **fails)
    assert (done.exit_code, deployed) == (1, [])
    assert done.output.count("not trained: FloorNotBeaten") == 2
    assert run.mart.run(KEY)["state"] == "failed"


def test_both_went_through(monkeypatch: pytest.MonkeyPatch) -> None:
    run, done, deployed = trained(monkeypatch)
    assert (done.exit_code, deployed) == (0, ["vacancies"])
    assert run.mart.run(KEY)["state"] == "success"


def test_a_store_that_is_away_ends_the_run_which_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    run, done, _ = trained(monkeypatch, salary=ServiceUnavailable("MLflow does not answer"))
    assert done.exit_code == 1
    assert "ServiceUnavailable" in done.output
    assert run.mart.run(KEY)["state"] == "failed"

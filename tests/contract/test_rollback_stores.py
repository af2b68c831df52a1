"""Rollback and predictions of past dates on the command line, on the real stores."""

import io
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from mart_rows import EXACT
from psycopg2.extras import RealDictCursor
from typer.testing import CliRunner, Result

from small_models import small_panel, small_pipeline, small_version
from xflow.adapters.mlflow_registry import MlflowRegistry
from xflow.adapters.promotion_ledger import GreenplumPromotions
from xflow.adapters.s3 import S3Store
from xflow.cli import app
from xflow.promotion_ports import PromotionRecord
from xflow.refs import ModelVersionRef, RunKey
from xflow.settings import ENVIRONMENT, Settings

pytestmark = pytest.mark.services

HISTORY = (("2021-03-10", "1"), ("2021-07-20", "2"))


class World:
    """A pipeline of its own, with two versions that came into service in 2021."""

    def __init__(self, stack: Settings, name: str, folder: Path) -> None:
        self.stack, self.name, self.folder = stack, name, folder
        self.registry = MlflowRegistry(stack.mlflow_uri, stack.mlflow_username, stack.mlflow_password)
        self.ledger = GreenplumPromotions(stack.greenplum_dsn)
        pipeline = small_pipeline(name, drift={"gate": "off"})
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(pipeline.model_dump(mode="json", exclude_defaults=True)))
        store = S3Store(stack.s3_endpoint, stack.s3_bucket, stack.s3_access_key, stack.s3_secret_key)
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pandas(small_panel().to_frame(), preserve_index=False), sink)
        store.put(f"input/{name}/predict/all.parquet", sink.getvalue())
        for day, version in HISTORY:
            self.serve(version, datetime.fromisoformat(day))

    def registered(self, version: str) -> ModelVersionRef:
        """Register a version: the first with a model of its own, the others with that model, which saves seconds."""
        if version == "1":
            return small_version(self.registry, self.name, 1.0)
        first = self.registry.version(self.name, "1")
        model = self.registry.facts(first.mlflow_run_id)["tags"]["xflow.model_uri"]
        run_id = self.registry.open_run(RunKey(pipeline=self.name, kind="train", run_id=version), {}, {})
        return self.registry.register(self.name, run_id, model, {}, "")

    def serve(self, version: str, at: datetime) -> None:
        """Register a version and promote it, as a training would have done at a time."""
        before, made = self.registry.champion(self.name), self.registered(version)
        assert made.version == version
        self.ledger.record(
            PromotionRecord(
                pipeline=self.name, model_name=self.name, run_key=f"{self.name}/train/{version}", action="judge",
                outcome="promoted", version=version, champion_before=before.version if before else "",
                champion_after=version, environment="prod", alias="champion", reason="better", decided_at=at,
            )
        )  # fmt: skip
        self.registry.promote(made, before)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, [arguments[0], self.name, *arguments[1:]])

    def select(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        connection = psycopg2.connect(self.stack.greenplum_dsn, options=EXACT)
        try:
            with connection.cursor(cursor_factory=RealDictCursor) as cursor:
                cursor.execute(statement, values)
                return [dict(row) for row in cursor.fetchall()]
        finally:
            connection.close()

    def predictions(self, run_id: str) -> list[dict[str, Any]]:
        key = RunKey(pipeline=self.name, kind="predict", run_id=run_id)
        return self.select(f"SELECT * FROM mart.{self.name}_prediction WHERE run_key = %s ORDER BY 1, 2", str(key))

    def serves(self) -> tuple[str, str]:
        return tuple(self.registry.version(self.name, f"@{alias}").version for alias in ("champion", "previous"))


@pytest.fixture(scope="module")
def world(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(stack, f"t_{uuid.uuid4().hex[:12]}", tmp_path_factory.mktemp("pipelines"))


@pytest.fixture(autouse=True)
def _environment(stack: Settings, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for attribute, variable in ENVIRONMENT.items():
        monkeypatch.setenv(variable, getattr(stack, attribute))
    monkeypatch.setenv("XFLOW_PIPELINES", str(world.folder))


def first_months(rows: list[dict[str, Any]]) -> set[str]:
    return {row["timestamp"].isoformat()[:7] for row in rows if row["step"] == 1}


def test_a_backfill_predicts_each_date_with_its_data_and_its_champion(world: World) -> None:
    done = world.run("backfill", "--from", "2021-07-01", "--to", "2021-08-01", "--every", "month")
    assert done.exit_code == 0, done.output
    for month, version in (("07", "1"), ("08", "2")):
        rows = world.predictions(f"backfill-2021-{month}-01T000000")
        assert {row["model_version"] for row in rows} == {version}
        assert first_months(rows) == {f"2021-{month}"}  # the month before is the last that was over
        (run,) = world.select("SELECT * FROM mart.run WHERE run_key = %s", rows[0]["run_key"])
        assert (run["state"], run["as_of"]) == ("success", f"2021-{int(month) - 1:02d}-01T00:00:00")


def test_a_past_date_again_under_another_champion_changes_no_row_and_no_other_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xflow.cli_promotion.person", lambda: "anna")
    july, august = (f"backfill-2021-{month}-01T000000" for month in ("07", "08"))
    before = {run_id: world.predictions(run_id) for run_id in (july, august)}
    done = world.run("rollback", "--reason", "sold nothing", "--run-id", "r1")
    assert done.exit_code == 0, done.output
    assert "version 1 serves in place of version 2: sold nothing" in done.output
    assert world.serves() == ("1", "2")
    assert world.run("predict", "--at", "2021-08-01", "--run-id", august).exit_code == 0
    assert {run_id: world.predictions(run_id) for run_id in (july, august)} == before


def test_a_rollback_is_kept_with_who_and_why_and_is_done_once(world: World) -> None:
    decisions = world.ledger.decisions(world.name, "prod")
    row = decisions[-1]
    assert (row.action, row.outcome, row.decided_by, row.reason) == ("rollback", "promoted", "anna", "sold nothing")
    (run,) = world.select("SELECT * FROM mart.run WHERE run_key = %s", f"{world.name}/rollback/r1")
    assert (run["state"], run["model_version"]) == ("success", "1")
    assert "sold nothing" in run["message"]
    assert world.run("rollback", "--reason", "again", "--run-id", "r1").exit_code == 0  # the same run
    assert world.ledger.decisions(world.name, "prod") == decisions
    assert "serves already" in world.run("promote", "--to", "1", "--reason", "no need").output
    assert world.run("promote", "--to", "2", "--reason", "it was the price").exit_code == 0
    assert world.serves() == ("2", "1")
    assert world.registry.version(world.name, "@staging").version == "2"


def test_a_date_before_the_first_champion_predicts_nothing(world: World) -> None:
    done = world.run("predict", "--at", "2021-03-09", "--run-id", "too early")
    assert done.exit_code == 1
    assert "2021-03-10" in done.output
    assert world.predictions("too early") == []
    key = RunKey(pipeline=world.name, kind="predict", run_id="too early")
    (run,) = world.select("SELECT * FROM mart.run WHERE run_key = %s", str(key))
    assert run["state"] == "failed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rollback",), "--reason"),
        (("rollback", "--reason", " "), "--reason"),
        (("rollback", "--to", "9", "--reason", "x"), "ModelMissing"),
        (("rollback", "--to", "@nobody", "--reason", "x"), "ModelMissing"),
        (("promote", "--to", "latest", "--reason", "x"), "ModelMissing"),
    ],
)
def test_what_cannot_be_put_into_service_is_said_in_a_line(world: World, arguments: tuple[str, ...], said: str) -> None:
    before = (world.serves(), len(world.ledger.decisions(world.name, "prod")))
    done = world.run(*arguments)
    assert done.exit_code == 1
    assert said in done.output
    assert (world.serves(), len(world.ledger.decisions(world.name, "prod"))) == before

"""A running stack, of servers or of containers, and what end-to-end tests ask of it."""

import time
from collections.abc import Sequence
from pathlib import Path

import boto3
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tarantool
from mlflow import MlflowClient

from xflow.adapters.mlflow_registry import MlflowRegistry
from xflow.airflow_rest import AirflowRest
from xflow.serving_rest import ServingRest
from xflow.settings import Settings, read_env_file


class Stack:
    """A running stack and what tests ask of it."""

    def __init__(self, home: Path, pipeline: str) -> None:
        self.pipeline = pipeline
        env = read_env_file(home / "env")
        self.settings = Settings.from_env(env)
        self.rest = AirflowRest(env["AIRFLOW_URL"], env["AIRFLOW_USERNAME"], env["AIRFLOW_PASSWORD"])
        self.service = ServingRest(env["XFLOW_SERVING_URL"], env["XFLOW_SERVING_KEY"])
        s = self.settings
        self.s3 = boto3.client(
            "s3",
            endpoint_url=s.s3_endpoint,
            aws_access_key_id=s.s3_access_key,
            aws_secret_access_key=s.s3_secret_key,
            region_name="us-east-1",
        )
        MlflowRegistry(s.mlflow_uri, s.mlflow_username, s.mlflow_password)
        self.mlflow = MlflowClient(s.mlflow_uri)

    def upload(self, folder: Path, key: str, table: pa.Table) -> str:
        path = folder / "input.parquet"
        pq.write_table(table, path)
        self.s3.upload_file(str(path), self.settings.s3_bucket, key)
        return f"s3://{self.settings.s3_bucket}/{key}"

    def await_dag(self, dag_id: str) -> None:
        for _ in range(180):
            if any(dag["dag_id"] == dag_id for dag in self.rest.call("GET", "/dags?limit=100")["dags"]):
                return
            time.sleep(1)
        pytest.fail(f"{dag_id} did not appear: {self.rest.call('GET', '/importErrors')}")

    def await_version(self, version: str) -> None:
        """Wait until the DAG that trains comes from this version of its bundle."""
        path = f"/dags/{self.pipeline}_train"
        for _ in range(180):
            found = self.rest.call("GET", path)["bundle_version"]
            if found == version:
                return
            time.sleep(1)
        pytest.fail(f"{path} is of version {found}, not {version}: {self.rest.call('GET', '/importErrors')}")

    def switch_on(self, kind: str) -> str:
        dag_id = f"{self.pipeline}_{kind}"
        self.await_dag(dag_id)
        self.rest.call("PATCH", f"/dags/{dag_id}", {"is_paused": False})
        return dag_id

    def deployed(self, models: Sequence[str]) -> str:
        """Wait until the DAG that a promotion starts has ended well and the champions answer; return its run."""
        for _ in range(180):
            found = self.rest.call("GET", f"/dags/{self.pipeline}_deploy/dagRuns?limit=100")["dag_runs"]
            runs = [run for run in found if run["run_type"] == "asset_triggered"]
            if runs and all(run["state"] in {"success", "failed"} for run in runs):
                break
            time.sleep(1)
        assert {run["state"] for run in runs} == {"success"}, found
        for name in models:
            champion = self.mlflow.get_model_version_by_alias(name, "champion").version
            assert self.service.call("GET", f"/v1/models/{name}")["version"] == str(champion)
        return max(runs, key=lambda run: run["end_date"])["dag_run_id"]

    def switch_off(self, kind: str) -> None:
        """Pause a DAG that would start by itself, as by the clock, in the middle of other tests."""
        self.rest.call("PATCH", f"/dags/{self.pipeline}_{kind}", {"is_paused": True})

    def run(self, kind: str, run_id: str, **conf: object) -> str:
        dag_id = self.switch_on(kind)
        self.rest.call("POST", f"/dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": conf})
        return self.wait(dag_id, run_id)

    def again(self, kind: str, run_id: str) -> str:
        dag_id = self.switch_on(kind)
        path = f"/dags/{dag_id}/dagRuns/{run_id}"
        self.rest.call("POST", f"{path}/clear", {"dry_run": False})
        return self.wait(dag_id, run_id)

    def wait(self, dag_id: str, run_id: str) -> str:
        for _ in range(600):
            state = self.rest.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"]
            if state in {"success", "failed"}:
                return state
            time.sleep(1)
        pytest.fail(f"{dag_id} {run_id} is still {state}")

    def tasks(self, kind: str, run_id: str) -> list[dict]:
        return self.rest.call("GET", f"/dags/{self.pipeline}_{kind}/dagRuns/{run_id}/taskInstances?limit=100")[
            "task_instances"
        ]

    def rows(self, query: str, *arguments: object) -> list[tuple]:
        with psycopg2.connect(self.settings.greenplum_dsn) as connection, connection.cursor() as cursor:
            cursor.execute(query, arguments)
            return cursor.fetchall()

    def counts(self, table: str) -> dict[str, int]:
        return dict(self.rows(f"select run_key, count(*) from mart.{table} group by 1"))

    def objects(self, prefix: str) -> dict[str, str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.settings.s3_bucket, Prefix=prefix)
        return {o["Key"]: o["ETag"] for page in pages for o in page.get("Contents", [])}

    def feature_sets(self) -> list[tuple]:
        host, _, port = self.settings.tarantool_uri.rpartition("@")[2].partition(":")
        user, _, password = self.settings.tarantool_uri.removeprefix("tarantool://").rpartition("@")[0].partition(":")
        connection = tarantool.connect(host, int(port), user=user, password=password)
        try:
            return sorted(tuple(row) for row in connection.select("feature_set"))
        finally:
            connection.close()

    def versions(self, name: str = "") -> dict[str, str]:
        found = self.mlflow.search_model_versions(f"name = '{name or self.pipeline}'")
        return {str(version.version): version.run_id for version in found}

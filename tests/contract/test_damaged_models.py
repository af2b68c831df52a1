"""Versions whose files are gone or damaged: told for what they are, and never taken for a server that is away."""

import pickle
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from small_models import small_model, small_pipeline, small_version
from xflow.adapters.memory_promotions import MemoryPromotions
from xflow.adapters.mlflow_registry import MlflowRegistry
from xflow.errors import ModelDamaged, Retryable, ServiceUnavailable
from xflow.pipeline import Pipeline
from xflow.refs import ModelVersionRef
from xflow.settings import Settings
from xflow.steps.champions import champions

pytestmark = pytest.mark.services


class Elsewhere:
    """A class that whoever loads the pickle does not have."""


class Files:
    """The files that a version is loaded from, in MLflow's part of the bucket."""

    def __init__(self, settings: Settings, registry: MlflowRegistry, version: ModelVersionRef) -> None:
        access = {"aws_access_key_id": settings.s3_access_key, "aws_secret_access_key": settings.s3_secret_key}
        s3 = boto3.resource("s3", endpoint_url=settings.s3_endpoint, region_name="us-east-1", **access)
        self._bucket = s3.Bucket(settings.s3_bucket)
        uri = registry._client.get_run(version.mlflow_run_id).data.tags["xflow.model_uri"]
        mark = f"/{uri.removeprefix('models:/')}/"
        self.model_id = uri.removeprefix("models:/")
        self.names = {
            each.key.rpartition("/artifacts/")[2]: each.key for each in self._bucket.objects.all() if mark in each.key
        }
        assert self.names.keys() >= {"MLmodel", "python_model.pkl"}, self.names

    def remove(self, *names: str) -> None:
        for name in names or ("MLmodel", "python_model.pkl"):
            self._bucket.Object(self.names[name]).delete()

    def write(self, name: str, content: bytes) -> None:
        self._bucket.Object(self.names[name]).put(Body=content)

    def read(self, name: str) -> bytes:
        return self._bucket.Object(self.names[name]).get()["Body"].read()


@pytest.fixture(scope="module")
def registry(stack: Settings) -> MlflowRegistry:
    return MlflowRegistry(stack.mlflow_uri, stack.mlflow_username, stack.mlflow_password)


@pytest.fixture(scope="module")
def served(stack: Settings, registry: MlflowRegistry) -> tuple[Pipeline, ModelVersionRef, Files]:
    """A pipeline whose second version serves, and its files."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    before, now = (small_version(registry, name, width) for width in (1.0, 2.0))
    registry.promote(before, None)
    registry.promote(now, before)
    return small_pipeline(name), now, Files(stack, registry, now)


@pytest.fixture(autouse=True)
def whole(served: tuple[Pipeline, ModelVersionRef, Files]) -> Iterator[None]:
    """Bring the files back after each test."""
    files = served[2]
    content = {name: files.read(name) for name in ("MLmodel", "python_model.pkl")}
    yield
    for name, data in content.items():
        files.write(name, data)


def swapped(files: Files) -> None:
    files.write("python_model.pkl", pickle.dumps(Elsewhere()).replace(b"Elsewhere", b"Elsewhen1"))


def half(files: Files) -> bytes:
    content = files.read("python_model.pkl")
    return content[: len(content) // 2]


DAMAGES: dict[str, tuple[Callable[[Files], None], str]] = {
    "all gone": (lambda files: files.remove(), "there is no MLmodel"),
    "description gone": (lambda files: files.remove("MLmodel"), "there is no MLmodel"),
    "pickle gone": (lambda files: files.remove("python_model.pkl"), "there is no python_model.pkl"),
    "description cut": (lambda files: files.write("MLmodel", b"flavors: ["), "there is no readable MLmodel"),
    "description empty": (lambda files: files.write("MLmodel", b""), "there is no readable MLmodel"),
    "pickle cut": (lambda files: files.write("python_model.pkl", half(files)), "cannot be loaded"),
    "pickle empty": (lambda files: files.write("python_model.pkl", b""), "cannot be loaded"),
    "pickle of another release": (swapped, "cannot be loaded"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_champion_is_told_with_what_helps(
    registry: MlflowRegistry, served: tuple[Pipeline, ModelVersionRef, Files], damage: str
) -> None:
    pipeline, version, files = served
    change, said = DAMAGES[damage]
    change(files)
    with pytest.raises(ModelDamaged) as caught:
        champions(pipeline, registry=registry, ledger=MemoryPromotions())
    told = str(caught.value)
    assert told.startswith(f"{version.name} version 2")
    assert said in told
    assert f'Put version 1, which served before, back: xflow rollback {pipeline.name} --reason "..."' in told
    assert f'xflow promote {pipeline.name} --to VERSION --reason "..."; or train again: {pipeline.name}_train' in told
    assert "xflow-" not in told  # the folder that it was downloaded to


def test_a_registry_that_is_away_damages_nothing(
    stack: Settings, registry: MlflowRegistry, served: tuple[Pipeline, ModelVersionRef, Files], monkeypatch: Any
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = MlflowRegistry("http://127.0.0.1:9", stack.mlflow_username, stack.mlflow_password)
    with pytest.raises(ServiceUnavailable) as caught:
        away.load(served[1])
    assert isinstance(caught.value, Retryable)
    MlflowRegistry(stack.mlflow_uri, stack.mlflow_username, stack.mlflow_password)
    assert registry.load(served[1]).levels == small_model(2.0).levels


def test_a_version_whose_model_was_deleted_in_mlflow(
    registry: MlflowRegistry, served: tuple[Pipeline, ModelVersionRef, Files]
) -> None:
    _, version, files = served
    registry._client.delete_logged_model(files.model_id)
    files.remove()
    with pytest.raises(ModelDamaged, match="version 2: its files"):
        registry.load(version)

"""One small pipeline, trained and predicted with on the real stores, for the tests of audits."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import psycopg2
import yaml
from mart_rows import EXACT

from xflow.audit_runner import AuditRunner
from xflow.domain.audit import Audit, State
from xflow.pipeline import AnyPipeline
from xflow.ports import ModelRegistry
from xflow.predict_runner import PredictRunner
from xflow.refs import ModelVersionRef, RunKey
from xflow.runner import registry_of
from xflow.settings import Settings
from xflow.steps.audited import Audited
from xflow.steps.chain import chain
from xflow.steps.verify_input import input_again, verify_input
from xflow.steps.verify_models import told_by_manifest, verify_features
from xflow.steps.verify_output import verify_output
from xflow.train_runner import TrainRunner


class Remembering:
    """The registry, which sends every model once: of an audit, loading takes the time."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry, self._models = registry, {}

    def load(self, version: ModelVersionRef) -> object:
        name = (version.name, version.version)
        if name not in self._models:
            self._models[name] = self._registry.load(version)
        return self._models[name]

    def __getattr__(self, name: str) -> object:
        return getattr(self._registry, name)


class World:
    """A pipeline with its file, its stores, and the faults that a test may plant in them."""

    def __init__(self, settings: Settings, config: AnyPipeline, folder: Path, objects: dict[str, bytes]) -> None:
        self.settings, self.config, self.folder, self.name = settings, config, folder, config.name
        (folder / f"{config.name}.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json"), allow_unicode=True))
        self.predicted = PredictRunner(settings, config, RunKey(pipeline=config.name, kind="predict", run_id="p one"))
        self.trained = TrainRunner(settings, config, RunKey(pipeline=config.name, kind="train", run_id="t one"))
        self.store = self.predicted.store
        for name, content in objects.items():
            self.store.put(f"{config.input.train}{name}", content)

    def train(self) -> None:
        run, decided = self.trained, []
        checked = run.check_contract()
        run.load_mart(checked)
        features = run.write_features(checked)
        for target in self.config.targets:
            plan = run.plan(features, target=target)
            selection = run.select(plan, [run.tune(plan, name) for name in run.candidates(target)])
            version = run.register(plan, run.fit(plan, selection, checked))
            decided.append(run.promote(run.judge(plan, version)))
        run.close(decided)

    def predict(self) -> dict:
        run = self.predicted
        checked = run.check_contract()
        run.load_mart(checked)
        features = run.write_features(checked)
        made = run.predict(features, checked)
        run.load_predictions(made)
        return made

    @cached_property
    def registry(self) -> Remembering:
        return Remembering(registry_of(self.settings))

    def runner(self, run: str) -> AuditRunner:
        made = AuditRunner.of_run(self.settings, run, folder=self.folder)
        made.registry = self.registry
        return made

    def verify(self, kind: str = "predict", prediction: str = "") -> Audit:
        return self.runner(f"{self.name}/{kind}/latest").verify(prediction)

    def audited(self, kind: str = "predict") -> Audited:
        run = self.predicted.key if kind == "predict" else self.trained.key
        return self.runner(str(run))._audited()

    def checks(self, *sections: str, kind: str = "predict", prediction: str = "") -> Audit:
        """Make some of the checks of `verify`: of those, loading the models takes the time."""
        audited, found = self.audited(kind), []
        for section in sections:
            if section == "input":
                with input_again(audited) as again:
                    found += verify_input(audited, again)
            elif section == "output":
                found += verify_output(audited)
            elif section == "features":
                found += verify_features(audited, told_by_manifest(audited))
            elif section == "chain":
                found += chain(audited, prediction).checks
        return Audit(str(audited.key), "success", tuple(found))

    def explain(self, prediction: str):
        made = AuditRunner.of_prediction(self.settings, prediction, folder=self.folder)
        made.registry = self.registry
        return made.explain(prediction)

    def sql(self, statement: str, *values: object) -> list[tuple]:
        with psycopg2.connect(self.settings.greenplum_dsn, options=EXACT) as connection, connection.cursor() as cursor:
            cursor.execute(statement.replace("{p}", f"mart.{self.name}"), values)
            return cursor.fetchall() if cursor.description else []

    def ids(self, condition: str = "true") -> list[str]:
        found = self.sql(f"SELECT prediction_id FROM {{p}}_prediction WHERE {condition}")
        return sorted((name for (name,) in found), key=lambda name: (len(name), name))

    @contextmanager
    def changed_object(self, uri: str, content: bytes | None) -> Iterator[None]:
        """Replace an object, or take it away, for the length of the block."""
        key, (ref,) = uri.partition(self.settings.s3_bucket + "/")[2], self.store.list(uri)
        before = self.store.get(ref)
        if content is None:
            self.store._client.delete_object(Bucket=self.settings.s3_bucket, Key=key)
        else:
            self.store.put(uri, content)
        try:
            yield
        finally:
            self.store.put(uri, before)

    @contextmanager
    def changed_rows(self, change: str, back: str, *values: object) -> Iterator[None]:
        """Run a statement on the mart, and another one at the end of the block."""
        self.sql(change, *values)
        try:
            yield
        finally:
            self.sql(back, *values)


def flipped(content: bytes) -> bytes:
    """Return bytes of the same length of which one in the middle differs."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def faults(audit: Audit) -> dict[str, str]:
    """Return what is wrong by what was checked."""
    return {check.what: check.detail for check in audit.faults}


def states(audit: Audit) -> set[State]:
    return {check.state for check in audit.checks}

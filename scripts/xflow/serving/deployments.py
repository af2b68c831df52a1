"""How versions come into service: loaded beside the old one, tested, and swapped as a whole; or not at all."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from xflow.errors import ChampionMissing, ModelDamaged, ModelMissing, ModelRefused, Permanent, Retryable, XflowError
from xflow.pipeline import AnyPipeline
from xflow.refs import ModelVersionRef
from xflow.serving.deployment_report import Attempt, Deployment, ModelState, Outcome, number, report, shortly, state
from xflow.serving.loading import loaded
from xflow.serving.model_cache import ModelCache
from xflow.serving.pipeline_files import read_again
from xflow.serving.served import ServedModel, ServedModels
from xflow.serving.smoke import Smoke, smoke_test
from xflow.steps.champions import mismatch, remedy

if TYPE_CHECKING:
    from xflow.adapters.mlflow_registry import MlflowRegistry
    from xflow.ports import AnyModel
    from xflow.serving.metrics import Metrics

log = logging.getLogger("xflow.serving")

ASK_AGAIN = 30.0
CHAMPIONS = "what MLflow says the champions are"


class Deployments:
    """Brings versions into service.

    Parameters
    ----------
    pipelines
        By name; brought up to date with their files before every deployment.
    models
        What is in service.
    folder
        Of the models on the service's volume.
    ask_again
        Seconds until a registry that does not answer is asked again for its champions.
    """

    def __init__(
        self,
        pipelines: dict[str, AnyPipeline],
        models: ServedModels,
        registry: "MlflowRegistry",
        folder: Path,
        metrics: "Metrics",
        ask_again: float = ASK_AGAIN,
    ) -> None:
        self._pipelines, self._models, self._registry, self._metrics = pipelines, models, registry, metrics
        self._cache, self._ask_again = ModelCache(folder, registry), ask_again
        self._locks: dict[str, threading.Lock] = {}
        self._last: dict[str, Attempt] = {}
        self._waiting = {name for name in self._owners() if self._cache.last_good(name)}
        self._due = self._waiting.copy()  # what has to answer: what did before, and champions
        self._answered = self._refused = False  # what the registry did when it was asked for the champions
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self.restore, name="restore", daemon=True)

    def start(self) -> None:
        """Load what was in service last, and then the champions, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the registry no more."""
        self._ended.set()

    def waiting_for(self) -> list[str]:
        """Return what has to be loaded, or known, before requests should come; the last good version will do."""
        waiting = sorted(self._waiting.copy())
        known = self._answered or (self._refused and bool(self._models.all()))
        return waiting if known else [*waiting, CHAMPIONS]

    def refused(self) -> dict[str, str]:
        """Return why nothing answers, in short, by the names of the models that should and do not load any more."""
        names = self._due.intersection(self._owners()) - self._waiting
        return {name: shortly(name, self._last.get(name)) for name in sorted(names) if self._current(name) is None}

    def states(self) -> list[ModelState]:
        """Return every model of the pipelines' files, by name."""
        serves = {each.version.name: each for each in self._models.all()}
        return [
            state(name, pipeline, target, serves.get(name), self._last.get(name))
            for name, (pipeline, target) in sorted(self._owners().items())
        ]

    def deploy(self, name: str, which: str = "") -> Deployment:
        """Let a version answer in place of the one that does; that one answers until the new one has passed its test.

        Parameters
        ----------
        name
            Of the registered model.
        which
            Number of a version, as ``7``, or an alias, as ``@staging``; empty: the champion of this environment.

        Raises
        ------
        ModelMissing
            No pipeline has such a model, or the registry no such version.
        ModelDamaged
            The registry does not have all files of the version any more.
        ModelRefused
            The version cannot be loaded, was trained for another configuration, or failed its smoke test.
        ServiceUnavailable
            The registry does not answer.
        DiskFull
            There is no space for the version's files.
        """
        return self._deploy(name, which)

    def _deploy(self, name: str, which: str, *, in_time: bool = True) -> Deployment:
        read_again(self._pipelines)
        self._owner(name)
        with self._locks.setdefault(name, threading.Lock()), self._noted(name, which):
            version = self._wanted(name, which)
            if (current := self._current(name)) is not None and current.version == version:
                self._note(name, version.version, "unchanged")
                return report(current, current, "unchanged")
            return self._put(version, in_time=in_time)

    def restore(self) -> None:
        """Load what was in service last, without the registry; then ask that until it has named the champions."""
        for name in sorted(self._waiting):
            self._bring_back(name)
        while not (self._ended.is_set() or self._follow()):
            self._ended.wait(self._ask_again)

    def _bring_back(self, name: str) -> None:
        version = self._cache.last_good(name)
        lock = self._locks.setdefault(name, threading.Lock())
        with suppress(Exception), lock, self._noted(name, version.version if version else ""):
            if version is not None and self._current(name) is None:
                self._put(version, in_time=False, restoring=True)
        self._waiting.discard(name)

    def _follow(self) -> bool:
        """Deploy the champions that are not in service; return whether the registry could be asked to the end."""
        try:
            champions = {name: self._registry.champion(name) for name in self._owners()}
        except Exception as error:  # noqa: BLE001  # whatever it is, the next time may be better
            log.warning("the champions are not known yet: %s", error)
            self._refused = True
            return False
        wanted = {name: version for name, version in champions.items() if version is not None}
        self._due |= set(wanted)
        self._waiting |= {name for name in wanted if self._current(name) is None}
        self._answered, whole = True, True
        for name, version in sorted(wanted.items()):
            alone = self._current(name) is None  # while all of a stack starts, slow answers are better than none
            try:
                self._deploy(name, version.version, in_time=not alone)
            except Permanent:  # it was logged, and is so again until somebody acts
                pass
            except Exception:  # noqa: BLE001  # it was logged, too, and is asked for again
                whole = False
                if self._current(name) is None:
                    continue
            self._waiting.discard(name)
        return whole

    def _put(self, version: ModelVersionRef, *, in_time: bool, restoring: bool = False) -> Deployment:
        """Load and test a version, and let it answer."""
        name = version.name
        try:
            served, found = self._passed(version, in_time)
        except ModelRefused:
            self._cache.discard(version)
            raise
        if not restoring:
            self._cache.keep(version)
        old = self._models.swap(served)
        if not restoring:
            self._cache.prune(name, {each.version.version for each in (served, old) if each is not None})
        self._note(name, version.version, "deployed")
        log.info("%s: version %s answers in place of %s; %s", name, version.version, number(old) or "none", found)
        return report(served, old, "deployed", found)

    def _passed(self, version: ModelVersionRef, in_time: bool) -> tuple[ServedModel, Smoke]:
        """Return a version that may answer, and what its smoke test found."""
        pipeline, target = self._owner(version.name)
        current = self._current(version.name)
        try:
            folder = self._cache.fetch(version, {number(current)})
        except ModelDamaged as error:
            raise ModelDamaged(f"{error} {remedy(pipeline, version, self._registry)}") from error
        model, pyfunc, golden = loaded(folder, version)
        _check_made_for(pipeline, model, version)
        served = ServedModel(pipeline, target, version, model, pyfunc, datetime.now(UTC))
        return served, smoke_test(served, golden, pipeline.serving, in_time=in_time)

    def _wanted(self, name: str, which: str) -> ModelVersionRef:
        if which:
            return self._registry.version(name, which)
        champion = self._registry.champion(name)
        if champion is None:
            raise ChampionMissing(f"{name} has no champion: train and promote one, or name the version")
        return champion

    def _current(self, name: str) -> ServedModel | None:
        return next((each for each in self._models.all() if each.version.name == name), None)

    def _owners(self) -> dict[str, tuple[AnyPipeline, str]]:
        found = list(self._pipelines.values())
        return {pipeline.model_name(target): (pipeline, target) for pipeline in found for target in pipeline.targets}

    def _owner(self, name: str) -> tuple[AnyPipeline, str]:
        owners = self._owners()
        if name not in owners:
            raise ModelMissing(f"no pipeline has a model {name}; there are: {', '.join(sorted(owners)) or 'none'}")
        return owners[name]

    @contextmanager
    def _noted(self, name: str, which: str) -> Iterator[None]:
        try:
            yield
        except XflowError as error:
            log.warning("%s version %s does not come into service: %s", name, which or "of the champion", error)
            self._note(name, which, "failed" if isinstance(error, Retryable) else "refused", str(error))
            raise
        except Exception as error:
            log.exception("%s version %s does not come into service", name, which or "of the champion")
            self._note(name, which, "failed", f"{type(error).__name__}: {error}")
            raise

    def _note(self, name: str, version: str, outcome: Outcome, reason: str = "") -> None:
        self._last[name] = Attempt(version=version, outcome=outcome, reason=reason, at=datetime.now(UTC))
        self._metrics.deployed(name, outcome)


def _check_made_for(pipeline: AnyPipeline, model: "AnyModel", version: ModelVersionRef) -> None:
    if wrong := mismatch(pipeline, model):
        raise ModelRefused(
            f"{version.name} version {version.version} was {wrong}: it cannot answer. Train again, or bring back the "
            "pipeline's file of that time"
        )

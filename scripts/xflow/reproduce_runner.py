"""Repeat the training of a registered model, leaving nothing behind.

The mart and the registry of a repeated training lie in this process's memory; its objects and its feature set carry
a key of their own, and are removed.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from xflow.errors import ConfigInvalid
from xflow.refs import ModelVersionRef, ObjectRef, RunKey
from xflow.runner import Runner, registry_of
from xflow.settings import Settings

if TYPE_CHECKING:
    from xflow.adapters.memory import MemoryMart
    from xflow.steps.manifest import Manifest
    from xflow.steps.reproduce import Reproduction

MODEL_URI = re.compile(r"^models:/(?P<name>[^/@]+)(/(?P<number>\d+)|(?P<alias>@[^/@]+))$")


class ReproduceKey(RunKey):
    """Key of a repeated training. It is a job of its own, so that purging its features touches nobody else's."""

    @property
    def job(self) -> str:
        """The key itself."""
        return str(self)


class ReproduceRunner(Runner):
    """Runs the steps of one repeated training; see `xflow.runner.Runner`.

    Parameters
    ----------
    settings
        Addresses and credentials.
    version
        The registered version.
    manifest
        What it was made from.
    """

    def __init__(self, settings: Settings, version: ModelVersionRef, manifest: "Manifest") -> None:
        run_id = f"{version.name}-{version.version}"
        key = ReproduceKey(pipeline=manifest.run.pipeline, kind="reproduce", run_id=run_id)
        super().__init__(settings, manifest.configuration, key)
        self.version, self.manifest = version, manifest

    @classmethod
    def of(cls, settings: Settings, uri: str) -> "ReproduceRunner":
        """Return the runner of a registered version.

        Parameters
        ----------
        uri
            ``models:/name/7`` or ``models:/name@alias``.

        Raises
        ------
        ConfigInvalid
            The URI is none of a registered model.
        ModelMissing
            There is no such version.
        NotReproducible
            It has no manifest, or a damaged one.
        """
        from xflow.steps.reproduce import manifest_of

        found = MODEL_URI.match(uri)
        if not found:
            raise ConfigInvalid(f"{uri!r} names no model: write models:/tourism_monthly@champion or models:/name/7")
        registry = registry_of(settings)
        version = registry.version(found["name"], found["number"] or found["alias"])
        return cls(settings, version, manifest_of(version, registry=registry))

    @cached_property
    def mart(self) -> "MemoryMart":  # type: ignore[override]  # a mart that nobody else sees
        """A mart in memory."""
        from xflow.adapters.memory import MemoryMart
        from xflow.steps.kinds import input_kind

        made = MemoryMart()
        made.prepare(self.pipeline.name, input_kind(self.pipeline).tables)
        return made

    def check_inputs(self) -> list[ObjectRef]:
        """Return the input's objects, which must hold what the model learned from."""
        from xflow.steps.reproduce import pinned_objects

        with self._step("check inputs"):
            return pinned_objects(self.manifest, store=self.store)

    def reproduce(self, objects: list[ObjectRef]) -> "Reproduction":
        """Train again and compare with the registered version."""
        from xflow.adapters.memory_registry import MemoryRegistry
        from xflow.origin import origin_of
        from xflow.steps.reproduce import compare, retrain

        with self._step("reproduce"), self._cleaned():
            again, predictions, planned = retrain(
                self.key,
                self.manifest,
                objects,
                origin_of(self.pipeline),
                store=self.store,
                feature_store=self.features,
                mart=self.mart,
                registry=MemoryRegistry(),
                progress=self.progress,
            )
            return compare(
                self.version,
                self.manifest,
                again,
                predictions,
                planned,
                feature_store=self.features,
                registry=self.registry,
            )

    @contextmanager
    def _cleaned(self) -> Iterator[None]:
        """Remove what an earlier attempt that was killed left, and what this one leaves."""
        self._clean()
        try:
            yield
        finally:
            self._clean()

    def _clean(self) -> None:
        self.features.purge(self.key.job, 0)
        self.store.delete(self.key.work_prefix)

"""Models on the service's volume: downloaded once, checked at every load, the last good version of each known.

``<folder>/<model>/<version>/model`` is what MLflow keeps, ``<version>/files.json`` the sha256 of its files, and
``<folder>/<model>/serving.json`` says which version was in service last. Everything appears whole or not at all.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xflow.errors import DiskFull, ServiceUnavailable
from xflow.refs import ModelVersionRef
from xflow.serving.durable import FULL, write_whole

if TYPE_CHECKING:
    from xflow.adapters.mlflow_registry import MlflowRegistry

log = logging.getLogger("xflow.serving")

POINTER, FILES, MODEL = "serving.json", "files.json", "model"
UNFINISHED = "."
"""What the names of downloads begin with that have not ended."""


class ModelCache:
    """Models in a folder, and the registry that they come from."""

    def __init__(self, folder: Path, registry: "MlflowRegistry") -> None:
        self._folder, self._registry = folder, registry

    def last_good(self, name: str) -> ModelVersionRef | None:
        """Return the version of a model that was in service last, or None."""
        try:
            return ModelVersionRef.model_validate_json((self._folder / name / POINTER).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:  # not what `keep` writes: somebody else did
            log.exception("%s is damaged: the registry is asked instead", self._folder / name / POINTER)
            return None

    def keep(self, version: ModelVersionRef) -> None:
        """Write down that a version is in service from now on."""
        pointer = self._folder / version.name / POINTER
        with _full_disk_told(self._folder):
            write_whole(pointer, version.model_dump_json(exclude={"metrics"}).encode())

    def fetch(self, version: ModelVersionRef, in_service: Collection[str] = ()) -> Path:
        """Return the folder of a version's model, every file of it checked.

        Before it is downloaded, all other versions but those in service go: the volume may have no space for more.

        Raises
        ------
        ServiceUnavailable
            It is not here, or damaged, and the registry does not answer.
        ModelMissing
            It is not here, and the registry does not have it.
        DiskFull
            There is no space for it.
        """
        kept = self._folder / version.name / version.version
        if not self._intact(kept, version):
            good = self.last_good(version.name)
            self.prune(version.name, {version.version, *in_service, *([good.version] if good else [])})
            with _full_disk_told(self._folder):
                self._download(version, kept)
        return kept / MODEL

    def discard(self, version: ModelVersionRef) -> None:
        """Delete the files of a version, unless it was in service last: another image may load its only copy."""
        if self.last_good(version.name) != version.model_copy(update={"metrics": {}}):
            shutil.rmtree(self._folder / version.name / version.version, ignore_errors=True)

    def prune(self, name: str, kept: set[str]) -> None:
        """Delete all versions of a model but those named, and downloads that did not end."""
        for path in sorted((self._folder / name).glob("*")):
            if path.is_dir() and path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)

    def _intact(self, kept: Path, version: ModelVersionRef) -> bool:
        try:
            facts = json.loads((kept / FILES).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return False
        except ValueError:
            facts = None
        if not isinstance(facts, dict) or facts.get("files") != _hashes(kept / MODEL):
            log.warning("%s version %s: its files on the volume are damaged", version.name, version.version)
            return False
        # A registry that was set up anew gives its numbers again.
        return bool(facts.get("mlflow_run_id") == version.mlflow_run_id)

    def _download(self, version: ModelVersionRef, kept: Path) -> None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{UNFINISHED}{version.version}-", dir=kept.parent) as folder:
            target = Path(folder) / version.version
            (target / MODEL).mkdir(parents=True)
            self._registry.download(version, target / MODEL)
            facts = {"mlflow_run_id": version.mlflow_run_id, "files": _hashes(target / MODEL)}
            write_whole(target / FILES, json.dumps(facts).encode())
            if kept.exists():  # damaged, or of another registry
                kept.rename(Path(folder) / "old")
            target.rename(kept)


def _hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file by its path; what Python compiles by itself does not count."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in paths}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _full_disk_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DiskFull(f"{folder}: {error.strerror}. Free space there.") from error
        raise
    except ServiceUnavailable as error:  # MLflow's client wraps what its threads met
        if os.strerror(errno.ENOSPC) in str(error) or os.strerror(errno.EDQUOT) in str(error):
            raise DiskFull(f"{folder}: {os.strerror(errno.ENOSPC)}. Free space there.") from error
        raise

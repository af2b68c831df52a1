"""Where a training's figures come from: which code on which kind of machine."""

from xflow.code_version import code_hash, git_commit, lock_hash, packages
from xflow.machine import machine_kind
from xflow.pipeline import AnyPipeline
from xflow.refs import Ref


class Origin(Ref):
    """Code and machine of a training.

    Attributes
    ----------
    code_hash
        Of the library's source files and its packages' versions; see `xflow.code_version.code_hash`.
    packages
        Versions of the packages that compute.
    lock_sha256
        Of ``uv.lock``; empty where it does not lie beside the code.
    git_commit, bundle
        Of the code and of the DAG bundle; informative, as a commit may change documents alone.
    machine
        See `xflow.machine.machine_kind`.
    """

    code_hash: str
    packages: dict[str, str]
    lock_sha256: str
    git_commit: str
    bundle: str = ""
    machine: dict[str, str]


def origin_of(pipeline: AnyPipeline, bundle: str | None = None) -> Origin:
    """Return the origin of what this process computes for a pipeline."""
    from xflow.domain.global_xgb import compute_device

    return Origin(
        code_hash=code_hash(),
        packages=packages(),
        lock_sha256=lock_hash(),
        git_commit=git_commit(),
        bundle=bundle or "",
        machine=machine_kind(compute_device(pipeline.model.device)),
    )

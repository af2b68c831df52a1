"""Files of the service's volume that are whole or not there, whenever the power goes."""

import errno
import os
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk that has no space left."""


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that only the service's account may read, in place of what stood there.

    Returns when disk and folder hold it.

    Raises
    ------
    OSError
        The disk is full or refuses; what stood there still stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)  # of a service that was killed; opening it would keep its mode
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)  # on a full disk it would hold what little is free
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

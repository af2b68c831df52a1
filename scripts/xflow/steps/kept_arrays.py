"""Arrays that one task keeps for later tasks of its run."""

import io

import numpy as np

from xflow.ports import ObjectStore
from xflow.refs import ObjectRef


def keep(store: ObjectStore, location: str, array: np.ndarray) -> ObjectRef:
    """Write an array as an object."""
    return store.put(location, array_bytes(array))


def array_bytes(array: np.ndarray) -> bytes:
    """Return an array as the content of an object."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def kept(store: ObjectStore, ref: ObjectRef) -> np.ndarray:
    """Read an array back."""
    array: np.ndarray = np.load(io.BytesIO(store.get(ref)), allow_pickle=False)
    return array

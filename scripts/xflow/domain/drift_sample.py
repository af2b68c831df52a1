"""Samples that are drawn alike at every time: an entity's place in the draw follows from its name alone."""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

EVERY = 2**64 - 1


def draw(names: Iterable[str]) -> npt.NDArray[np.uint64]:
    """Return each name's place in the draw, evenly spread over 0 to `EVERY`, shape (n,)."""
    places = (hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(b"".join(places), dtype=">u8").astype(np.uint64)


def first(places: npt.NDArray[np.uint64], count: int) -> tuple[npt.NDArray[np.int64], int]:
    """Return the positions of the `count` smallest places, in their order, and the place up to which that is everyone.

    Whoever of a later sample lies within that place, and is not among these, was not there when they were drawn.
    """
    order = np.argsort(places, kind="stable")[:count]
    return order, int(places[order[-1]]) if count <= len(places) and len(order) else EVERY

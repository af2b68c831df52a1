"""Filling of the gaps that the contract tolerates."""

import numpy as np
import numpy.typing as npt


def fill_gaps(ordinals: npt.NDArray[np.int64], columns: npt.NDArray[np.float64], step: int) -> npt.NDArray[np.float64]:
    """Return a series on its full grid, gaps filled by linear interpolation.

    Parameters
    ----------
    ordinals
        Period ordinals, rising by multiples of `step`, shape (n,), n >= 1.
    columns
        Finite values at these ordinals, shape (n, k).
    step
        Distance of neighbouring periods.

    Returns
    -------
    numpy.ndarray
        Shape (steps from the first to the last ordinal, k).
    """
    places = (ordinals - ordinals[0]) // step
    grid = np.arange(places[-1] + 1)
    if len(grid) == len(places):
        return columns
    filled = np.empty((len(grid), columns.shape[1]))
    for k, column in enumerate(columns.T):
        filled[:, k] = np.interp(grid, places, column)
    return filled


def after_last_gap(ordinals: npt.NDArray[np.int64], max_gap: int, step: int) -> int:
    """Return the place after the last gap that is too long, 0 where there is none."""
    broken = np.flatnonzero(np.diff(ordinals) > (max_gap + 1) * step)
    return int(broken[-1]) + 1 if len(broken) else 0


def contiguous(ordinals: npt.NDArray[np.int64], first: int, max_gap: int, step: int) -> int:
    """Return how many ordinals, from the start on, come before the first gap that is too long.

    Gaps among the first `first` ordinals do not count.
    """
    broken = np.flatnonzero(np.diff(ordinals[max(first - 1, 0) :]) > (max_gap + 1) * step)
    return int(broken[0]) + max(first, 1) if len(broken) else len(ordinals)

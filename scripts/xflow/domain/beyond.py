"""Times far beyond the rest of an input: a mistyped year must not decide for all others."""

import numpy as np
import numpy.typing as npt
import pandas as pd


def last_of_the_rest(
    times: npt.NDArray[np.int64], owners: npt.NDArray[np.int32], hole: int, share: float
) -> int | None:
    """Return the newest time before those that lie far beyond the rest, or None when none does.

    Times lie beyond the rest when they come after a hole, in which there is none of all times, and are few: at most
    `share` of all, or a single one. Few must be their owners too, or else the hole longer than all the time before
    it: where many go on after a hole, nothing was collected in it.

    Parameters
    ----------
    times
        Of the accepted rows, in any order, shape (n,).
    owners
        Number of the series, or of the vacancy, of each row.
    hole
        Distance of two neighbouring times from which on, exclusive, there is a hole between them.
    share
        0 to 0.5.
    """
    if not (np.diff(np.sort(pd.unique(times))) > hole).any():
        return None  # as nearly always, and without sorting every row
    moments, counts = np.unique(times, return_counts=True)
    before_holes = np.flatnonzero(np.diff(moments) > hole)
    after = len(times) - np.cumsum(counts)[before_holes]
    all_owners = len(pd.unique(owners))
    for place in before_holes[_few(after, len(times), share)]:
        last = moments[place]
        long = moments[place + 1] - last > last - moments[0]
        if long or _few(np.array(len(pd.unique(owners[times > last]))), all_owners, share).all():
            return int(last)
    return None


def _few(count: npt.NDArray[np.int64], total: int, share: float) -> npt.NDArray[np.bool_]:
    return np.asarray((count <= max(1, share * total)) & (2 * count < total))


def told(what: str, count: int, total: int, examples: list[str], newest: str) -> str:
    """Return the sentence about rows beyond the rest."""
    lie = "lies" if count == 1 else "lie"
    return (
        f"{count} of {total} accepted rows {lie} far after all others: {what} {', '.join(examples)}. The newest time "
        f"is taken as {newest}, without them: correct them, or give as_of."
    )

"""The holdout of vacancies: whole groups that no model ever learns from, together like all vacancies."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pandas.util import hash_array

from xflow.domain.vacancies.splits import EMPLOYER, VACANCY
from xflow.errors import ContractViolated

COMPARED = 64
"""Groups of which the one is held out next that brings the holdout nearest to the whole."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Indices of the rows of each part, ascending.

    Attributes
    ----------
    train, holdout
        Rows to learn from, and those that nothing that is learned may see.
    unused
        The other rows of groups that no model ever learns from.
    """

    train: Indices
    holdout: Indices
    unused: Indices


def draws(groups: Indices, identities: npt.NDArray[np.uint64], named: Bools) -> Floats:
    """Return a number in [0, 1) a row, the same for a group and, as far as it goes, for ever, shape (n,).

    It is drawn by the hash of one of the group's employers, the one whose own hash is the least, or of one of its
    vacancies where all employers are anonymous. So a group keeps its number whatever vacancies come and go; groups
    that a new text joins go on with the number of one of them.

    Parameters
    ----------
    groups
        From `splits.groups`, shape (n,).
    identities
        From `splits.identities`, shape (n, 3).
    named
        Rows whose employer is known, shape (n,).
    """
    least = np.full((groups.max(initial=-1) + 1, 2), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(least[:, 0], groups[named], identities[named, EMPLOYER])
    np.minimum.at(least[:, 1], groups, identities[:, VACANCY])
    one = np.where(np.isin(np.arange(len(least)), groups[named]), least[:, 0], least[:, 1])
    # Hashed once more: the least of many is small, and large groups would be drawn more often.
    return np.asarray((hash_array(one) >> np.uint64(11))[groups] / 2.0**53)


def holdout(groups: Indices, draws: Floats, judged: Bools, traits: Bools, share: float) -> Split:
    """Set whole groups aside by their draws, and hold out those of them that together are like all rows.

    A group is set aside when its draw is below ``share * (3 - share) / 2`` (0.28 of 0.2): none of its rows are ever
    learned from, in this training or in a later one. Of the groups set aside, the largest first, one is held out as
    long as that brings the holdout nearer to `share` of all rows, of every trait and of the groups of each size.
    The others are not used.

    Parameters
    ----------
    groups
        From `splits.groups`, shape (n,).
    draws
        From the function of that name, shape (n,).
    judged
        Rows that a model can be judged by: they alone are counted, and held out, shape (n,).
    traits
        What the rows of the holdout have as often as all, shape (n, m).
    share
        Of the judged rows, above 0 and below 1.

    Notes
    -----
    A group of more than half of the holdout cannot be in it without ruling it, so it is learned from. Where the groups
    below the limit have fewer rows than half of the holdout, those of the next draws are set aside as well.

    Raises
    ------
    ContractViolated
        One of the parts would be empty.
    """
    names, first, group = np.unique(groups, return_index=True, return_inverse=True)
    sizes = np.bincount(group[judged], minlength=len(names))
    aside = _aside(sizes, draws[first], share)
    held = np.isin(group, _alike(group[judged], np.flatnonzero(aside), draws[first], traits[judged], share))
    rows = (~aside[group], held & judged, aside[group] & ~(held & judged)) if len(group) else (judged,) * 3
    split = Split(*map(np.flatnonzero, rows))
    if not len(split.train) or not len(split.holdout):
        raise ContractViolated(
            f"{len(groups)} vacancies of {len(names)} groups (one employer, or nearly equal texts) cannot be split: "
            f"{len(split.train)} would be left to train on and {len(split.holdout)} in the holdout of {share:.0%}. "
            "Collect vacancies of more employers, or set another model.holdout."
        )
    return split


def _aside(sizes: Indices, draws: Floats, share: float) -> Bools:
    """Return which groups no model learns from, shape (groups,); those without a judged row by their draws, too."""
    half = share * sizes.sum() / 2
    large = sizes > max(half, 1)
    order = np.lexsort([draws, large])
    before = np.cumsum(sizes[order]) - sizes[order]
    aside = (draws < share * (3 - share) / 2) & ~large
    aside[order[before < half]] = True
    return np.asarray(aside)


def _alike(group: Indices, aside: Indices, draws: Floats, traits: Bools, share: float) -> Indices:
    """Return the groups among those set aside whose judged rows are together like all judged rows."""
    sizes = np.bincount(group, minlength=len(draws))
    counts = np.zeros((len(draws), 1 + traits.shape[1]))
    np.add.at(counts, group, np.column_stack([np.ones(len(group)), traits]))
    scaled = counts / np.sqrt(np.maximum(share * counts.sum(axis=0), 1))
    alike = np.frexp(sizes)[1]  # 1, 2-3, 4-7, 8-15 rows and so on
    held, missing = [], np.zeros(scaled.shape[1])
    for size in np.unique(alike[sizes > 0])[::-1]:
        missing = missing + share * scaled[alike == size].sum(axis=0)
        of_size = aside[alike[aside] == size]
        waiting = of_size[np.argsort(draws[of_size], kind="stable")]
        while len(waiting):
            near = scaled[waiting[:COMPARED]]
            gains = 2 * near @ missing - (near**2).sum(axis=1)
            best = int(gains.argmax())
            if gains[best] <= 0:
                waiting = waiting[COMPARED:]
                continue
            held.append(waiting[best])
            missing = missing - near[best]
            waiting = np.delete(waiting, best)
    return np.asarray(held or aside[sizes[aside] > 0], dtype=np.int64)

"""Distances between two samples, and how likely they are when both come from the same source."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import gammaln, logsumexp

CATEGORIES = 20
OTHER = "(other)"


def distance(old: np.ndarray, new: np.ndarray, tolerance: float = 0.0, sides: str = "both") -> float:
    """Return the share of the values that must move by more than `tolerance` to make one sample the other.

    Parameters
    ----------
    old, new
        Values, finite, of any count but 0.
    tolerance
        In the values' unit; with 0 this is the statistic of Kolmogorov and Smirnov.
    sides
        ``high``: only how far the new ones lie above the old ones counts; ``low``: below; ``both``.
    """
    first, second = np.sort(old), np.sort(new)
    above = _ahead(first, second, tolerance) if sides != "low" else 0.0
    below = _ahead(second, first, tolerance) if sides != "high" else 0.0
    return max(above, below, 0.0)


def _ahead(low: np.ndarray, high: np.ndarray, tolerance: float) -> float:
    """Return by how much more of `low` than of `high` lies more than `tolerance` below any place."""
    below = np.searchsorted(low, low, side="right") / len(low)
    reached = np.searchsorted(high, low + tolerance, side="right") / len(high)
    return float((below - reached).max())


def variation(old: pd.Series, new: pd.Series) -> float:
    """Return the total variation distance of two samples of categories: the share that must change category."""
    shares = pd.concat([old.value_counts(normalize=True), new.value_counts(normalize=True)], axis=1).fillna(0.0)
    return float((shares.iloc[:, 0] - shares.iloc[:, 1]).abs().sum() / 2)


def top_categories(old: pd.Series, new: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return two samples with all but the most frequent categories of both as one: rare ones differ by chance."""
    counts = pd.concat([old, new]).value_counts().sort_index().sort_values(ascending=False, kind="stable")
    kept = counts.index[:CATEGORIES]
    return old.where(old.isin(kept), OTHER), new.where(new.isin(kept), OTHER)


def contingency(old: pd.Series, new: pd.Series) -> float:
    """Return the p-value of the chi-squared test that two samples of categories come from one source.

    Categories of which fewer than five would be expected on a side are taken together.
    """
    first, second = top_categories(old.dropna().astype(str), new.dropna().astype(str))
    table = pd.concat([first.value_counts(), second.value_counts()], axis=1).fillna(0.0).to_numpy()
    smaller = min(len(first), len(second)) / max(len(first) + len(second), 1)
    rare = table.sum(axis=1) * smaller < 5
    table = np.concatenate([table[~rare], table[rare].sum(axis=0, keepdims=True)])
    table = table[table.sum(axis=1) > 0]
    return float(stats.chi2_contingency(table).pvalue) if len(table) > 1 else 1.0


def fisher(hits: int, of: int, before: int, of_before: int) -> float:
    """Return how likely at least `hits` of `of` are when they are as frequent as `before` of `of_before`.

    Fisher's exact test, one-sided: the hits are drawn from both samples together.
    """
    return float(min(stats.hypergeom.sf(hits - 1, of + of_before, hits + before, of), 1.0))


def outside(count: int, of: int, reference: int, sides: int = 2) -> float:
    """Return how likely at least `count` of `of` values lie outside the range of `reference` others of the same source.

    Exact for continuous values, from the order of all values together (Wilks 1941, Determination of sample sizes for
    setting tolerance limits); for values that tie it is an upper bound.

    Parameters
    ----------
    sides
        2: below the smallest or above the largest; 1: on one of these sides alone.
    """
    if reference < sides:
        return 1.0
    j = np.arange(count, of + 1)
    ways = gammaln(of + reference - j - sides + 1) - gammaln(reference - sides + 1) - gammaln(of - j + 1)
    if sides == 2:
        ways += np.log(j + 1)
    every = gammaln(of + reference + 1) - gammaln(of + 1) - gammaln(reference + 1)
    return float(min(np.exp(logsumexp(ways) - every), 1.0)) if len(j) else 0.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number: the chance that any of true hypotheses is rejected stays below alpha.

    Holm (1979), A simple sequentially rejective multiple test procedure; it needs no independence.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(steps, 1.0)
    return [float(each) for each in adjusted]

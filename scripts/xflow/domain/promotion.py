"""Whether a new model version replaces the champion: a paired comparison on one holdout."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from xflow.pipeline_base import PromotionPolicy

type Outcome = Literal["promoted", "kept", "refused"]
"""What a judgement ends in; refused: nothing could be compared, or not fairly, so the champion stays."""

FEWEST_GROUPS = 8
"""Independent groups of units that an interval needs: with fewer it covers less than it says."""
RESAMPLES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Holdout:
    """What the errors are of.

    Attributes
    ----------
    metric
        Name of the error, lower is better.
    unit
        ``series`` or ``vacancies``.
    groups
        Number of the group of each unit, int64, shape (n,): units of one group are drawn together, since their
        errors are not independent.
    fewest
        Units that champion and challenger must both be judged by.
    floor
        Mean error of the floor on the holdout; None when it has none.
    seed
        Of the bootstrap.
    """

    metric: str
    unit: str
    groups: np.ndarray
    fewest: int = 1
    floor: float | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the bounds of its confidence interval."""

    mean: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict on a challenger, with the figures it rests on; `difference` is challenger minus champion."""

    outcome: Outcome
    reason: str
    figures: dict[str, float] = field(default_factory=dict)
    difference: Interval | None = None

    @property
    def promote(self) -> bool:
        """Whether the challenger becomes the champion."""
        return self.outcome == "promoted"


def decide(
    champion: np.ndarray | None,
    challenger: np.ndarray,
    policy: PromotionPolicy,
    holdout: Holdout,
    absent: str = "first model",
) -> Decision:
    """Decide whether the challenger becomes the champion.

    Parameters
    ----------
    champion, challenger
        Error of each unit of the holdout, shape (n,), in the same order, lower is better. NaN marks a
        unit that cannot be scored and is left out of both. `champion` is None when there is none.
    absent
        Why `champion` is None, for the reason.

    Returns
    -------
    Decision
        The challenger is promoted when it beats the floor and there is no champion, or when the whole interval of
        the mean paired difference lies below ``-policy.min_gain`` times the champion's error and the sign test
        agrees. Otherwise, and in a tie, the champion is kept. It is refused when fewer than `Holdout.fewest` units, or
        than `FEWEST_GROUPS` groups of them, were scored by both.

    Raises
    ------
    ValueError
        The shapes differ.
    """
    metric, unit = holdout.metric, holdout.unit
    if not np.isfinite(challenger).any():
        return Decision("refused", f"none of the {len(challenger)} {unit} of the holdout can judge the new model")
    score = float(np.nanmean(challenger))
    if holdout.floor is not None and not score < holdout.floor:
        figures = {f"holdout_{metric}_challenger": score, f"holdout_{metric}_floor": holdout.floor}
        return Decision("kept", f"holdout {metric} {score:.4f} does not beat the floor's {holdout.floor:.4f}", figures)
    if champion is None:
        figures = {f"holdout_{metric}_challenger": score}
        if holdout.floor is None:
            return Decision("promoted", f"{absent}: holdout {metric} {score:.4f}", figures)
        figures[f"holdout_{metric}_floor"] = holdout.floor
        beaten = f"holdout {metric} {score:.4f} against the floor's {holdout.floor:.4f}"
        return Decision("promoted", f"{absent}: {beaten}", figures)
    if champion.shape != challenger.shape:
        raise ValueError(f"champion scored {champion.shape} {unit}, challenger {challenger.shape}")
    both = np.isfinite(champion) & np.isfinite(challenger)
    groups = len(np.unique(holdout.groups[both]))
    if both.sum() < holdout.fewest or groups < FEWEST_GROUPS:
        return Decision("refused", _too_few(both, groups, holdout), {f"holdout_{unit}": float(both.sum())})
    return _compared(champion[both], challenger[both], policy, holdout, holdout.groups[both])


def paired_interval(
    difference: np.ndarray, groups: np.ndarray, confidence: float, resamples: int, seed: int
) -> Interval:
    """Return the mean of paired differences with its bootstrap-t confidence interval.

    Whole groups are drawn with replacement; each resample's mean is divided by its own standard error, so that skewed
    errors of few groups do not make the interval too narrow.

    Parameters
    ----------
    difference
        Shape (n,), finite.
    groups
        Group of each, shape (n,).

    Notes
    -----
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 12, for the mean of clusters of unequal
    sizes as a ratio of sums.
    """
    _, group = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(group, weights=difference), np.bincount(group).astype(float)
    mean = float(sums.sum() / sizes.sum())
    if len(sums) == 1:
        return Interval(mean, -np.inf, np.inf)
    error = float(_standard_error(np.ones((1, len(sums))), sums, sizes)[0])
    if error <= 1e-12 * max(abs(mean), np.abs(difference).max()):  # every group has the same difference
        return Interval(mean, mean, mean)
    rng, count = np.random.default_rng(seed), len(sums)
    t = []
    for first in range(0, resamples, RESAMPLES_AT_ONCE):
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=min(RESAMPLES_AT_ONCE, resamples - first))
        means = drawn @ sums / (drawn @ sizes)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (means - mean) / _standard_error(drawn, sums, sizes)
        t.append(np.where(means == mean, 0.0, ratio))
    found, tail = np.concatenate(t), (1 - confidence) / 2
    low, high = (np.quantile(sign * found, tail, method="inverted_cdf") for sign in (1, -1))  # alike at both ends
    return Interval(mean, mean + min(high, 0.0) * error, mean - min(low, 0.0) * error)


def sign_test(difference: np.ndarray, groups: np.ndarray, resamples: int, seed: int) -> float:
    """Return how likely a mean as low as that of the differences is when better and worse are drawn by chance.

    The signs of whole groups are flipped at random. Of two models that are equally good, which one is called the
    challenger is chance, so this holds for any number of groups and any errors, where the interval is approximate.
    """
    _, group = np.unique(groups, return_inverse=True)
    sums = np.bincount(group, weights=difference)
    rng, observed, as_low = np.random.default_rng(seed), sums.sum(), 0
    for first in range(0, resamples, RESAMPLES_AT_ONCE):
        flips = rng.choice([-1.0, 1.0], size=(min(RESAMPLES_AT_ONCE, resamples - first), len(sums)))
        as_low += int((flips @ sums <= observed + 1e-12 * np.abs(sums).sum()).sum())
    return (as_low + 1) / (resamples + 1)


def _standard_error(drawn: np.ndarray, sums: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the standard error of the mean of resampled groups, shape (b,); `drawn` counts each, shape (b, k)."""
    total = drawn @ sizes
    mean = drawn @ sums / total
    squares = drawn @ sums**2 - 2 * mean * (drawn @ (sums * sizes)) + mean**2 * (drawn @ sizes**2)
    count = len(sums)
    return np.asarray(np.sqrt(np.maximum(squares, 0) * count / (count - 1)) / total)


def _compared(
    champion: np.ndarray, challenger: np.ndarray, policy: PromotionPolicy, holdout: Holdout, groups: np.ndarray
) -> Decision:
    metric, old, new = holdout.metric, float(champion.mean()), float(challenger.mean())
    found = paired_interval(challenger - champion, groups, policy.confidence, policy.resamples, holdout.seed)
    figures = {
        f"holdout_{metric}_champion": old,
        f"holdout_{metric}_challenger": new,
        f"holdout_{metric}_difference": found.mean,
        f"holdout_{metric}_difference_lower": found.lower,
        f"holdout_{metric}_difference_upper": found.upper,
        f"holdout_{holdout.unit}": float(len(champion)),
    }
    gained = challenger - (1 - policy.min_gain) * champion
    chance = sign_test(gained, groups, policy.resamples, holdout.seed)
    figures[f"holdout_{metric}_sign_p"] = chance
    wanted = -policy.min_gain * old
    compared = (
        f"holdout {metric} {new:.4f} against the champion's {old:.4f} on {len(champion)} {holdout.unit}; "
        f"{policy.confidence:.0%} interval of the difference {found.lower:+.4f} to {found.upper:+.4f}"
    )
    if not found.upper < wanted:
        limit = f", which is not all below {wanted:+.4f}" if policy.min_gain else ""
        return Decision("kept", f"not better, the champion stays: {compared}{limit}", figures, found)
    if not chance <= (1 - policy.confidence) / 2:
        return Decision("kept", f"may be chance (p {chance:.3f}), the champion stays: {compared}", figures, found)
    return Decision("promoted", f"better: {compared}", figures, found)


def _too_few(both: np.ndarray, groups: int, holdout: Holdout) -> str:
    return (
        f"the champion stays: {both.sum()} of {len(both)} {holdout.unit} of the holdout can judge both models, in "
        f"{groups} independent groups; {holdout.fewest} are needed, in {FEWEST_GROUPS} groups. Bring more data, or put "
        "the version into service by hand"
    )

"""Whether a new model version replaces the champion."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict on a challenger, with the figures it rests on."""

    promote: bool
    reason: str
    figures: dict[str, float] = field(default_factory=dict)


def decide(
    champion: np.ndarray | None,
    challenger: np.ndarray,
    metric: str,
    absent: str = "first model",
    unit: str = "series",
    fewest: int = 1,
) -> Decision:
    """Decide whether the challenger becomes the champion.

    Parameters
    ----------
    champion, challenger
        Error of each holdout series, or vacancy, shape (n,), in the same order, lower is better. NaN marks a
        unit that cannot be scored and is left out of both. `champion` is None when there is none.
    metric
        Name of the error, for the reason and the names of the figures.
    absent
        Why `champion` is None, for the reason.
    unit
        What the errors are of, for the reason: ``series`` or ``vacancies``.
    fewest
        Units that both must have scored; with fewer the champion stays.

    Returns
    -------
    Decision
        `promote` is true for a first model, and for a challenger whose mean error over the units
        that both scored is lower; a tie keeps the champion.

    Raises
    ------
    ValueError
        The shapes differ.
    """
    if champion is None:
        score = float(np.nanmean(challenger))
        return Decision(True, f"{absent}: holdout {metric} {score:.4f}", {f"holdout_{metric}_challenger": score})
    if champion.shape != challenger.shape:
        raise ValueError(f"champion scored {champion.shape} {unit}, challenger {challenger.shape}")
    both = np.isfinite(champion) & np.isfinite(challenger)
    if both.sum() < fewest:
        reason = f"the champion stays: {both.sum()} of {len(both)} {unit} of the holdout can judge both models, "
        return Decision(False, f"{reason}{fewest} are needed", {f"holdout_{unit}": float(both.sum())})
    old, new = float(champion[both].mean()), float(challenger[both].mean())
    figures = {
        f"holdout_{metric}_champion": old,
        f"holdout_{metric}_challenger": new,
        f"holdout_{metric}_difference": new - old,
        f"holdout_{unit}": float(both.sum()),
    }
    compared = f"holdout {metric} {new:.4f} against the champion's {old:.4f} on {both.sum()} {unit}"
    if new < old:
        return Decision(True, f"better: {compared}", figures)
    return Decision(False, f"not better, the champion stays: {compared}", figures)

"""Which candidates make up the model, and with which weights."""

from collections.abc import Callable, Mapping

import numpy as np

from xflow.domain import backtest
from xflow.domain.backtest import Folds
from xflow.domain.panel import Panel

ROUNDS = 10


def greedy(oof: Mapping[str, np.ndarray], score: Callable[[np.ndarray], float]) -> tuple[dict[str, float], float]:
    """Choose members by greedy forward selection with replacement on out-of-fold predictions.

    Starting from the best single candidate, the one whose addition to the average lowers the score
    most is added, up to ten times; it ends when none does (Caruana et al. 2004, Ensemble selection
    from libraries of models).

    Parameters
    ----------
    oof
        Out-of-fold predictions by candidate, all of one shape.
    score
        Score of predictions of that shape, lower is better.

    Returns
    -------
    weights, score
        Weights by candidate, which sum to 1, those of members only; and the score of their average.
    """
    counts: dict[str, int] = {}
    total = np.zeros(next(iter(oof.values())).shape)
    best = float("inf")
    for size in range(1, ROUNDS + 1):
        scores = {name: score((total + predicted) / size) for name, predicted in oof.items()}
        name = min(scores, key=lambda candidate: scores[candidate])
        if not scores[name] < best:
            break
        best, total = scores[name], total + oof[name]
        counts[name] = counts.get(name, 0) + 1
    members = sum(counts.values())
    return {name: count / members for name, count in counts.items()}, best


def select(
    oof: Mapping[str, np.ndarray], panel: Panel, folds: Folds, metric: str, seasonality: int
) -> tuple[dict[str, float], float]:
    """Choose members by `greedy` on out-of-fold forecasts, each of shape (folds, n_series, horizon)."""
    return greedy(oof, lambda forecasts: backtest.score(metric, panel, folds, forecasts, seasonality))


def blend(predicted: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """Return the weighted average of the members' predictions."""
    return np.asarray(sum(weight * predicted[name] for name, weight in weights.items()))

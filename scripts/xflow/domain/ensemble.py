"""Which candidates make up the model, and with which weights."""

from collections.abc import Mapping

import numpy as np

from xflow.domain import backtest
from xflow.domain.backtest import Folds
from xflow.domain.panel import Panel

ROUNDS = 10


def select(
    oof: Mapping[str, np.ndarray], panel: Panel, folds: Folds, metric: str, seasonality: int
) -> tuple[dict[str, float], float]:
    """Choose members by greedy forward selection with replacement on out-of-fold forecasts.

    Starting from the best single candidate, the one whose addition to the average lowers the error
    most is added, up to ten times; it ends when none does (Caruana et al. 2004, Ensemble selection
    from libraries of models).

    Parameters
    ----------
    oof
        Out-of-fold forecasts by candidate, each of shape (folds, n_series, horizon).

    Returns
    -------
    weights, score
        Weights by candidate, which sum to 1, those of members only; and the mean error of their average.
    """
    counts: dict[str, int] = {}
    total = np.zeros(next(iter(oof.values())).shape)
    best = float("inf")
    for size in range(1, ROUNDS + 1):
        scores = {
            name: backtest.score(metric, panel, folds, (total + forecasts) / size, seasonality)
            for name, forecasts in oof.items()
        }
        name = min(scores, key=lambda candidate: scores[candidate])
        if not scores[name] < best:
            break
        best, total = scores[name], total + oof[name]
        counts[name] = counts.get(name, 0) + 1
    members = sum(counts.values())
    return {name: count / members for name, count in counts.items()}, best


def blend(forecasts: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """Return the weighted average of the members' forecasts."""
    return np.asarray(sum(weight * forecasts[name] for name, weight in weights.items()))

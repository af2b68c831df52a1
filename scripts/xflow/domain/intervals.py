"""Prediction intervals by split conformal prediction on scaled out-of-fold residuals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from xflow.domain.metrics import seasonal_mae
from xflow.domain.panel import Panel

ENOUGH = 200  # residuals behind one quantile; a step with fewer borrows from its neighbours


@dataclass(frozen=True)
class Conformal:
    """Half widths of intervals, in units of a series' scale.

    Attributes
    ----------
    levels
        Nominal coverages.
    widths
        Shape (levels, horizon).
    """

    levels: tuple[float, ...]
    widths: np.ndarray

    @classmethod
    def fit(cls, residuals: np.ndarray, levels: Sequence[float]) -> Self:
        """Take the quantiles of absolute scaled residuals, step by step.

        Parameters
        ----------
        residuals
            (actual - forecast) / scale, out of fold, shape (r, horizon); NaN is left out.
        levels
            Nominal coverages, as 0.8 and 0.95.

        Notes
        -----
        The quantile is the ``ceil((r + 1) level)``-th smallest of r residuals (Lei et al. 2018,
        Distribution-free predictive inference for regression), the largest when r is too small. A step
        with few residuals takes those of the steps around it too.

        Raises
        ------
        ValueError
            There is no finite residual.
        """
        size = np.abs(residuals)
        if not np.isfinite(size).any():
            raise ValueError("intervals: no finite out-of-fold residual to learn from")
        horizon = size.shape[1]
        widths = np.empty((len(levels), horizon))
        for step in range(horizon):
            pooled = np.sort(_around(size, step))
            ranks = np.ceil((len(pooled) + 1) * np.array(levels)).astype(int)
            widths[:, step] = pooled[np.minimum(ranks, len(pooled)) - 1]
        return cls(tuple(levels), widths)

    def bounds(self, mean: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return lower and upper bound of each level in turn, each of the shape of `mean`, (n, h).

        Past the fitted horizon the last width grows with the square root of the step, as a random
        walk's does.
        """
        fitted = self.widths.shape[1]
        steps = np.arange(1, mean.shape[1] + 1)
        growth = np.sqrt(np.maximum(steps / fitted, 1))
        made = []
        for widths in self.widths:
            half = widths[np.minimum(steps, fitted) - 1] * growth * scale[:, None]
            made += [mean - half, mean + half]
        return tuple(made)


def series_scale(history: Panel, seasonality: int) -> np.ndarray:
    """Return the scale of each series' intervals, shape (n,): its seasonal naive error.

    A series of one season or less takes the naive error of one step; a constant one, or one of a
    single value, has scale 0.
    """
    seasonal, step = seasonal_mae(history, seasonality), seasonal_mae(history, 1)
    return np.asarray(np.nan_to_num(np.where(np.isnan(seasonal), step, seasonal)))


def _around(size: np.ndarray, step: int) -> np.ndarray:
    """Return the finite values of a column, and of as many around it as it takes to have enough."""
    for reach in range(size.shape[1]):
        near = size[:, max(step - reach, 0) : step + reach + 1]
        found = near[np.isfinite(near)]
        if len(found) >= ENOUGH:
            return np.asarray(found)
    return np.asarray(size[np.isfinite(size)])

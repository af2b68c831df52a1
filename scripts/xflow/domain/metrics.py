"""Forecast errors, per series and averaged, as the M competitions publish them."""

from typing import Literal, get_args

import numpy as np

from xflow.domain.panel import Panel

Metric = Literal["mase", "smape", "mae", "rmse"]


def seasonal_mae(history: Panel, seasonality: int) -> np.ndarray:
    """Return each series' in-sample seasonal naive error, the scale of MASE.

    ``mean |y[t] - y[t - m]|`` over the history, shape (n,). NaN for a series of m values or fewer.
    """
    place = np.arange(history.total) - history.offsets[:-1].repeat(history.lengths)
    change = np.zeros(history.total)
    change[seasonality:] = np.abs(history.values[seasonality:] - history.values[:-seasonality])
    change[place < seasonality] = 0  # the value a season before lies in another series
    # In one running sum a large series would swallow the small ones after it.
    sums = np.add.reduceat(change, history.offsets[:-1])
    counts = history.lengths - seasonality
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


def per_series(metric: str, actual: np.ndarray, forecast: np.ndarray, history: Panel, seasonality: int) -> np.ndarray:
    """Return one error a series, lower is better.

    Parameters
    ----------
    metric
        ``mase``: mean |y - f| over the in-sample seasonal naive error (Hyndman and Koehler 2006);
        ``smape``: mean of 200 |y - f| / (|y| + |f|), 0 where both are 0 (Makridakis and Hibon 2000,
        as in M3 and M4); ``mae`` and ``rmse`` in units of the values.
    actual, forecast
        Shape (n, horizon).
    history
        What was known before the forecast; n series.
    seasonality
        Season m of MASE's scale.

    Returns
    -------
    np.ndarray
        Shape (n,). NaN where `actual` is NaN, and for MASE where the scale is NaN or 0.

    Raises
    ------
    ValueError
        The metric is unknown.
    """
    error = np.abs(actual - forecast)
    if metric == "mae":
        return np.asarray(error.mean(axis=1))
    if metric == "rmse":
        return np.asarray(np.sqrt((error**2).mean(axis=1)))
    if metric == "smape":
        size = np.abs(actual) + np.abs(forecast)
        return np.asarray(
            (200 * np.divide(error, size, out=np.where(np.isnan(size), np.nan, 0.0), where=size > 0)).mean(axis=1)
        )
    if metric == "mase":
        scale = seasonal_mae(history, seasonality)
        return np.asarray(np.divide(error.mean(axis=1), scale, out=np.full(len(scale), np.nan), where=scale > 0))
    raise ValueError(f"metric {metric!r} is not one of {', '.join(get_args(Metric))}")


def mean_error(errors: np.ndarray) -> float:
    """Return the mean over all series that could be scored; NaN when there is none."""
    scored = errors[np.isfinite(errors)]
    return float(scored.mean()) if len(scored) else float("nan")


def owa(smape: float, mase: float, naive2_smape: float, naive2_mase: float) -> float:
    """Return the overall weighted average of M4: the mean of sMAPE and MASE relative to Naive2's.

    Makridakis, Spiliotis and Assimakopoulos 2020, The M4 Competition.
    """
    return (smape / naive2_smape + mase / naive2_mase) / 2


def coverage(actual: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> float:
    """Return the share of known actual values that lie within the bounds, 0 to 1; NaN when none is known."""
    known = np.isfinite(actual)
    inside = (actual >= lower) & (actual <= upper)
    return float(inside[known].mean()) if known.any() else float("nan")

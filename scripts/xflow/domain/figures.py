"""Pictures of a forecasting model for people: forecasts, errors by horizon, residuals, candidates."""

from typing import TYPE_CHECKING

import numpy as np

from xflow.domain.metrics import seasonal_mae
from xflow.domain.panel import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from xflow.domain.forecaster import Forecast

LONGEST_NAME = 40  # of a series, in a title
BLUE, ORANGE, GREY, PALE = "#1f6fb4", "#d9730d", "#6b7280", "#b9cfe4"
METRICS = {"mase": "MASE", "smape": "sMAPE", "mae": "MAE", "rmse": "RMSE", "log_loss": "log loss"}
SCALED = "error of seasonal naive in the history"
"""What errors are divided by, as in MASE, so that series of every size can be drawn together."""


def readable(metric: str) -> str:
    """Return how people write a metric's name."""
    return METRICS.get(metric, metric.replace("_", " "))


def forecast_against_actual(
    history: Panel,
    actual: np.ndarray,
    forecast: "Forecast",
    levels: tuple[float, ...],
    errors: np.ndarray,
    metric: str,
) -> "Figure":
    """Draw six series, from the best to the worst forecast, with their intervals.

    Parameters
    ----------
    history
        What the model saw; the last four horizons of it are drawn.
    actual
        Holdout values, shape (n, horizon).
    forecast
        The model's forecast of them.
    levels
        Nominal coverages of the intervals, in the order of ``forecast.bounds``.
    errors
        Error of each series, shape (n,); it orders the series.
    metric
        Name of that error.
    """
    from matplotlib.dates import ConciseDateFormatter

    order = np.argsort(np.where(np.isfinite(errors), errors, np.inf), kind="stable")
    scored = order[: max(int(np.isfinite(errors).sum()), 1)]
    chosen = scored[np.unique(np.linspace(0, len(scored) - 1, 6).astype(int))]
    horizon = actual.shape[1]
    ranks = {int(i): place + 1 for place, i in enumerate(scored)}
    figure, axes = _grid(len(chosen))
    for ax, i in zip(axes, chosen, strict=True):
        past = history.series(int(i))[-4 * horizon :]
        times = history.timestamps(int(i))[-len(past) :]
        future = history.future_timestamps(horizon)[i]
        for k, level in reversed(list(enumerate(levels))):
            low, high = forecast.bounds[2 * k][i], forecast.bounds[2 * k + 1][i]
            ax.fill_between(future, low, high, color=BLUE, alpha=0.28 - 0.1 * k, lw=0, label=f"{level:.0%} interval")
        ax.plot(times, past, color=GREY, lw=1, label="history")
        ax.plot(future, actual[i], color="black", lw=1.2, label="actual")
        ax.plot(future, forecast.mean[i], color=BLUE, lw=1.4, label="forecast")
        name = " ".join(str(history.ids[i])[:LONGEST_NAME].split())
        # A series may be called anything: a $ in its name starts no formula.
        place = f"{readable(metric)} {errors[i]:.2f}, {ranks[int(i)]} of {len(scored)}"
        ax.set_title(f"{name}   {place}", fontsize=9, loc="left", parse_math=False)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(ax.xaxis.get_major_locator()))
        ax.xaxis.get_offset_text().set_fontsize(7)
        ax.tick_params(labelsize=7)
        inner = [bound[i] for bound in forecast.bounds[:2]]
        ax.set_ylim(*_limits(np.concatenate([past, actual[i], forecast.mean[i], *inner])))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=9, frameon=False)
    figure.supylabel("value, as in the input", fontsize=9)
    figure.suptitle(
        f"Forecast against actual on the holdout: {len(chosen)} series, from the best to the worst of {len(scored)}",
        fontsize=11,
    )
    return figure


def error_by_horizon(
    actual: np.ndarray, forecast: np.ndarray, floor: np.ndarray, scale: np.ndarray, floor_name: str
) -> "Figure":
    """Draw the scaled absolute error of model and floor, averaged over the series, by step.

    All arrays have shape (n, horizon), `scale` has shape (n,): each series' in-sample seasonal
    naive error, as in MASE.
    """
    figure, (ax,) = _grid(1, size=(8, 4))
    steps = np.arange(1, actual.shape[1] + 1)
    for values, name, colour in ((floor, f"floor: {floor_name}", GREY), (forecast, "model", BLUE)):
        ax.plot(
            steps, np.nanmean(np.abs(actual - values) / scale[:, None], axis=0), label=name, color=colour, marker="."
        )
    ax.set(
        xlabel="step of the horizon",
        ylabel=f"mean absolute error\n({SCALED} = 1)",
        title="Error by step of the horizon, on the holdout (lower is better)",
    )
    ax.locator_params(axis="x", integer=True)
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False)
    return figure


def residuals(actual: np.ndarray, forecast: np.ndarray, scale: np.ndarray) -> "Figure":
    """Draw the distribution of scaled residuals, and their median and 80 % band by step."""
    scaled = (actual - forecast) / scale[:, None]
    figure, (left, right) = _grid(2, size=(10, 4))
    shown = scaled[np.isfinite(scaled)]
    limit = max(float(np.quantile(np.abs(shown), 0.99)), 1e-9)
    left.hist(np.clip(shown, -limit, limit), bins=60, color=BLUE)
    left.axvline(0, color="black", lw=0.8)
    left.set(
        xlabel=f"actual - forecast\n({SCALED} = 1; outer bars: all beyond)",
        ylabel="number of holdout values",
    )
    left.set_title("Residuals: right of 0 the forecast was too low", fontsize=10)
    steps = np.arange(1, actual.shape[1] + 1)
    low, middle, high = np.nanquantile(scaled, [0.1, 0.5, 0.9], axis=0)
    right.fill_between(steps, low, high, color=BLUE, alpha=0.25, lw=0, label="10% to 90% of the values")
    right.plot(steps, middle, color=BLUE, label="median")
    right.axhline(0, color="black", lw=0.8)
    right.set(
        xlabel="step of the horizon",
        ylabel="actual - forecast",
    )
    right.set_title("By step: above 0 the forecast was too low", fontsize=10)
    right.locator_params(axis="x", integer=True)
    right.legend(frameon=False)
    return figure


SELECTED = "selected model"
ROLES = {SELECTED: ORANGE, "member of it": BLUE, "floor, to be beaten": GREY, "not chosen": PALE}


def candidate_scores(scores: dict[str, float], chosen: set[str], floor: str, ensemble: float, metric: str) -> "Figure":
    """Draw the backtest score of every candidate and of the selected ensemble, lower is better."""
    from matplotlib.patches import Patch

    rows = sorted({**scores, SELECTED: ensemble}.items(), key=lambda item: -item[1])
    roles = [_role(name, chosen, floor) for name, _ in rows]
    figure, (ax,) = _grid(1, size=(8, 0.5 * len(rows) + 1.8))
    bars = ax.barh([name for name, _ in rows], [score for _, score in rows], color=[ROLES[role] for role in roles])
    ax.bar_label(bars, fmt="%.3f", padding=3, fontsize=8)
    ax.margins(x=0.12)
    ax.set(xlabel=f"{readable(metric)} over the folds (lower is better)", title="Candidates in the backtest")
    shown = [Patch(color=colour, label=role) for role, colour in ROLES.items() if role in roles]
    figure.legend(handles=shown, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def _role(name: str, chosen: set[str], floor: str) -> str:
    if name == SELECTED:
        return SELECTED
    return "floor, to be beaten" if name == floor else "member of it" if name in chosen else "not chosen"


def plot_scale(history: Panel, seasonality: int) -> np.ndarray:
    """Return the scale of MASE with NaN for constant series, whose scaled errors cannot be drawn, shape (n,)."""
    scale = seasonal_mae(history, seasonality)
    return np.asarray(np.where(scale > 0, scale, np.nan))


def _grid(count: int, size: tuple[float, float] | None = None) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    columns = 1 if count == 1 else 2
    rows = -(-count // columns)
    figure = Figure(figsize=size or (11, 2.6 * rows + 0.6), layout="constrained", dpi=120)
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for spare in axes[count:]:
        spare.remove()
    for ax in axes[:count]:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes[:count]


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.15 * (high - low) or 1.0
    return low - margin, high + margin

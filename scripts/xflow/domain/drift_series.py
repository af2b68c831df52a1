"""What the drift gate looks at in series, and in their forecasts: figures without a unit, season or date.

All figures are of whole seasons, so that the season of the last value says nothing. They are logarithms of ratios
to base 10 where a factor is meant: 0.3 is a factor of two.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xflow.columns import SERIES_ID
from xflow.domain.drift import FEWEST, Check, Column, Finding, Level
from xflow.domain.drift_sample import draw
from xflow.domain.drift_tests import fisher
from xflow.domain.forecaster import Forecaster
from xflow.domain.panel import Panel

LEAST = 1e-3
"""Share of the larger one that is added to both sides of a ratio: it lies between a thousandth and a thousand."""

VALUES = (Check.VALUES,)
BOTH = (Check.VALUES, Check.DISTRIBUTION)
COLUMNS = (
    Column("level", tolerance=0.2, checks=BOTH, about="log10 of the mean of the last seasons, with its sign"),
    Column(
        "moved", tolerance=0.1, sides="high", checks=VALUES, about="log10 of the size over that in training, either way"
    ),
    Column("change", tolerance=0.07, checks=BOTH, about="log10 of the size of the last seasons over that before them"),
    Column("variability", tolerance=0.2, checks=BOTH, about="log10 of the change from season to season over the size"),
    Column("zeros", tolerance=0.1, sides="high", checks=BOTH, about="share of zeros in the last seasons"),
    Column("unchanged", tolerance=0.1, sides="high", checks=BOTH, about="share of values that equal the one before"),
    Column(
        "behind",
        tolerance=1.0,
        sides="high",
        checks=VALUES,
        about="last seasons that most series gained, and it did not",
    ),
    Column("length", tolerance=0.1, sides="low", checks=VALUES, about="log10 of the number of values"),
    Column(
        "forecast", tolerance=0.07, checks=BOTH, about="log10 of the size of the forecast over that of the last seasons"
    ),
    Column("width", tolerance=0.15, checks=BOTH, about="log10 of the width of the widest interval over the size"),
)


def window(seasonality: int, horizon: int) -> int:
    """Return the steps of the last seasons: whole ones that cover the horizon, and eight steps at least."""
    return seasonality * -(-max(horizon, 8) // seasonality)


def profile(panel: Panel, model: Forecaster) -> pd.DataFrame:
    """Return the figures of each series, with the forecast of a model from its end; columns as in `COLUMNS`.

    Returns
    -------
    pandas.DataFrame
        One row a series, NaN where a series is too short for a figure. `size` is the mean absolute value of the last
        seasons, and `end` the last period in units of them; `moved` is the size of `change`: how far a level moves
        while nothing happens; `behind` is 0.
    """
    steps = window(model.seasonality, model.horizon)
    rows = [_figures(panel.series(i), steps, model.seasonality) for i in range(panel.n_series)]
    frame = pd.DataFrame(rows, columns=["size", "level", "change", "variability", "zeros", "unchanged"])
    frame.insert(0, SERIES_ID, panel.ids)
    frame["end"], frame["behind"] = panel.ends / panel.step / steps, 0.0
    frame["length"] = np.log10(panel.lengths)
    frame["forecast"], frame["width"] = _forecast_figures(panel, model, steps)
    frame["moved"] = frame["change"].abs()
    return frame


def _forecast_figures(panel: Panel, model: Forecaster, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the size of each series' forecast and of its widest interval over that of its last seasons, shape (n,).

    A series whose exogenous columns are known less than a horizon ahead is forecast from as many steps before its end:
    the figures describe what the model makes of series, not their newest future. NaN where nothing is left then.
    """
    back = np.zeros(panel.n_series, dtype=np.int64)
    if panel.exog_names:
        ahead = np.diff(panel.exog_offsets) - panel.lengths
        back = np.maximum(model.horizon - ahead, 0)
    usable = np.flatnonzero(back < panel.lengths)
    found = np.full((2, panel.n_series), np.nan)
    if len(usable):
        known = panel.select(usable).head(back[usable])
        made = model.forecast(known, model.horizon)
        size = np.array([np.abs(known.series(i)[-steps:]).mean() for i in range(known.n_series)])
        widest = int(np.argmax(model.levels))
        width = (made.bounds[2 * widest + 1] - made.bounds[2 * widest]).mean(axis=1)
        found[:, usable] = ratio(np.abs(made.mean).mean(axis=1), size), ratio(width, size)
        # What the last season says in a model's place says nothing of the model.
        found[:, usable[sorted(made.fell_back)]] = np.nan
    return found[0], found[1]


def known_again(reference: pd.DataFrame, current: pd.DataFrame) -> pd.DataFrame:
    """Return the current sample as each series compares with itself in training; NaN for new ones.

    `moved` is the way of its size since then, `behind` by how much less its end went on than that of most: a tenth may
    have gone further.
    """
    # A reference that earlier code kept may lack a figure: nothing is compared by it then.
    trained = reference.set_index(SERIES_ID).reindex(index=current[SERIES_ID], columns=["end", "size"])
    gained = current["end"].to_numpy(np.float64) - trained["end"].to_numpy(np.float64)
    usual = np.nanquantile(gained, 0.9) if np.isfinite(gained).any() else np.nan
    moved = np.abs(ratio(current["size"].to_numpy(np.float64), trained["size"].to_numpy(np.float64)))
    return current.assign(moved=moved, behind=usual - gained)


def membership(trained: Sequence[str], present: Sequence[str], within: int) -> list[Finding]:
    """Return which series are new and which have vanished, among those whose place in the draw lies `within`.

    Both are counted, not sampled. That series vanished is never worse than a warning: what is predicted of the
    others is not touched by it.
    """
    comparable = np.asarray(present, dtype=object)[draw(present) <= np.uint64(within)].tolist()
    new, gone = sorted(set(comparable) - set(trained)), sorted(set(trained) - set(comparable))
    return [
        _counted(Check.NEW, new, len(comparable), "were not in training", Level.STOP),
        _counted(Check.VANISHED, gone, len(trained), "of the training are gone", Level.WARN),
    ]


def filled(values: int, observed: int, before: float) -> Finding:
    """Return by how much more of the values were filled in than in training, where a share of `before` was."""
    share = max(1 - observed / values, 0.0) if values else 0.0
    p = fisher(round(share * values), values, round(before * values), values)
    return Finding(
        "value", Check.MISSING, max(share - before, 0.0), p, f"{share:.1%} filled in, {before:.1%} in training"
    )


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return the logarithm of a ratio of sizes, at most 3 and at least -3; 0 where both are 0, NaN stays."""
    least = LEAST * np.maximum(above, below)
    both = np.where(least == 0, 1.0, 0.0)
    return np.asarray(np.log10((above + least + both) / (below + least + both)))


def _counted(check: Check, names: list[str], of: int, what: str, most: Level) -> Finding:
    share = len(names) / of if of else 0.0
    detail = f"{len(names)} of {of} series {what}" + (f", as {', '.join(names[:5])}" if names else "")
    return Finding("series", check, share, 0.0 if names and of >= FEWEST else 1.0, detail, most)


def _figures(values: np.ndarray, steps: int, seasonality: int) -> tuple[float, ...]:
    """Return size, level, change, variability, and the shares of zeros and of unchanged values."""
    last, before = values[-steps:], values[-2 * steps : -steps]
    size, level = float(np.abs(last).mean()), float(last.mean())
    sign = float(np.sign(level) * np.log10(1 + abs(level)))
    change = float(ratio(np.abs(last).mean(), np.abs(before).mean())) if len(before) == steps else np.nan
    swings = np.abs(values[seasonality:] - values[:-seasonality])[-steps:]
    variability = float(ratio(swings.mean(), np.asarray(size))) if len(swings) else np.nan
    steady = np.diff(last) == 0
    return size, sign, change, variability, float((last == 0).mean()), float(steady.mean()) if len(steady) else np.nan

"""Speed of the global XGBoost candidate beside mlforecast: fit and forecast, ratio in one run.

Both train XGBoost with the same trees, depth, objective and number of rows, on as many lag features,
over the same hourly series, and forecast 48 hours of each. The candidate forecasts all steps at once,
mlforecast one step after the other. Runs alternate and the faster of each is taken.
"""

import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd

from xflow.candidate_params import XGBParams
from xflow.domain.candidate import Setting
from xflow.domain.global_xgb import GlobalXGB
from xflow.domain.panel import Panel

LIMIT = 1.5
SERIES, LENGTH, HORIZON, SEASON = 414, 850, 48, 24
TREES, DEPTH, RATE = 400, 8, 0.05
RUNS = 2


def hourly_panel() -> Panel:
    """Return hourly series with a daily and a weekly season and noise, as many values as M4 Hourly has."""
    rng = np.random.default_rng(0)
    t = np.arange(LENGTH)
    day, week = (np.sin(2 * np.pi * (t + rng.integers(0, s, (SERIES, 1))) / s) for s in (SEASON, 7 * SEASON))
    size = 10 ** rng.uniform(1, 4, (SERIES, 1))
    values = size * (10 + 2 * day + week + np.cumsum(rng.normal(0, 0.05, (SERIES, LENGTH)), axis=1))
    end = pd.Period("2024-06-30 23:00", "h").ordinal
    return Panel.from_series("h", [f"s{i:03d}" for i in range(SERIES)], [end] * SERIES, list(values))


def ours(panel: Panel, rows: int, lags: int) -> float:
    """Return the seconds of the candidate's fit and forecast."""
    origins = LENGTH - 1 - SEASON
    rows = round(rows * origins / (origins - (HORIZON - 1) / 2))  # some drawn rows end past the series, and are dropped
    params = XGBParams(
        lags=lags, cycles=4, calendar=False, trees=TREES, depth=DEPTH, learning_rate=RATE, rows=rows, subsample=1.0
    )
    started = time.perf_counter()
    made = GlobalXGB(params, Setting(SEASON, HORIZON)).fit(panel).forecast(panel, HORIZON)
    seconds = time.perf_counter() - started
    assert made.shape == (SERIES, HORIZON)
    return seconds


def theirs(frame: pd.DataFrame, lags: list[int]) -> float:
    """Return the seconds of mlforecast's fit and predict."""
    import xgboost
    from mlforecast import MLForecast
    from mlforecast.target_transforms import Differences, LocalStandardScaler

    model = xgboost.XGBRegressor(
        n_estimators=TREES,
        max_depth=DEPTH,
        learning_rate=RATE,
        tree_method="hist",
        objective="reg:absoluteerror",
        colsample_bytree=0.5,
        min_child_weight=10,
    )
    transforms = [Differences([SEASON]), LocalStandardScaler()]
    forecaster = MLForecast(models={"xgb": model}, freq=1, lags=lags, target_transforms=transforms)
    started = time.perf_counter()
    made = forecaster.fit(frame, static_features=[]).predict(HORIZON)
    seconds = time.perf_counter() - started
    assert len(made) == SERIES * HORIZON
    return seconds


def alternate(tools: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Return the fastest of `RUNS` runs of each tool, taken in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in tools}
    for _ in range(RUNS):
        for name, run in tools.items():
            seconds[name].append(run())
    return {name: min(found) for name, found in seconds.items()}


def main() -> int:
    """Print the ratio; return 1 when it is above the limit."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    panel, own_lags = hourly_panel(), 24
    frame = panel.to_frame().rename(columns={"series_id": "unique_id", "timestamp": "ds", "value": "y"})
    frame["ds"] = np.tile(np.arange(LENGTH), SERIES)
    count = len(
        GlobalXGB(XGBParams(lags=own_lags, cycles=4, calendar=False), Setting(SEASON, HORIZON)).feature_names(panel)
    )
    lags = [*range(1, count - 3), 96, 120, 144, 168]
    rows = SERIES * (LENGTH - SEASON - max(lags))
    found = alternate({"xflow": lambda: ours(panel, rows, own_lags), "mlforecast": lambda: theirs(frame, lags)})
    ratio = found["xflow"] / found["mlforecast"]
    size = f"{SERIES} series, {rows} rows, {count} features, {TREES} trees of depth {DEPTH}"
    print(f"global XGBoost, fit + forecast: {size}")
    print(f"  xflow {found['xflow']:.2f} s, mlforecast {found['mlforecast']:.2f} s")
    print(f"  ratio {ratio:.2f} (limit {LIMIT}): {'kept' if ratio <= LIMIT else 'MISSED'}")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())

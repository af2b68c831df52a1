"""What a forecast is made of: members, level, season and trend, and the features of a global model."""

import re
from dataclasses import dataclass

import numpy as np

from xflow.domain.forecaster import Forecaster
from xflow.domain.global_xgb import GlobalXGB
from xflow.domain.intervals import series_scale
from xflow.domain.panel import Panel
from xflow.domain.series_guard import Guarded, guarded

SUM_TOLERANCE = 1e-4
"""Largest gap, as a share of the forecast's size, that float32 explains."""

MEANINGS = (
    (r"step", "steps ahead"),
    (r"length", "values known of the series"),
    (r"lag_0", "the last value"),
    (r"lag_(\d+)", "the value {0} steps before the last"),
    (r"change_(\d+)", "change over a season, {0} steps before the last value"),
    (r"mean_(\d+)", "mean of the last {0} values"),
    (r"growth_(\d+)", "mean of the last {0} values less that of the {0} before"),
    (r"spread_(\d+)", "spread of the last {0} values"),
    (r"naive_error_(\d+)", "how far values lie from those {0} steps before"),
    (r"shape_(\d+)_(\d+)", "seasonal shape at the target, {1} seasons of {0} back"),
    (r"forecast_(\d+)", "forecast from level and shape of seasons of {0}"),
    (r"(\w+)_target", "{0} at the target"),
    (r"(\w+)_origin", "{0} at the last value"),
)


@dataclass(frozen=True, slots=True)
class FeatureShare:
    """What a feature of a global model adds, in the series' units; `value` is relative to the series' level."""

    name: str
    meaning: str
    value: float
    contribution: float


@dataclass(frozen=True, slots=True)
class MemberForecast:
    """One member's forecast of the step.

    Attributes
    ----------
    base, features
        Of a global model: ``base`` and the contributions of the features, the strongest first, sum to `forecast`;
        None and empty of other members.
    gap
        Their difference from it.
    """

    name: str
    weight: float
    forecast: float
    base: float | None
    features: tuple[FeatureShare, ...]
    gap: float


@dataclass(frozen=True, slots=True)
class SeriesExplained:
    """What one forecast is made of.

    Attributes
    ----------
    forecast, bounds
        As predicted; lower and upper bound of each level in turn.
    floor
        What the seasonal naive forecast says: the value of the last season at the target's place.
    components
        Their values sum to `forecast`: `level`, the mean of the last season; `season`, the floor less it; `trend`, the
        change of the mean since the season before, for every season ahead; `models`, what the members add to that;
        and `cut`, what the guard changed: a forecast below 0 raised to it, or the whole replaced after a gap.
    members
        Weighted, they sum to the forecast less `cut`.
    scale
        The seasonal naive error of the series, which the intervals' widths are measured in.
    """

    forecast: float
    bounds: tuple[float, ...]
    floor: float
    components: dict[str, float]
    members: tuple[MemberForecast, ...]
    scale: float

    @property
    def sums_hold(self) -> bool:
        """Whether members and features add up to what they explain."""
        size = max(abs(self.forecast), abs(self.floor), self.scale, 1e-12)
        parts = sum(member.weight * member.forecast for member in self.members) + self.components["cut"]
        gaps = [member.gap for member in self.members] + [abs(parts - self.forecast)]
        return max(gaps) <= SUM_TOLERANCE * size


def explain(model: Forecaster, panel: Panel, step: int, horizon: int) -> SeriesExplained:
    """Explain the forecast of a panel's only series.

    Parameters
    ----------
    step
        Steps after the series' last value, from 1.
    horizon
        Steps that were forecast, counted alike: at least `step`.
    """
    made = model.forecast(panel, horizon)
    forecast = float(made.mean[0, step - 1])
    held, members = 0.0, []
    for name, (weight, candidate) in model.members.items():
        member, kept = _member(name, weight, guarded(candidate, name, model.seasonality), panel, step, horizon)
        members.append(member)
        held += weight * kept
    raw = sum(member.weight * member.forecast for member in members)
    level, floor, trend = _naive(panel.series(0), model.seasonality, step)
    components = {
        "level": level,
        "season": floor - level,
        "trend": trend,
        "models": raw - floor - trend,
        "cut": (forecast if made.replaced else held) - raw,
    }
    bounds = tuple(float(bound[0, step - 1]) for bound in made.bounds)
    scale = float(series_scale(panel, model.seasonality)[0])
    ordered = tuple(sorted(members, key=lambda member: -member.weight))
    return SeriesExplained(forecast, bounds, floor, components, ordered, scale)


def _member(
    name: str, weight: float, candidate: Guarded, panel: Panel, step: int, horizon: int
) -> tuple[MemberForecast, float]:
    """Return what a member forecast by itself, and what the guard made of it; of one that failed the latter alone."""
    attempt = candidate.attempt(panel, horizon)
    kept = float(attempt.values[0, step - 1])
    if attempt.failures:
        return MemberForecast(name, weight, kept, None, (), 0.0), kept
    forecast = float(candidate.model.attempt(panel, horizon).values[0, step - 1])
    if not isinstance(candidate.model, GlobalXGB):
        return MemberForecast(name, weight, forecast, None, (), 0.0), kept
    return _global_member(name, weight, candidate.model, forecast, panel, step), kept


def _global_member(
    name: str, weight: float, model: GlobalXGB, forecast: float, panel: Panel, step: int
) -> MemberForecast:
    account, values = model.contributions(panel, step)
    features = [
        FeatureShare(each, meaning(each), float(value), float(added))
        for each, value, added in zip(model.feature_names(panel), values, account.values[:, 0], strict=True)
    ]
    features.sort(key=lambda feature: -abs(feature.contribution))
    total = float(account.base[0]) + sum(feature.contribution for feature in features)
    return MemberForecast(name, weight, forecast, float(account.base[0]), tuple(features), abs(total - forecast))


def _naive(values: np.ndarray, season: int, step: int) -> tuple[float, float, float]:
    """Return level, seasonal naive forecast and trend of a series; a short one has no season."""
    cycle = season if len(values) >= season else 1
    last = values[-cycle:]
    ahead = -(-step // cycle)
    before = values[-2 * cycle : -cycle]
    trend = float(last.mean() - before.mean()) * ahead if cycle > 1 and len(before) == cycle else 0.0
    return float(last.mean()), float(last[(step - 1) % cycle]), trend


def meaning(name: str) -> str:
    """Return in words what a feature of a global model is."""
    for pattern, words in MEANINGS:
        found = re.fullmatch(pattern, name)
        if found:
            return words.format(*found.groups())
    return f"{name} of the target" if name in {"month", "quarter", "day", "dayofweek", "hour", "minute"} else name

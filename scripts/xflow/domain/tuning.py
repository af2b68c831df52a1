"""Search for a candidate's parameters by rolling-origin backtest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xflow.candidate_check import checked_search
from xflow.domain import backtest
from xflow.domain.backtest import Folds
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.metrics import mean_error
from xflow.domain.panel import Panel
from xflow.domain.search import Progress, find_best

METRICS = ("mase", "smape", "mae", "rmse")


@dataclass(frozen=True, slots=True)
class TuneResult:
    """The best parameters found.

    Attributes
    ----------
    params
        The candidate's fixed and found parameters.
    score
        Mean error over all folds and series.
    fold_scores
        Every metric's mean over the series of each fold, the oldest first.
    oof
        Out-of-fold forecasts, shape (folds, n_series, horizon); NaN outside a fold.
    tried
        Distinct parameter sets that were backtested.
    fell_back
        How many of the forecasts, of a fold and a series, are simple ones since the candidate failed.
    """

    params: dict[str, Any]
    score: float
    fold_scores: tuple[dict[str, float], ...]
    oof: np.ndarray
    tried: int
    fell_back: int = 0


def tune(
    kind: str,
    params: Mapping[str, Any],
    search: Mapping[str, Any],
    *,
    panel: Panel,
    folds: Folds,
    metric: str,
    setting: Setting,
    trials: int,
    progress: Progress | None = None,
) -> TuneResult:
    """Backtest up to `trials` parameter sets (one when nothing is searched) and keep the best.

    The first set is that of `params` alone, then Optuna's TPE sampler proposes others with the
    setting's seed. Whatever is fitted is fitted on the values before each fold's origin.

    Parameters
    ----------
    search
        What to search, see `xflow.domain.search.find_best`.

    Raises
    ------
    ConfigInvalid
        The kind or one of its parameters is unknown, or a value is wrong.
    ModelFailed
        A parameter set leaves the candidate without one forecast of its own.
    """
    fell_back: dict[str, int] = {}

    def evaluate(merged: dict[str, Any]) -> tuple[float, np.ndarray]:
        made = backtest.run(lambda: build_candidate(kind, merged, setting), panel, folds)
        fell_back[repr(merged)] = made.fell_back
        return backtest.score(metric, panel, folds, made.oof, setting.seasonality), made.oof

    space = checked_search(kind, params, search)
    found = find_best(evaluate, params, space, trials, setting.seed, progress)
    by_metric = {name: backtest.errors(name, panel, folds, found.oof, setting.seasonality) for name in METRICS}
    fold_scores = tuple({name: mean_error(e[k]) for name, e in by_metric.items()} for k in range(len(folds.folds)))
    return TuneResult(found.params, found.score, fold_scores, found.oof, found.tried, fell_back[repr(found.params)])

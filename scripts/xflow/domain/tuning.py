"""Search for a candidate's parameters by rolling-origin backtest."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xflow.domain import backtest
from xflow.domain.backtest import Folds
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.metrics import mean_error
from xflow.domain.panel import Panel

if TYPE_CHECKING:
    import optuna

Progress = Callable[[int, int], None]
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
    """

    params: dict[str, Any]
    score: float
    fold_scores: tuple[dict[str, float], ...]
    oof: np.ndarray
    tried: int


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
        ``name: [low, high]`` of two numbers is a range (of integers when both are, logarithmic when
        the bounds are positive floats a factor of 10 or more apart); any other list holds choices.

    Raises
    ------
    ConfigInvalid
        The kind or one of its parameters is unknown.
    """
    tried: dict[str, tuple[float, dict[str, Any], np.ndarray]] = {}
    planned = trials if search else 1

    def evaluate(chosen: dict[str, Any]) -> float:
        merged = {**params, **chosen}
        key = json.dumps(merged, sort_keys=True, default=str)
        if key not in tried:
            oof = backtest.run(lambda: build_candidate(kind, merged, setting), panel, folds)
            tried[key] = backtest.score(metric, panel, folds, oof, setting.seasonality), merged, oof
            best = min(tried, key=lambda k: tried[k][0])
            for other in tried.keys() - {best}:  # one array of forecasts is kept, not one a trial
                tried[other] = *tried[other][:2], np.empty(0)
        return tried[key][0]

    evaluate({})
    if progress:
        progress(1, planned)
    if planned > 1:
        _search(evaluate, search, planned - 1, setting.seed, progress)
    score, best, oof = min(tried.values(), key=lambda t: t[0])
    by_metric = {name: backtest.errors(name, panel, folds, oof, setting.seasonality) for name in METRICS}
    fold_scores = tuple({name: mean_error(e[k]) for name, e in by_metric.items()} for k in range(len(folds.folds)))
    return TuneResult(best, score, fold_scores, oof, len(tried))


def _search(
    evaluate: Callable[[dict[str, Any]], float],
    search: Mapping[str, Any],
    trials: int,
    seed: int,
    progress: Progress | None,
) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(trials // 3, 3)))
    for done in range(trials):
        trial = study.ask()
        study.tell(trial, evaluate({name: _suggest(trial, name, space) for name, space in search.items()}))
        if progress:
            progress(done + 2, trials + 1)


def _suggest(trial: "optuna.Trial", name: str, space: list[Any]) -> Any:
    numbers = len(space) == 2 and all(isinstance(v, int | float) and not isinstance(v, bool) for v in space)
    if not numbers:
        return trial.suggest_categorical(name, space)
    low, high = space
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high)
    return trial.suggest_float(name, low, high, log=0 < low <= high / 10)

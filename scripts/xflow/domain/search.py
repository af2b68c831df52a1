"""Search for the parameters with the lowest score, whatever is scored."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xflow.candidate_check import is_range

if TYPE_CHECKING:
    import optuna

Progress = Callable[[int, int], None]
Evaluate = Callable[[dict[str, Any]], tuple[float, np.ndarray]]


@dataclass(frozen=True, slots=True)
class Found:
    """The best of the parameter sets that were tried.

    Attributes
    ----------
    params
        The fixed parameters and its values of the searched ones.
    score
        Its score, lower is better.
    oof
        What it predicted out of fold.
    tried
        Distinct parameter sets that were evaluated.
    """

    params: dict[str, Any]
    score: float
    oof: np.ndarray
    tried: int


def find_best(
    evaluate: Evaluate,
    params: Mapping[str, Any],
    space: Mapping[str, Any],
    trials: int,
    seed: int,
    progress: Progress | None = None,
) -> Found:
    """Evaluate up to `trials` parameter sets (one when nothing is searched) and return the best.

    The first set is that of the fixed `params` alone, then Optuna's TPE sampler proposes others. Equal sets are
    evaluated once, and of all predictions only the best set's are kept.

    Parameters
    ----------
    evaluate
        Returns score and out-of-fold predictions of a parameter set.
    params
        Fixed parameters; a searched one of the same name takes their place.
    space
        As `xflow.candidate_check.checked_search` returns it: ``name: [low, high]`` of two numbers is a range (of
        integers for a parameter that is one, logarithmic when the bounds of another are positive and a factor of 10 or
        more apart); any other list holds choices.
    progress
        Told after each trial how many are done of how many.
    """
    best: Found | None = None
    scores: dict[str, float] = {}
    planned = trials if space else 1

    def run(chosen: dict[str, Any]) -> float:
        nonlocal best
        merged = {**params, **chosen}
        key = json.dumps(merged, sort_keys=True, default=str)
        if key not in scores:
            scores[key], oof = evaluate(merged)
            if best is None or scores[key] < best.score:
                best = Found(merged, scores[key], oof, 0)
        return scores[key]

    run({})
    if progress:
        progress(1, planned)
    if planned > 1:
        _propose(run, space, planned - 1, seed, progress)
    assert best is not None  # noqa: S101  (one set was evaluated)
    return Found(best.params, best.score, best.oof, len(scores))


def _propose(
    run: Callable[[dict[str, Any]], float],
    space: Mapping[str, Any],
    trials: int,
    seed: int,
    progress: Progress | None,
) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(trials // 3, 3)))
    for done in range(trials):
        trial = study.ask()
        study.tell(trial, run({name: _suggest(trial, name, choices) for name, choices in space.items()}))
        if progress:
            progress(done + 2, trials + 1)


def _suggest(trial: "optuna.Trial", name: str, space: list[Any]) -> Any:
    if not is_range(space):
        return space[trial.suggest_categorical(name, range(len(space)))]  # a choice may be a list, an index is none
    low, high = space
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high)
    return trial.suggest_float(name, low, high, log=0 < low <= high / 10)

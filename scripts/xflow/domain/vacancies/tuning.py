"""Search for a candidate's parameters by cross-validation over groups."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from xflow.candidate_check import checked_search
from xflow.domain.search import Progress, find_best
from xflow.domain.tuning import TuneResult
from xflow.domain.vacancies.calibration import Folds, cross_calibrated
from xflow.domain.vacancies.candidates import Setting, build, check_finite, encoding_params
from xflow.domain.vacancies.cohorts import Labels
from xflow.domain.vacancies.metrics import log_loss, scores

Floats = npt.NDArray[np.float64]


def tune(
    kind: str,
    params: Mapping[str, Any],
    search: Mapping[str, Any],
    *,
    frame: pd.DataFrame,
    labels: Labels,
    folds: Folds,
    setting: Setting,
    trials: int,
    progress: Progress | None = None,
) -> TuneResult:
    """Cross-validate up to `trials` parameter sets and keep the one of the lowest log loss once calibrated.

    Parameters
    ----------
    search
        What to search, see `xflow.domain.search.find_best`.
    frame
        Features frame of the rows to learn from, shape (n, ...).
    labels
        Of those rows.
    folds
        Train and test rows by group, see `xflow.domain.vacancies.splits.folds`.

    Returns
    -------
    TuneResult
        `oof` has shape (n, k) and is not calibrated; `score` and `fold_scores` (those of `metrics.scores`) are of
        the cross-calibrated probabilities.

    Raises
    ------
    ConfigInvalid
        The kind or one of its parameters is unknown, or a value is wrong.
    """
    encoded = _Encoded(frame, labels, folds)

    def evaluate(merged: dict[str, Any]) -> tuple[float, Floats]:
        oof = encoded.out_of_fold(kind, merged, setting)
        return log_loss(cross_calibrated(oof, labels, folds), labels), oof

    space = checked_search(kind, params, search)
    found = find_best(evaluate, params, space, trials, setting.seed, progress)
    made = cross_calibrated(found.oof, labels, folds)
    fold_scores = tuple(scores(made[test], labels.take(test)) for _, test in folds)
    return TuneResult(found.params, found.score, fold_scores, found.oof, found.tried)


class _Encoded:
    """Encodes the rows of every fold, and keeps what the last encoder's parameters gave.

    Parameter sets mostly differ in the model alone, and encoding takes longer than many a model.
    """

    def __init__(self, frame: pd.DataFrame, labels: Labels, folds: Folds) -> None:
        self._frame, self._labels, self._folds = frame, labels, folds
        self._key, self._kept = "", list[tuple[Any, Any]]()

    def out_of_fold(self, kind: str, params: Mapping[str, Any], setting: Setting) -> Floats:
        """Return probabilities of all rows, each by a candidate that did not see its fold, shape (n, k)."""
        key = json.dumps([kind, encoding_params(params)], sort_keys=True)
        if key != self._key:
            self._key, self._kept = "", []
        oof = np.full(self._labels.feasible.shape, np.nan)
        for number, (train, test) in enumerate(self._folds):
            candidate = build(kind, params, setting)
            learn = train[self._labels.usable[train]]
            if len(self._kept) <= number:
                encode = candidate.pipeline["encode"]
                seen = encode.fit_transform(self._frame.iloc[learn])
                self._kept.append((seen, encode.transform(self._frame.iloc[test])))
            seen, unseen = self._kept[number]
            model = candidate.fit_encoded(seen, self._labels.take(learn)).pipeline["model"]
            oof[test] = check_finite(model.predict_proba(unseen), kind)
        self._key = key
        return oof

"""How good cohort probabilities are."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from xflow.domain.vacancies.cohorts import Labels

SMALLEST = 1e-6
"""Probabilities below count as this: one row's loss is at most 13.8."""

BINS = 10
SLICES = ("professional_role_id", "experience_id", "employer_size")
EMPLOYER_SIZES = {1: "1", 2: "2-5", 6: "6-20", 21: "21 and more"}
"""Least number of an employer's vacancies in the frame, and what the class is called."""

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def row_losses(probabilities: Floats, feasible: npt.NDArray[np.bool_]) -> Floats:
    """Return each row's loss, shape (n,): minus the log of the probability of its feasible cohorts together.

    A row without a feasible cohort is NaN. Where cohorts are censored, look at the judged rows alone (see
    `Labels`): an open vacancy's loss is least for whoever says that it ends at once.

    Parameters
    ----------
    probabilities, feasible
        Shape (n, k); each row of `probabilities` sums to 1.
    """
    mass = np.where(feasible, probabilities, 0).sum(axis=1)
    return np.where(feasible.any(axis=1), -np.log(np.clip(mass, SMALLEST, 1)), np.nan)


def log_loss(probabilities: Floats, labels: Labels) -> float:
    """Return the mean of `row_losses` over the judged rows, NaN when there is none."""
    judged = labels.judged
    if not judged.any():
        return float("nan")
    return float(row_losses(probabilities[judged], labels.feasible[judged]).mean())


def roc_auc(probabilities: Floats, codes: Codes) -> float:
    """Return the ROC AUC one versus one, macro averaged (Hand and Till 2001), over the rows with a code of 0 or more.

    Pairs of cohorts of which one has no row are left out; NaN when no pair is left.
    """
    known = codes >= 0
    probabilities, codes = probabilities[known], codes[known]
    present = np.unique(codes)
    found = []
    for i, a in enumerate(present):
        for b in present[i + 1 :]:
            pair = (codes == a) | (codes == b)
            found += [_auc(probabilities[pair, c], codes[pair] == c) for c in (a, b)]
    return float(np.mean(found)) if found else float("nan")


def macro_f1(probabilities: Floats, codes: Codes) -> float:
    """Return the mean F1 of the likeliest cohort over the cohorts that occur or are predicted, NaN without rows."""
    table = confusion(probabilities, codes)
    hits, either = np.diag(table), table.sum(axis=0) + table.sum(axis=1)
    occurs = either > 0
    return float(np.mean(2 * hits[occurs] / either[occurs])) if occurs.any() else float("nan")


def accuracy(probabilities: Floats, codes: Codes) -> float:
    """Return the share of known rows whose likeliest cohort is the right one, NaN without rows."""
    table = confusion(probabilities, codes)
    return float(np.trace(table) / table.sum()) if table.sum() else float("nan")


def confusion(probabilities: Floats, codes: Codes) -> Codes:
    """Return counts of known rows by cohort (row) and likeliest cohort (column), shape (k, k)."""
    known = codes >= 0
    k = probabilities.shape[1]
    table = np.zeros((k, k), dtype=np.int64)
    np.add.at(table, (codes[known], probabilities[known].argmax(axis=1)), 1)
    return table


def reliability(probabilities: Floats, codes: Codes) -> pd.DataFrame:
    """Return how often the likeliest cohort is right, in ten bins of its probability that hold equally many known rows.

    Columns `confidence` (mean probability), `accuracy` and `rows`.
    """
    known = codes >= 0
    best, confidence = probabilities[known].argmax(axis=1), probabilities[known].max(axis=1)
    order = np.argsort(confidence, kind="stable")
    right = best == codes[known]
    rows = [
        (confidence[part].mean(), right[part].mean(), len(part)) for part in np.array_split(order, BINS) if len(part)
    ]
    return pd.DataFrame(rows, columns=["confidence", "accuracy", "rows"])


def calibration_error(probabilities: Floats, codes: Codes) -> float:
    """Return the expected calibration error of the likeliest cohort over `reliability`, NaN without rows."""
    bins = reliability(probabilities, codes)
    if bins.empty:
        return float("nan")
    return float(np.average((bins["confidence"] - bins["accuracy"]).abs(), weights=bins["rows"]))


def scores(probabilities: Floats, labels: Labels) -> dict[str, float]:
    """Return ``log_loss``, ``roc_auc``, ``macro_f1``, ``accuracy`` and ``calibration_error``.

    They look at the judged rows alone.
    """
    codes = np.where(labels.judged, labels.codes, -1)
    return {
        "log_loss": log_loss(probabilities, labels),
        "roc_auc": roc_auc(probabilities, codes),
        "macro_f1": macro_f1(probabilities, codes),
        "accuracy": accuracy(probabilities, codes),
        "calibration_error": calibration_error(probabilities, codes),
    }


def by_slice(frame: pd.DataFrame, probabilities: Floats, labels: Labels, fewest: int = 20) -> pd.DataFrame:
    """Return scores of parts of the rows: by professional role, experience and size of the employer.

    Parameters
    ----------
    frame
        `employer_id` and those of `SLICES` that it has, in the order of the labels; ``""`` is ``unknown``.
        An employer's size is the number of its rows here.
    fewest
        Smaller parts are left out, and a slice of which all rows are one part.

    Returns
    -------
    pandas.DataFrame
        Columns `slice`, `value`, `rows` and those of `scores`, the largest part of each slice first.
    """
    found = []
    for name, values in _sliced(frame):
        sizes = values.value_counts()
        for value, rows in sizes.items() if len(sizes) > 1 else ():
            chosen = (values == value).to_numpy() & labels.judged
            if chosen.sum() >= fewest:
                part = scores(probabilities[chosen], labels.take(chosen))
                found.append({"slice": name, "value": value, "rows": int(rows), **part})
    return pd.DataFrame(found)


def employer_sizes(employers: pd.Series) -> pd.Series:
    """Return the class of each row's employer by the number of its rows: ``1``, ``2-5``, ... or ``anonymous``."""
    count = employers.map(employers.value_counts()).to_numpy()
    least = np.array([*EMPLOYER_SIZES])
    names = np.array([*EMPLOYER_SIZES.values()], dtype=object)[np.searchsorted(least, count, side="right") - 1]
    return pd.Series(np.where(employers == "", "anonymous", names), index=employers.index)


def _sliced(frame: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    for name in SLICES:
        if name == "employer_size":
            yield name, employer_sizes(frame["employer_id"])
        elif name in frame:
            yield name, frame[name].replace("", "unknown")


def _auc(score: Floats, positive: npt.NDArray[np.bool_]) -> float:
    ranks = rankdata(score)
    count = int(positive.sum())
    above = ranks[positive].sum() - count * (count + 1) / 2
    return float(above / (count * (len(score) - count)))

"""Why a vacancy was put into a cohort: what each word and category added, member by member and in all."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from xflow.domain.contributions import NOTHING, Contributions, Floats
from xflow.domain.vacancies.explain_components import is_reduced, word_values
from xflow.domain.vacancies.explain_words import Feature, shares
from xflow.domain.vacancies.model import CohortModel, Member

SUM_TOLERANCE = 1e-3
"""Largest gap between a margin and the sum of its contributions that float32 explains."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What one feature did.

    Attributes
    ----------
    contribution
        To the margin, in the member's unit: for log odds of the cohort against the mean of all cohorts.
    points
        Change of the cohort's probability that is owed to it: the probability less what it were without the
        contribution.
    """

    feature: Feature
    contribution: float
    points: float


@dataclass(frozen=True, slots=True)
class MemberReasons:
    """One member's account.

    Attributes
    ----------
    weight, unit
        Its share of the model, and what its contributions are measured in.
    probability, base_probability
        Of the cohort by this member, calibrated: for this vacancy, and for one of which nothing is known.
    margin, base
        What the contributions add up to, and start from; log odds centred as in `Reason`.
    gap
        Largest difference between a margin and the sum of its contributions.
    reasons
        The strongest first.
    """

    name: str
    weight: float
    unit: str
    probability: float
    base_probability: float
    margin: float
    base: float
    gap: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class CohortExplained:
    """Why a model gives a cohort its probability.

    Attributes
    ----------
    probabilities
        By cohort.
    reasons
        Of all members, each by its weight; contributions of different units are not added, so they are left
        to the members and `points` counts.
    """

    cohort: str
    probabilities: dict[str, float]
    members: tuple[MemberReasons, ...]
    reasons: tuple[tuple[Feature, float], ...]

    @property
    def sums_hold(self) -> bool:
        """Whether every member's contributions add up to its margins."""
        return all(member.gap <= SUM_TOLERANCE for member in self.members)


def explain(model: CohortModel, frame: pd.DataFrame, cohort: str) -> CohortExplained:
    """Explain one row of a features frame.

    Parameters
    ----------
    frame
        One row.
    cohort
        The one to explain, of ``model.cohorts``.
    """
    at = model.cohorts.index(cohort)
    made = model.probabilities(frame)[0]
    members = tuple(_member(name, member, frame, at) for name, member in model.members.items())
    total: dict[Feature, float] = {}
    for each in members:
        for reason in each.reasons:
            total[reason.feature] = total.get(reason.feature, 0.0) + each.weight * reason.points
    return CohortExplained(
        cohort,
        dict(zip(model.cohorts, made.tolist(), strict=True)),
        tuple(sorted(members, key=lambda member: -member.weight)),
        tuple(sorted(total.items(), key=lambda item: (-abs(item[1]), item[0]))),
    )


def _member(name: str, member: Member, frame: pd.DataFrame, cohort: int) -> MemberReasons:
    encoded, estimator = member.pipeline["encode"].transform(frame), member.pipeline["model"]
    account: Contributions = estimator.contributions(encoded)

    def probability(margins: Floats) -> Floats:
        return member.calibration.apply(estimator.from_margins(margins))[:, cohort]

    features, vectors = _summed(account, member, encoded, frame)
    own = float(probability(account.margins[None])[0])
    points = own - probability(account.margins - vectors) if len(vectors) else np.zeros(0)
    sizes = _of_cohort(account, vectors, cohort)
    reasons = [Reason(*each) for each in zip(features, sizes.tolist(), points.tolist(), strict=True)]
    return MemberReasons(
        name=name,
        weight=member.weight,
        unit=account.unit,
        probability=own,
        base_probability=float(probability(account.base[None])[0]),
        margin=float(_of_cohort(account, account.margins[None], cohort)[0]),
        base=float(_of_cohort(account, account.base[None], cohort)[0]),
        gap=account.gap,
        reasons=tuple(sorted(reasons, key=lambda r: (-abs(r.points), -abs(r.contribution), r.feature))),
    )


def _summed(account: Contributions, member: Member, encoded: Any, frame: pd.DataFrame) -> tuple[list[Feature], Floats]:
    """Return a reader's features and the sums of the contributions that stand for each, shape (h, m)."""
    if account.unit == NOTHING:
        return [], np.zeros((0, account.values.shape[1]))
    encode, estimator = member.pipeline["encode"], member.pipeline["model"]
    sums: dict[Feature, Floats] = {}
    components = np.zeros(account.values.shape[1])
    reduced = False
    for name, block, columns in encode.transformers_:
        if name == "remainder":  # columns that the model does not see
            continue
        place = encode.output_indices_[name]
        values = account.values[place]
        if is_reduced(block):
            reduced, components = True, components + values.sum(axis=0)
            continue
        row = encoded[:, place]
        present = (row.toarray() if sparse.issparse(row) else np.asarray(row))[0] != 0
        for at, meaning in enumerate(shares(name, block, columns, frame, present)):
            if values[at].any():
                for feature, share in meaning.items():
                    sums[feature] = sums.get(feature, 0.0) + share * values[at]
    if reduced:
        for feature, value in word_values(encode, encoded, frame, estimator.margins, components).items():
            sums[feature] = sums.get(feature, 0.0) + value
    return [*sums], np.array([*sums.values()]).reshape(len(sums), account.values.shape[1])


def _of_cohort(account: Contributions, vectors: Floats, cohort: int) -> Floats:
    """Return margins or contributions, shape (h, m), as one figure each, shape (h,).

    Margins of cohorts mean something only beside one another, so a cohort's are taken against the mean of all.
    """
    if not account.cohorts:
        return np.asarray(vectors[:, 0])
    if cohort not in account.cohorts:
        return np.zeros(len(vectors))
    return np.asarray(vectors[:, account.cohorts.index(cohort)] - vectors.mean(axis=1))

import pickle

import numpy as np
import pandas as pd
import pytest
from cohort_frames import made_frame, salary

from xflow.domain.vacancies import metrics
from xflow.domain.vacancies.candidates import Setting, build
from xflow.domain.vacancies.cohorts import Labels, demand_labels
from xflow.errors import ConfigInvalid, ForecastNotFinite
from xflow.vacancy_pipeline import DemandTarget

SETTING = Setting(("responsibility",), ("experience_id",), (10.0, 20.0), device="cpu")
SMALL = {"trees": 20, "min_child_weight": 1.0, "colsample": 1.0, "learning_rate": 0.3}
LEARNERS = [
    ("logistic", {"C": 1.0}),
    ("logistic", {"words": 1, "chars": 0, "counts": 1.0}),
    ("xgb", SMALL),
    ("xgb", SMALL | {"components": 5}),
]


@pytest.fixture(scope="module")
def frame():
    return made_frame()


@pytest.mark.parametrize(("kind", "params"), LEARNERS)
def test_words_tell_the_salary(frame, kind, params):
    labels, other = salary(frame), made_frame(seed=1)
    made = build(kind, params, SETTING).fit(frame, labels).probabilities(other)
    np.testing.assert_allclose(made.sum(axis=1), 1)
    floor = build("majority", {}, SETTING).fit(frame, labels).probabilities(other)
    assert metrics.log_loss(made, salary(other)) < metrics.log_loss(floor, salary(other)) - 0.2
    assert metrics.roc_auc(made, salary(other).codes) > 0.75


@pytest.mark.parametrize(("kind", "params"), LEARNERS)
def test_a_fitted_candidate_repeats_itself(frame, kind, params):
    labels = salary(frame)
    one, two = (build(kind, params, SETTING).fit(frame, labels) for _ in range(2))
    np.testing.assert_array_equal(one.probabilities(frame), two.probabilities(frame))
    loaded = pickle.loads(pickle.dumps(one.pipeline))
    np.testing.assert_array_equal(loaded.predict_proba(frame), one.probabilities(frame))


def test_the_floor_says_the_shares(frame):
    labels = salary(frame)
    made = build("majority", {}, SETTING).fit(frame, labels).probabilities(frame)
    np.testing.assert_allclose(made[0], np.bincount(labels.codes) / len(frame))


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_weights_of_the_cohorts_leave_the_shares_as_they_are(frame, balance):
    labels = salary(frame)
    made = build("logistic", {"C": 100.0, "balance": balance}, SETTING).fit(frame, labels).probabilities(frame)
    np.testing.assert_allclose(made.mean(axis=0), np.bincount(labels.codes) / len(frame), atol=0.03)


@pytest.mark.parametrize(("kind", "params"), [("majority", {}), *LEARNERS])
def test_a_cohort_never_seen_is_unlikely_and_not_impossible(frame, kind, params):
    labels = salary(frame)
    part = labels.codes != 4
    made = build(kind, params, SETTING).fit(frame[part], labels.take(part)).probabilities(frame)
    assert made.shape == (len(frame), 5)
    assert (made[:, 4] > 0).all()
    assert (made[:, 4] < 0.05).all()


@pytest.mark.parametrize(("kind", "params"), LEARNERS)
def test_texts_of_nothing_and_unseen_values_are_predicted(frame, kind, params):
    fitted = build(kind, params, SETTING).fit(frame, salary(frame))
    odd = pd.DataFrame(
        {
            "responsibility": ["", "🚀", "Latin only"],
            "responsibility_lemmas": ["", "", "latin only"],
            "experience_id": ["", "new value", "noExperience"],
        }
    )
    made = fitted.probabilities(odd)
    assert np.isfinite(made).all()


def test_texts_without_any_word_can_be_learned_from(frame):
    empty = frame.assign(responsibility="", responsibility_lemmas="")
    made = build("logistic", {}, SETTING).fit(empty, salary(frame)).probabilities(empty)
    assert np.isfinite(made).all()


def test_open_vacancies_teach_that_lives_are_long():
    frame = made_frame(600)
    labels = demand_labels(frame, DemandTarget(), "lifetime")
    assert 0.2 < (~labels.known).mean() < 0.8
    truth = made_frame(600, seed=1).assign(followed=90.0)
    for kind, params in (("aft", SMALL), ("logistic", {"C": 1.0}), ("majority", {})):
        whole = build(kind, params, SETTING).fit(frame, labels).probabilities(truth)
        ended = labels.take(frame["closed"].to_numpy() == 1)
        naive = build(kind, params, SETTING).fit(frame[frame["closed"] == 1], ended).probabilities(truth)
        assert whole[:, 2].mean() > naive[:, 2].mean() + 0.02, kind


def test_a_survival_model_tells_long_lives_from_short_ones():
    frame, other = made_frame(600), made_frame(300, seed=1)
    labels = demand_labels(frame, DemandTarget(), "lifetime")
    judged = demand_labels(other, DemandTarget(), "lifetime")
    for distribution in ("normal", "logistic", "extreme"):
        fitted = build("aft", SMALL | {"distribution": distribution}, SETTING).fit(frame, labels)
        made = fitted.probabilities(other)
        np.testing.assert_allclose(made.sum(axis=1), 1)
        floor = build("majority", {}, SETTING).fit(frame, labels).probabilities(other)
        assert metrics.log_loss(made, judged) < metrics.log_loss(floor, judged) - 0.1
        # lives were drawn with a spread of 0.3
        assert 0.1 < fitted.pipeline["model"].scale_ < 1.0


@pytest.mark.parametrize(
    ("kind", "params", "says"),
    [
        ("lightgbm", {}, "not one of majority, logistic, xgb, aft"),
        ("logistic", {"trees": 5}, "trees is no parameter of it. These are: C, balance, words"),
        ("majority", {"words": 1}, "These are: none"),
        ("xgb", {"seed": 1}, "seed is no parameter"),
    ],
)
def test_unknown_kinds_and_parameters_are_refused(kind, params, says):
    with pytest.raises(ConfigInvalid, match=says):
        build(kind, params, SETTING)


@pytest.mark.parametrize(
    ("params", "labels", "says"),
    [
        ({"distribution": "cauchy"}, None, "distribution is 'cauchy', wanted is 'normal', 'logistic' or 'extreme'"),
        ({}, "salary", r"targets: \[demand\]"),
    ],
)
def test_a_survival_model_wants_days_and_a_known_distribution(frame, params, labels, says):
    given = salary(frame) if labels else demand_labels(frame, DemandTarget(), "lifetime")
    with pytest.raises(ConfigInvalid, match=says):
        build("aft", params, SETTING).fit(frame, given)


def test_predictions_that_are_not_finite_are_refused(frame):
    class Broken:
        def predict_proba(self, rows):
            return np.full((len(rows), 2), np.nan)

    candidate = build("majority", {}, SETTING)
    candidate.pipeline = Broken()
    with pytest.raises(ForecastNotFinite, match="majority: no finite probabilities for 200 of 200"):
        candidate.probabilities(frame)


def test_rows_left_out_are_not_learned_from(frame):
    labels = salary(frame)
    half = np.arange(len(frame)) < 100
    hidden = Labels(labels.cohorts, labels.feasible & half[:, None])
    one = build("logistic", {}, SETTING).fit(frame, hidden).probabilities(frame)
    two = build("logistic", {}, SETTING).fit(frame[:100], labels.take(half)).probabilities(frame)
    np.testing.assert_array_equal(one, two)

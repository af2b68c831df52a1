import pickle

import numpy as np
import pytest
from cohort_frames import made_frame, salary
from sklearn.base import clone

from xflow.domain.vacancies import figures, metrics, model, splits, tuning
from xflow.domain.vacancies.calibration import Calibration, cross_calibrated, equal_shares
from xflow.domain.vacancies.candidates import Setting, build
from xflow.domain.vacancies.cohorts import demand_labels
from xflow.errors import ConfigInvalid
from xflow.vacancy_pipeline import DemandTarget

SETTING = Setting(("responsibility",), ("experience_id",), (10.0, 20.0), device="cpu")
TREES = {"trees": 20, "min_child_weight": 1.0, "colsample": 1.0, "learning_rate": 0.3}


class Rows:
    """Rows to learn from, with their folds."""

    def __init__(self, target="salary"):
        self.frame = made_frame(240)
        self.labels = (
            salary(self.frame) if target == "salary" else demand_labels(self.frame, DemandTarget(), "lifetime")
        )
        self.groups = splits.groups(self.frame["employer_id"].tolist(), [""] * len(self.frame))
        self.folds = splits.folds(self.groups, self.labels.codes, 3, 0)

    def tune(self, kind, params=None, search=None, **other):
        return tuning.tune(
            kind,
            params or {},
            search or {},
            frame=self.frame,
            labels=self.labels,
            folds=self.folds,
            setting=SETTING,
            **{"trials": 3, **other},
        )

    def fit(self, members):
        tuned = {name: self.tune(kind, params) for name, (kind, params) in members.items()}
        oof = {name: found.oof for name, found in tuned.items()}
        weights, score = model.combine(oof, self.labels, self.folds)
        candidates = {name: (weight, build(*members[name], SETTING)) for name, weight in weights.items()}
        fitted = model.fit_model(
            candidates,
            oof,
            frame=self.frame,
            labels=self.labels,
            target="salary",
            boundaries=(1.0,),
            measure="",
            texts=("responsibility",),
            categories=("experience_id",),
        )
        return fitted, score, tuned


@pytest.fixture(scope="module")
def rows():
    return Rows()


def test_out_of_fold_rows_are_not_seen(rows):
    found = rows.tune("logistic", {"C": 1.0})
    train, test = rows.folds[1]
    candidate = build("logistic", {"C": 1.0}, SETTING).fit(rows.frame.iloc[train], rows.labels.take(train))
    np.testing.assert_allclose(found.oof[test], candidate.probabilities(rows.frame.iloc[test]))
    made = cross_calibrated(found.oof, rows.labels, rows.folds)
    assert found.score == metrics.log_loss(made, rows.labels)
    assert found.fold_scores[1] == metrics.scores(made[test], rows.labels.take(test))


def test_the_search_keeps_the_best_and_repeats_itself(rows):
    search = {"C": [0.001, 10.0], "words": [0, 1]}
    one, two = (rows.tune("logistic", {"chars": 0}, search, trials=5) for _ in range(2))
    assert one.params == two.params
    np.testing.assert_array_equal(one.oof, two.oof)
    assert one.tried == 5
    assert one.score < rows.tune("logistic", {"chars": 0, "C": 0.001}).score


def test_encoders_are_shared_only_by_sets_that_encode_alike(rows):
    # The first set sees no words at all; what its encoder gave must not serve the second one.
    found = rows.tune("logistic", {"chars": 0, "C": 1.0, "words": 0}, {"words": [2, 3]}, trials=2)
    alone = rows.tune("logistic", {"chars": 0, "C": 1.0, "words": found.params["words"]})
    assert found.tried == 2
    assert found.params["words"] in {2, 3}
    np.testing.assert_array_equal(found.oof, alone.oof)


def test_an_unknown_parameter_is_refused(rows):
    with pytest.raises(ConfigInvalid, match="depths"):
        rows.tune("xgb", TREES, {"depths": [2, 4]})


def test_calibration_mends_probabilities_that_are_too_sure(rows):
    oof = rows.tune("logistic", {"C": 1.0}).oof
    sure = oof**4 / (oof**4).sum(axis=1, keepdims=True)
    tilted = sure * np.array([4, 1, 1, 1, 1])
    tilted /= tilted.sum(axis=1, keepdims=True)
    mended = Calibration.fit(tilted, rows.labels).apply(tilted)
    assert metrics.log_loss(mended, rows.labels) < metrics.log_loss(tilted, rows.labels) - 0.1
    assert metrics.log_loss(mended, rows.labels) == pytest.approx(metrics.log_loss(oof, rows.labels), abs=0.1)
    np.testing.assert_allclose(mended.sum(axis=1), 1)


def test_rows_are_calibrated_by_the_other_folds(rows):
    oof = rows.tune("logistic", {"C": 0.1}).oof
    _, test = rows.folds[0]
    changed = np.array(rows.labels.feasible)
    changed[test] = np.roll(changed[test], 1, axis=1)
    given = type(rows.labels)(rows.labels.cohorts, changed)
    before, after = (cross_calibrated(oof, labels, rows.folds) for labels in (rows.labels, given))
    np.testing.assert_array_equal(before[test], after[test])
    assert not np.allclose(np.delete(before, test, axis=0), np.delete(after, test, axis=0))


def test_calibration_never_hurts_the_rows_it_is_fitted_on(rows):
    rng = np.random.default_rng(0)
    for sharpness in (0.1, 1, 10):
        made = rng.dirichlet(np.full(5, sharpness), len(rows.labels))
        found = Calibration.fit(made, rows.labels)
        assert metrics.log_loss(found.apply(made), rows.labels) <= metrics.log_loss(made, rows.labels)


def test_calibration_of_no_judged_row_changes_nothing(rows):
    labels = rows.labels.take(np.zeros(len(rows.labels), dtype=bool))
    found = Calibration.fit(np.zeros((0, 5)), labels)
    made = np.array([[0.1, 0.2, 0.3, 0.2, 0.2]])
    np.testing.assert_allclose(found.apply(made), made)


def test_equal_shares_undo_the_frequencies():
    made = np.array([[0.6, 0.3, 0.1]])
    np.testing.assert_allclose(equal_shares(made, np.array([0.6, 0.3, 0.1])), [[1 / 3] * 3])


def test_the_model_is_no_worse_than_its_best_member_and_beats_the_floor(rows):
    members = {"majority": ("majority", {}), "lines": ("logistic", {"C": 1.0}), "trees": ("xgb", TREES)}
    fitted, score, tuned = rows.fit(members)
    assert score <= min(found.score for found in tuned.values()) < tuned["majority"].score
    assert sum(member.weight for member in fitted.members.values()) == pytest.approx(1)
    other = made_frame(seed=3)
    made = fitted.probabilities(other)
    np.testing.assert_allclose(made.sum(axis=1), 1)
    assert metrics.log_loss(made, salary(other)) < tuned["majority"].score - 0.3
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).probabilities(other), made)
    assert fitted.probabilities(other[:0]).shape == (0, 5)


def test_a_row_is_predicted_alike_alone_and_among_others(rows):
    fitted, _, _ = rows.fit({"lines": ("logistic", {"C": 1.0}), "trees": ("xgb", TREES)})
    np.testing.assert_allclose(fitted.probabilities(rows.frame)[7:8], fitted.probabilities(rows.frame[7:8]), atol=1e-9)


def test_lifetimes_are_learned_with_a_survival_model():
    rows = Rows("demand")
    fitted, score, tuned = rows.fit({"majority": ("majority", {}), "aft": ("aft", TREES)})
    assert fitted.cohorts == ("below 10 days", "10-20 days", "20 days and more")
    assert score < tuned["majority"].score


def test_words_that_speak_for_a_cohort_can_be_named(rows):
    fitted, _, _ = rows.fit({"lines": ("logistic", {"C": 1.0, "chars": 0})})
    top = fitted.top_features(8)
    assert set(top) == set(rows.labels.cohorts)
    assert "responsibility_words__управление" in [name for name, _ in top["200k and more"]]
    without, _, _ = rows.fit({"majority": ("majority", {})})
    assert without.top_features() == {}


def test_the_pictures_are_drawn(rows):
    fitted, _, _ = rows.fit({"lines": ("logistic", {"C": 1.0})})
    other = made_frame(seed=3)
    drawn = figures.figures(fitted, other, fitted.probabilities(other), salary(other))
    assert set(drawn) == {"cohort_shares", "confusion", "reliability", "top_features", "slices"}
    (axes, _) = drawn["confusion"].axes
    assert sum(int(text.get_text().split("\n")[0]) for text in axes.texts) == len(other)
    for figure in drawn.values():
        figure.canvas.draw()


def test_pictures_of_nothing_judged_are_few(rows):
    fitted, _, _ = rows.fit({"majority": ("majority", {})})
    labels = rows.labels.take(np.arange(3))
    hidden = type(labels)(labels.cohorts, labels.feasible & False)
    frame = rows.frame[:3]
    assert set(figures.figures(fitted, frame, fitted.probabilities(frame), hidden)) == {"cohort_shares"}


def test_the_pipeline_is_sklearns_own(rows):
    candidate = build("xgb", TREES, SETTING)
    assert clone(candidate.pipeline).get_params()["model__trees"] == 20

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from xflow.domain.vacancies import metrics
from xflow.domain.vacancies.cohorts import Labels


def labelled(codes, k=3, **others):
    return Labels(tuple("abcd"[:k]), np.asarray(codes)[:, None] == np.arange(k), **others)


def drawn(n=300, k=3, seed=0):
    rng = np.random.default_rng(seed)
    probabilities = np.round(rng.dirichlet(np.ones(k), n), 2) + 0.01
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities, np.array([rng.choice(k, p=row) for row in probabilities])


def test_known_rows_score_as_sklearn_says():
    made, codes = drawn()
    found = metrics.scores(made, labelled(codes))
    assert found["log_loss"] == pytest.approx(sklearn_log_loss(codes, made))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(codes, made, multi_class="ovo"))
    assert found["macro_f1"] == pytest.approx(f1_score(codes, made.argmax(axis=1), average="macro"))
    assert found["accuracy"] == pytest.approx((codes == made.argmax(axis=1)).mean())
    assert metrics.confusion(made, codes).sum() == 300


def test_a_row_costs_what_its_feasible_cohorts_are_not_given():
    feasible = np.array([[True, False, False], [False, True, True], [True, True, True], [False, False, False]])
    made = np.tile([0.5, 0.3, 0.2], (4, 1))
    np.testing.assert_allclose(metrics.row_losses(made, feasible), [np.log(2), np.log(2), 0, np.nan], atol=1e-12)


def test_a_certain_mistake_has_a_finite_cost():
    assert metrics.row_losses(np.array([[1.0, 0.0]]), np.array([[False, True]]))[0] == pytest.approx(13.8155, abs=1e-3)


def test_only_judged_rows_count():
    made, codes = drawn(n=40)
    judged = np.arange(40) < 20
    assert metrics.scores(made, labelled(codes, followed=judged)) == metrics.scores(made[:20], labelled(codes[:20]))


@pytest.mark.parametrize(("codes", "auc"), [([0, 0, 0], np.nan), ([-1, -1, -1], np.nan), ([0, 2, -1], 1.0)])
def test_absent_cohorts_leave_the_others_pairs(codes, auc):
    made = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4]])
    np.testing.assert_equal(metrics.roc_auc(made, np.array(codes)), auc)


def test_without_rows_there_are_no_scores():
    found = metrics.scores(np.zeros((0, 3)), labelled([]))
    assert all(np.isnan(value) for value in found.values())


def test_said_probabilities_are_compared_with_what_happens():
    rng = np.random.default_rng(1)
    p = rng.uniform(0.5, 1, 20_000)
    made, codes = np.column_stack([p, 1 - p]), (rng.random(20_000) > p).astype(int)
    assert metrics.calibration_error(made, codes) < 0.02
    sure = np.column_stack([p**0.2, 1 - p**0.2])
    assert metrics.calibration_error(sure, codes) > 0.15
    assert metrics.reliability(made, codes)["rows"].tolist() == [2000] * 10


def test_slices_by_experience_and_size_of_the_employer():
    made, codes = drawn(n=100)
    frame = pd.DataFrame({"employer_id": ["big"] * 30 + [""] * 30 + [f"e{i}" for i in range(40)]})
    frame["experience_id"] = [""] * 50 + ["noExperience"] * 35 + ["rare"] * 15
    frame["professional_role_id"] = ""
    table = metrics.by_slice(frame, made, labelled(codes)).set_index(["slice", "value"])
    assert table["rows"].to_dict() == {
        ("experience_id", "unknown"): 50,
        ("experience_id", "noExperience"): 35,
        ("employer_size", "1"): 40,
        ("employer_size", "21 and more"): 30,
        ("employer_size", "anonymous"): 30,
    }
    part = metrics.scores(made[50:85], labelled(codes[50:85]))
    assert table.loc[("experience_id", "noExperience"), "log_loss"] == part["log_loss"]

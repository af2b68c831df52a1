import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.vacancies.censoring import redistributed
from xflow.domain.vacancies.cohorts import Labels, demand_labels
from xflow.vacancy_pipeline import DemandTarget


def lives(days, closed):
    frame = pd.DataFrame({"days": np.array(days, dtype=float), "closed": np.array(closed, dtype=float)})
    return demand_labels(frame.assign(entered=0.0, followed=99.0), DemandTarget(), "lifetime")


def test_known_rows_count_once():
    found = redistributed(Labels(("a", "b"), np.array([[True, False], [False, True], [True, False]])))
    assert (found.rows.tolist(), found.codes.tolist(), found.weights.tolist()) == ([0, 1, 2], [0, 1, 0], [1, 1, 1])
    np.testing.assert_allclose(found.shares, [2 / 3, 1 / 3])


def test_an_open_vacancy_counts_as_those_that_outlived_it():
    # Beyond 7 days one ended at 12 and two lived on past 20: by the product-limit estimate 1/3 and 2/3.
    found = redistributed(lives([3, 5, 7, 12, 25, 30], [1, 1, 0, 1, 1, 0]))
    spread = {int(code): weight for row, code, weight in zip(found.rows, found.codes, found.weights) if row == 2}
    np.testing.assert_allclose([spread[1], spread[2]], [1 / 3, 2 / 3])
    np.testing.assert_allclose(found.shares, [2 / 6, (1 + 1 / 3) / 6, (2 + 2 / 3) / 6])


def test_an_open_vacancy_that_outlived_all_is_of_the_last_cohort():
    found = redistributed(lives([3, 15], [1, 0]))
    assert found.codes.tolist() == [0, 2]


@given(st.lists(st.tuples(st.floats(0, 40), st.booleans()), min_size=1, max_size=40))
def test_every_row_counts_for_one_among_its_feasible_cohorts(rows):
    labels = lives(*zip(*rows))
    found = redistributed(labels)
    np.testing.assert_allclose(np.bincount(found.rows, weights=found.weights), 1)
    assert labels.feasible[found.rows, found.codes].all()
    assert (found.shares > 0).all()


@given(st.lists(st.tuples(st.floats(0.01, 40), st.booleans()), min_size=2, max_size=40))
def test_the_shares_are_the_product_limit_estimate(rows):
    days, closed = map(np.array, zip(*rows))
    labels = lives(days, closed)
    survival = 1.0
    for day in np.unique(days[closed]):
        if day < 10:
            survival *= 1 - (closed & (days == day)).sum() / (days >= day).sum()
    sums = np.bincount((found := redistributed(labels)).codes, weights=found.weights, minlength=3)
    np.testing.assert_allclose(sums[0] / len(days), 1 - survival, atol=1e-9)

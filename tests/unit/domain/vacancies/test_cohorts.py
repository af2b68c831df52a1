import numpy as np
import pandas as pd
import pytest

from xflow.domain.vacancies.cohorts import (
    Labels,
    check_labels,
    demand_labels,
    demand_measure,
    salary_boundaries,
    salary_labels,
)
from xflow.errors import ContractViolated
from xflow.vacancy_pipeline import DemandTarget, SalaryTarget

NAN = np.nan


def salaries(*figures):
    return pd.DataFrame({"salary_net": np.array(figures, dtype=float)})


def lives(days, closed=0, entered=0.0, followed=90.0):
    others = {"closed": closed, "entered": entered, "followed": followed}
    frame = pd.DataFrame({"days": np.array(days, dtype=float)})
    return frame.assign(**{name: np.asarray(values, dtype=float) for name, values in others.items()})


def names(labels):
    return ["|".join(np.array(labels.cohorts)[row]) for row in labels.feasible]


def test_a_salary_on_a_boundary_is_of_the_cohort_that_begins_there():
    # The lab's strict comparisons put exactly 100,000 and 150,000 into the last cohort.
    target = SalaryTarget()
    found = salary_labels(salaries(99_999.99, 100_000, 150_000, 200_000, NAN), target, target.boundaries)
    assert names(found) == ["below 100k", "100k-150k", "150k-200k", "200k and more", "not stated"]
    assert found.cohorts == ("not stated", "below 100k", "100k-150k", "150k-200k", "200k and more")
    assert found.codes.tolist() == [1, 2, 3, 4, 0]
    assert found.known.all()
    assert found.lower is None


def test_vacancies_without_a_salary_may_be_left_out():
    target = SalaryTarget(not_stated="leave_out", boundaries=(100_000,))
    found = salary_labels(salaries(50_000, NAN), target, target.boundaries)
    assert found.cohorts == ("below 100k", "100k and more")
    assert found.usable.tolist() == [True, False]
    assert found.codes.tolist() == [0, -1]


def test_quantiles_come_from_the_rows_given():
    target = SalaryTarget(quantiles=4)
    assert salary_boundaries(salaries(*range(1000, 5001, 100), NAN), target) == (2000, 3000, 4000)
    assert salary_boundaries(salaries(1, 2), SalaryTarget(boundaries=(5,))) == (5,)


def test_equal_quantiles_are_merged():
    frame = salaries(*[50_000] * 60, *[80_000] * 40)
    assert salary_boundaries(frame, SalaryTarget(quantiles=5)) == (80_000,)


@pytest.mark.parametrize(("figures", "says"), [((NAN, NAN), "none of 2"), ((50_000,) * 9, "differ too little")])
def test_salaries_without_quantiles_are_refused(figures, says):
    with pytest.raises(ContractViolated, match=says):
        salary_boundaries(salaries(*figures), SalaryTarget(quantiles=3))


def test_ten_days_are_of_the_cohort_from_ten_days_on():
    # The lab's strict comparisons put exactly 10 days into the last cohort.
    found = demand_labels(lives([9.99, 10, 19.99, 20, 31]), DemandTarget(), "age")
    assert names(found) == [
        "age below 10 days",
        "age 10-20 days",
        "age 10-20 days",
        "age 20 days and more",
        "age 20 days and more",
    ]


def test_the_age_so_far_is_not_that_of_closed_or_undated_vacancies():
    found = demand_labels(lives([5, 5, NAN], closed=[0, 1, 0]), DemandTarget(), "age")
    assert found.usable.tolist() == [True, False, False]


def test_an_open_vacancy_may_live_longer():
    found = demand_labels(lives([5, 5, 12, 12, 25, 25, NAN], closed=[1, 0, 1, 0, 1, 0, 0]), DemandTarget(), "lifetime")
    assert names(found) == [
        "below 10 days",
        "below 10 days|10-20 days|20 days and more",
        "10-20 days",
        "10-20 days|20 days and more",
        "20 days and more",
        "20 days and more",
        "",
    ]
    assert found.usable.tolist() == [True] * 6 + [False]
    assert found.known.tolist() == [True, False, True, False, True, True, False]
    assert found.upper[:6].tolist() == [5, np.inf, 12, np.inf, 25, np.inf]


def test_lifetimes_are_of_vacancies_watched_from_their_first_days():
    # What closed before the first snapshot was never seen: those that it shows are the long-lived ones.
    found = demand_labels(lives([25, 25, 25], closed=1, entered=[1.9, 2.1, NAN]), DemandTarget(), "lifetime")
    assert found.usable.tolist() == [True, False, False]


def test_a_lifetime_is_judged_once_any_would_be_known():
    # Of vacancies that began a week ago only the short-lived ones are known by now.
    found = demand_labels(lives([5, 5, 25], closed=[1, 1, 0], followed=[6, 20, 25]), DemandTarget(), "lifetime")
    assert found.known.all()
    assert found.judged.tolist() == [False, True, True]
    assert found.counts() == {"below 10 days": 1, "10-20 days": 0, "20 days and more": 1}


def test_the_measure_follows_the_closed_vacancies():
    target = DemandTarget(min_closed=3)
    assert demand_measure(lives([5] * 5, closed=[1, 1, 1, 0, 0]), target) == "lifetime"
    assert demand_measure(lives([5] * 5, closed=[1, 1, 0, 0, 0]), target) == "age"
    assert demand_measure(lives([5] * 5, closed=1, entered=NAN), target) == "age"
    assert demand_measure(lives([5] * 5, closed=1, followed=19), target) == "age"
    assert demand_measure(lives([5]), DemandTarget(measure="lifetime")) == "lifetime"


def test_a_part_of_the_rows_keeps_their_labels():
    found = demand_labels(lives([5, 15, 25], closed=[1, 0, 1]), DemandTarget(), "lifetime")
    part = found.take(np.array([2, 0]))
    assert (part.codes.tolist(), part.upper.tolist(), len(part)) == ([2, 0], [25, 5], 2)
    assert part.counts() == {"below 10 days": 1, "10-20 days": 0, "20 days and more": 1}


@pytest.mark.parametrize(
    ("labels", "target", "says"),
    [
        (salary_labels(salaries(*[NAN] * 50), SalaryTarget(), (100_000,)), "salary", "none of 50 vacancies states"),
        (salary_labels(salaries(*[1] * 50), SalaryTarget(), (100_000,)), "salary", "all 50 .* 'below 100k'"),
        (salary_labels(salaries(1, NAN, 200_000), SalaryTarget(), (100_000,)), "salary", "5 folds need at least 10"),
        (demand_labels(lives([1, 30]), DemandTarget(), "age"), "demand", "5 folds"),
        (demand_labels(lives([1] * 20), DemandTarget(), "lifetime"), "demand", "none of 20 .* measure: auto"),
        (Labels(("a", "b"), np.zeros((0, 2), bool)), "demand", "none of 0"),
    ],
)
def test_labels_that_teach_nothing_are_refused(labels, target, says):
    with pytest.raises(ContractViolated, match=says):
        check_labels(labels, target, 5)


def test_a_salary_that_is_not_by_the_month_is_of_no_cohort():
    frame = salaries(50_000, NAN, NAN).assign(salary_stated=[1.0, 0.0, 1.0])
    for target, usable in (("cohort", [True, True, False]), ("leave_out", [True, False, False])):
        assert salary_labels(frame, SalaryTarget(not_stated=target), (100_000,)).usable.tolist() == usable
    assert names(salary_labels(frame, SalaryTarget(), (100_000,))) == ["below 100k", "not stated", ""]


def test_labels_of_two_cohorts_are_accepted():
    check_labels(salary_labels(salaries(*[1, 200_000] * 5), SalaryTarget(), (100_000,)), "salary", 5)

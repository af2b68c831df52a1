import itertools

import numpy as np
import pytest
from grouped_texts import WORDS, crosses, vacancies
from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.vacancies.splits import folds, groups
from xflow.errors import ContractViolated


@given(vacancies())
def test_what_belongs_together_shares_a_group_and_nothing_else_does(rows):
    employers, texts = rows
    found = groups(employers, texts)
    n = len(found)
    together = np.eye(n, dtype=int)
    for i, j in itertools.combinations(range(n), 2):
        if crosses(employers, texts, [i], [j]):
            together[i, j] = together[j, i] = 1
    for _ in range(n):
        together = (together @ together > 0).astype(int)
    assert (together.astype(bool) == (found[:, None] == found)).all()


@given(vacancies(), st.integers(2, 4), st.integers(0, 3), st.data())
def test_no_employer_or_near_duplicate_crosses_a_fold(rows, k, seed, data):
    employers, texts = rows
    n = len(texts)
    codes = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n)), dtype=int)
    try:
        made = folds(groups(employers, texts), codes, k, seed)
    except ContractViolated:
        return
    for train, test in made:
        assert not crosses(employers, texts, train, test)
        assert sorted([*train, *test]) == list(range(n))
    assert sorted(np.concatenate([test for _, test in made])) == list(range(n))


def test_anonymous_employers_and_empty_texts_join_nobody():
    assert groups(["", "", "", "x"], ["", "", "вести учет", "вести счет"]).tolist() == [0, 1, 2, 3]


def test_a_short_text_joins_its_equals_alone():
    assert groups(["a", "b", "c"], ["вести учет", "вести учет товар", "вести учет"]).tolist() == [0, 1, 0]


def test_groups_chain_employers_and_texts():
    long = " ".join(WORDS)
    assert groups(["a", "b", "b", "c"], [long, long + " итог", "другое", "третье"]).tolist() == [0, 0, 0, 1]


def test_many_texts_with_a_common_start_are_grouped_without_comparing_all():
    start = " ".join(WORDS[:6])
    rows = [f"{start} {i} {i + 1} {i + 2} {i + 3}" for i in range(6000)]
    assert len(np.unique(groups([""] * 6000, rows))) == 6000


def test_folds_share_the_cohorts_evenly():
    rng = np.random.default_rng(0)
    codes = rng.choice(4, size=2000, p=[0.7, 0.2, 0.07, 0.03])
    made = folds(rng.integers(0, 900, 2000), codes, 5, seed=1)
    counts = np.array([np.bincount(codes[test], minlength=4) for _, test in made])
    assert (abs(counts - counts.mean(axis=0)) <= 3).all()


def test_folds_follow_the_seed():
    codes, group = np.arange(60) % 3, np.arange(60)
    first, again, other = (np.concatenate([t for _, t in folds(group, codes, 3, seed)]).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_fewer_groups_than_folds_are_refused():
    with pytest.raises(ContractViolated, match=r"3 groups .*fewer than the 5 folds"):
        folds(np.array([0, 0, 1, 2]), np.zeros(4, dtype=int), 5, 0)

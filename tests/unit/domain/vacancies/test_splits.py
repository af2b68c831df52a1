import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.vacancies.splits import folds, groups, holdout
from xflow.domain.vacancies.text import normalised
from xflow.errors import ContractViolated

WORDS = ["вести", "учет", "товар", "склад", "прием", "заказ", "клиент", "отчет", "договор", "касса"]
texts = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)


@st.composite
def vacancies(draw):
    """Employers and texts, many of which are slightly changed copies of one another."""
    base = draw(st.lists(texts, min_size=1, max_size=6))
    rows = draw(st.lists(st.tuples(st.sampled_from(["", "a", "b", "c", "d", "e", "f"]), st.sampled_from(base), texts)))
    return [employer for employer, _, _ in rows], [(text + " " + tail[:12]).strip() for _, text, tail in rows]


def similar(one, other):
    """The definition, pair by pair."""
    if normalised(one) == normalised(other):
        return normalised(one) != ""
    sets = [{tuple(words[i : i + 3]) for i in range(len(words) - 2)} for words in (one.split(), other.split())]
    either = len(sets[0] | sets[1])
    return either > 0 and len(sets[0] & sets[1]) / either >= 0.8


def crosses(employers, texts, left, right):
    """Return pairs of rows on two sides that belong together."""
    return [
        (i, j)
        for i, j in itertools.product(left, right)
        if (employers[i] and employers[i] == employers[j]) or similar(texts[i], texts[j])
    ]


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


@given(vacancies(), st.integers(0, 5), st.floats(0.1, 0.6), st.data())
def test_no_employer_or_near_duplicate_crosses_the_holdout(rows, days, share, data):
    employers, texts = rows
    n = len(texts)
    published = np.array(data.draw(st.lists(st.integers(0, days), min_size=n, max_size=n)), dtype=float)
    try:
        split = holdout(published, groups(employers, texts), share)
    except ContractViolated:
        return
    assert not crosses(employers, texts, split.train, split.holdout)
    assert sorted([*split.train, *split.holdout, *split.unused]) == list(range(n))
    assert published[split.train].max() <= published[split.holdout].min()


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


def test_the_newest_are_held_out_and_older_rows_of_their_employers_not_used():
    published = np.arange(10.0)
    group = np.array([0, 1, 2, 3, 4, 5, 6, 7, 7, 7])
    split = holdout(published, group, 0.2)
    assert (split.holdout.tolist(), split.unused.tolist()) == ([8, 9], [7])
    split = holdout(published, np.array([0, 1, 2, 3, 4, 5, 6, 6, 6, 7]), 0.2)
    assert (split.holdout.tolist(), split.unused.tolist()) == ([9], [8])


def test_one_snapshot_of_one_time_can_be_split():
    split = holdout(np.full(10, 3.0), np.arange(10), 0.3)
    assert (len(split.train), len(split.holdout), len(split.unused)) == (7, 3, 0)


@pytest.mark.parametrize("count", [0, 1, 6])
def test_a_single_employer_cannot_be_split(count):
    with pytest.raises(ContractViolated, match="more employers"):
        holdout(np.arange(count, dtype=float), np.zeros(count, dtype=int), 0.3)


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

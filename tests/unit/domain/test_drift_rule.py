import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from xflow.domain.drift import Check, Column, Finding, Level, Limits, compare, judge
from xflow.domain.drift_sample import EVERY, draw, first
from xflow.domain.drift_tests import contingency, distance, fisher, holm, outside, variation

COLUMNS = (Column("x", tolerance=0.1), Column("y", sides="low"), Column("kind", "category"))
LIMITS = Limits(alpha=0.01, warn=0.2, stop=0.5)


def sample(n, seed, shift=0.0, kinds="abc", missing=0.0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"x": rng.normal(size=n) + shift, "y": rng.exponential(size=n), "kind": rng.choice(list(kinds), n)}
    )
    frame.loc[rng.random(n) < missing, ["x", "kind"]] = None
    return frame


def kolmogorov_smirnov(old, new):
    with warnings.catch_warnings():
        # SciPy's exact sum ends a hair above 1 at some sizes; it says so, and takes the asymptotic value.
        warnings.filterwarnings("ignore", "ks_2samp: Exact calculation unsuccessful", RuntimeWarning)
        return ks_2samp(old, new)


def p_values(old, new):
    """Stand in for Evidently's tests: the same ones."""
    made = {name: kolmogorov_smirnov(old[name].dropna(), new[name].dropna()).pvalue for name in ("x", "y")}
    return made | {"kind": contingency(old["kind"], new["kind"])}


def verdict(old, new, limits=LIMITS):
    return judge(compare(old, new, COLUMNS, p_values(old, new)), limits)


def drifted(drift):
    return {(each.column, each.check, each.level) for each in drift.drifted}


@pytest.mark.parametrize("n", [1, 2, 30, 400])
def test_the_same_data_never_alarm(n):
    drift = verdict(sample(n, 1), sample(n, 1))
    assert drift.verdict is Level.OK
    assert {each.share for each in drift.findings if each.check is not Check.CATEGORIES} <= {0.0}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**16), st.floats(0, 3), st.integers(3, 80))
def test_the_order_of_the_rows_changes_nothing(seed, shift, n):
    old, new = sample(n, seed), sample(n, seed + 1, shift, "abcd", 0.1)
    rng = np.random.default_rng(seed)
    again = verdict(old.iloc[rng.permutation(n)], new.iloc[rng.permutation(n)])
    assert again.verdict == verdict(old, new).verdict
    before = {(each.column, each.check): each for each in verdict(old, new).findings}
    for each in again.findings:
        other = before.pop((each.column, each.check))
        assert (each.level, each.share, each.p) == (other.level, pytest.approx(other.share), pytest.approx(other.p))
    assert not before


def test_samples_of_one_source_alarm_less_often_than_stated():
    sizes = [(150, 150), (150, 20), (20, 150), (12, 12)]
    strict = Limits(alpha=0.05, warn=1e-9, stop=0.5)  # by the p-values alone
    for before, after in sizes:
        drifts = [verdict(sample(before, seed), sample(after, 10_000 + seed), strict) for seed in range(30)]
        assert sum(drift.verdict is not Level.OK for drift in drifts) <= 5  # at most 1.5 expected: 6 or more in 0.3 %


def test_faults_are_found_where_they_are():
    old = sample(300, 0)
    assert drifted(verdict(old, sample(300, 1, shift=9))) == {
        ("x", Check.VALUES, Level.STOP),
        ("x", Check.DISTRIBUTION, Level.STOP),
    }
    assert ("x", Check.MISSING, Level.WARN) in drifted(verdict(old, sample(300, 1, missing=0.4)))
    assert verdict(sample(300, 0, missing=0.4), sample(300, 1)).verdict is Level.OK  # fewer are missing
    assert ("kind", Check.CATEGORIES, Level.STOP) in drifted(verdict(old, sample(300, 1, kinds="de")))
    assert drifted(verdict(old, sample(300, 1, kinds="a"))) == {("kind", Check.DISTRIBUTION, Level.STOP)}


def test_a_trifle_in_a_large_sample_is_none():
    old, new = sample(4000, 0), sample(4000, 1, shift=0.15)
    assert p_values(old, new)["x"] < 1e-6
    assert verdict(old, new).verdict is Level.OK


def test_a_few_rows_far_away_are_no_alarm():
    assert verdict(sample(300, 0), sample(9, 1, shift=9)).verdict is Level.OK
    assert verdict(sample(9, 0), sample(300, 1, shift=9)).verdict is Level.OK
    assert verdict(sample(300, 0), sample(10, 1, shift=9)).verdict is Level.STOP


def test_a_gate_that_warns_never_stops():
    assert verdict(sample(300, 0), sample(300, 1, shift=9), Limits(0.01, 0.2, 0.5, Level.WARN)).verdict is Level.WARN
    counted = Finding("series", Check.VANISHED, 1.0, 0.0, "all are gone", Level.WARN)
    assert judge([counted], LIMITS).verdict is Level.WARN


def test_columns_that_only_one_sample_has_are_left_out():
    old, new = sample(50, 0), sample(50, 1)
    assert {each.column for each in compare(old.drop(columns="x"), new, COLUMNS, {})} == {"y", "kind"}
    assert judge([], LIMITS).verdict is Level.OK
    assert judge([], LIMITS).figures["drift_columns"] == 0


def test_a_column_that_is_lost_is_missing():
    drift = judge(compare(sample(80, 0), sample(80, 1).assign(x=np.nan), COLUMNS, {}), LIMITS)
    assert drift.drifted[0].detail == "100.0% missing, 0.0% in training"
    assert drift.verdict is Level.STOP


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_the_correction_only_raises_p_values_and_keeps_their_order(given_):
    adjusted = holm(given_)
    assert all(p <= q <= 1 for p, q in zip(given_, adjusted, strict=True))
    order = np.argsort(given_, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


def test_the_correction_is_holms():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 40), st.integers(1, 40))
def test_without_a_tolerance_the_distance_is_that_of_kolmogorov_and_smirnov(seed, n, m):
    rng = np.random.default_rng(seed)
    old, new = rng.integers(0, 9, n).astype(float), rng.integers(0, 9, m) + 0.5 * rng.integers(0, 2)
    assert distance(old, new) == pytest.approx(kolmogorov_smirnov(old, new).statistic)
    assert distance(old, new, 0.7) <= distance(old, new) + 1e-12
    assert distance(old, old + 0.5, 0.6) == 0
    assert distance(old, new) == max(distance(old, new, sides="high"), distance(old, new, sides="low"))
    assert distance(old, old + 9, sides="low") == 0


@pytest.mark.parametrize("sides", [1, 2])
def test_how_many_lie_outside_by_chance_is_exact(sides):
    rng = np.random.default_rng(0)
    old, new = rng.normal(size=(20_000, 9)), rng.normal(size=(20_000, 7))
    count = (new > old.max(axis=1, keepdims=True)).sum(axis=1)
    if sides == 2:
        count += (new < old.min(axis=1, keepdims=True)).sum(axis=1)
    for k in range(8):
        assert outside(k, 7, 9, sides) == pytest.approx((count >= k).mean(), abs=0.012)
    assert outside(0, 7, 9, sides) == pytest.approx(1)


def test_categories_that_occur_once_are_expected_to_be_followed_by_others():
    rng = np.random.default_rng(0)
    names = np.array([f"c{i}" for i in range(3000)])
    old, new = (pd.DataFrame({"kind": names[rng.zipf(1.3, 500) % 3000]}) for _ in range(2))
    drift = judge(compare(old, new, COLUMNS, {"kind": contingency(old["kind"], new["kind"])}), LIMITS)
    assert (~new["kind"].isin(old["kind"])).mean() > 0.1
    assert drift.verdict is Level.OK
    assert variation(old["kind"], old["kind"]) == 0


def test_fishers_test_is_one_sided():
    assert fisher(0, 10, 5, 10) == 1
    assert fisher(5, 10, 0, 10) == pytest.approx(252 / 15504)


def test_the_draw_depends_on_names_alone_and_knows_who_was_not_drawn():
    names = [f"s{i}" for i in range(500)]
    order, within = first(draw(names), 100)
    shuffled = names[::-1]
    assert {shuffled[i] for i in first(draw(shuffled), 100)[0]} == {names[i] for i in order}
    assert (draw(names) <= np.uint64(within)).sum() == 100
    assert first(draw(names), 900)[1] == EVERY

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.vacancies.salary import currency_code, net_monthly, stated


@pytest.mark.parametrize(
    ("low", "high", "gross", "rate", "figure"),
    [
        (100_000, 200_000, False, 1, 150_000),
        (100_000, None, False, 1, 100_000),
        (None, 200_000, False, 1, 200_000),
        (100_000, 200_000, True, 1, 130_500),
        (100_000, None, None, 1, 100_000),
        (1_000, None, False, 0.0125, 80_000),
        (2_000, 4_000, True, 0.0125, 208_800),
        (None, None, True, 1, np.nan),
        (0, 90_000, False, 1, 90_000),
        (-5, None, False, 1, np.nan),
        (-5, 90_000, False, 1, np.nan),
        (200_000, 100_000, False, 1, np.nan),
        (100_000, np.inf, False, 1, np.nan),
        (1e12, None, False, 1, np.nan),
        (1_000, None, False, -0.0125, np.nan),
        (1_000, None, False, None, np.nan),
        (1_000, None, False, 0, np.nan),
    ],
)
def test_one_figure_for_a_salary(low, high, gross, rate, figure):
    np.testing.assert_allclose(net_monthly([low], [high], [gross], [rate]), [figure])


def test_both_ends_count_and_not_the_lower_one_twice():
    # A notebook that this pipeline follows read the upper end from the lower one's column.
    assert net_monthly([100_000], [300_000], [False], 1)[0] == 200_000


def test_currency_and_tax_count():
    # The same notebook compared euros with roubles, and figures before tax with those after it.
    rub, eur, gross = net_monthly([100_000] * 3, [None] * 3, [False, False, True], [1, 0.01, 1])
    assert (rub, eur, gross) == (100_000, 10_000_000, 87_000)


@pytest.mark.parametrize("make", [list, np.array, pd.Series, pa.array])
def test_any_kind_of_column_will_do(make):
    found = net_monthly(make([1.0, np.nan]), make([3.0, 2.0]), make([True, False]), make([1.0, 2.0]))
    np.testing.assert_allclose(found, [1.74, 1.0])


@pytest.mark.parametrize(
    ("mode", "figure"),
    [
        *[(mode, 300.0) for mode in (None, "", "MONTH", "month", " MONTH ", np.nan, pd.NA)],
        *[(mode, np.nan) for mode in ("HOUR", "SHIFT", "SERVICE", "FLY_IN_FLY_OUT", "WEEK", "MONTHLY", 5)],
    ],
)
def test_only_what_is_paid_by_the_month_is_a_monthly_salary(mode, figure):
    np.testing.assert_allclose(net_monthly([300], [None], [False], 1, [mode]), [figure])


def test_what_is_stated_is_so_whatever_it_says():
    low, high = [None, np.nan, 0, -5, 100, np.inf, None], [None, 0, None, None, 50, None, 1e15]
    assert stated(low, high).tolist() == [False, False, False, True, True, True, True]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        *[(given, "RUR") for given in ("RUR", "RUB", "rub", " rur ", "₽", "руб.", "РУБ")],
        *[("usd", "USD"), ("KZT", "KZT"), ("", ""), (None, None), ("Рубли", "РУБЛИ")],
    ],
)
def test_one_code_for_a_currency(given, code):
    assert currency_code(given) == code


def test_no_rows_give_no_figures():
    assert net_monthly([], [], [], []).shape == (0,)


@given(st.lists(st.tuples(st.floats(1, 1e7), st.floats(1, 1e7), st.booleans(), st.floats(1e-4, 1e4)), min_size=1))
def test_the_figure_lies_between_the_ends(rows):
    low, high, gross, rate = map(np.array, zip(*rows))
    low, high = np.minimum(low, high), np.maximum(low, high)
    found = net_monthly(low, high, gross, rate) * rate / np.where(gross, 0.87, 1)
    assert (found >= np.minimum(low, high) * (1 - 1e-9)).all()
    assert (found <= np.maximum(low, high) * (1 + 1e-9)).all()

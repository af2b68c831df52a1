"""What the drift gate looks at: nothing that a season, a date or a unit alone could move."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.drift import Check, Level, Limits, compare, judge
from xflow.domain.drift_sample import EVERY
from xflow.domain.drift_series import COLUMNS, filled, known_again, membership, profile, ratio, window
from xflow.domain.drift_vacancies import sample
from xflow.domain.forecaster import Forecaster
from xflow.domain.intervals import Conformal
from xflow.domain.panel import Panel

MONTHS, HORIZON = 96, 6
LIMITS = Limits(0.01, 0.2, 0.5)


def panel(months=MONTHS, change=lambda values, i: values, n=40):
    """Return seasonal series of growing level, as known after some months."""
    rng = np.random.default_rng(0)
    made = []
    for i in range(n):
        t = np.arange(MONTHS + 24)
        season = 1 + 0.4 * np.sin(2 * np.pi * (t + i) / 12)
        made.append(10 ** rng.uniform(0, 4) * (1 + 0.01 * t) * season * rng.lognormal(0, 0.1, len(t)))
    series = [change(values[:months].copy(), i) for i, values in enumerate(made)]
    return Panel.from_series("M", [f"s{i}" for i in range(n)], [600 + months] * n, series)


def model():
    members = {"naive": (1.0, build_candidate("seasonal_naive", {}, Setting(12, HORIZON)))}
    intervals = Conformal.fit(np.random.default_rng(0).normal(size=(300, HORIZON)), (0.8, 0.95))
    return Forecaster.fit(panel(), members, intervals, 12, HORIZON)


def drift(current):
    reference = profile(panel(), model())
    rows = known_again(reference, profile(current, model()))
    p = {
        each.name: ks_2samp(reference[each.name].dropna(), rows[each.name].dropna()).pvalue
        for each in COLUMNS
        if Check.DISTRIBUTION in each.checks and rows[each.name].notna().any()
    }
    return judge(compare(reference, rows, COLUMNS, p), LIMITS)


def test_a_reference_without_a_figure_of_today_still_compares_the_others():
    """A champion keeps the reference of the code that it was trained by."""
    reference, rows = profile(panel(), model()), profile(panel(change=scaled), model())
    again = known_again(reference.drop(columns=["end", "behind"]), rows)
    assert again["behind"].isna().all()
    assert "moved" in {each.column for each in judge(compare(reference, again, COLUMNS, {}), LIMITS).drifted}


def scaled(values, i):
    return values * 1000


def ends_in_zeros(values, i):
    values[-12:] = 0
    return values


def stuck(values, i):
    values[-12:] = values[-12]
    return values


@pytest.mark.parametrize("later", [0, 1, 5, 12, 24])
def test_a_newer_window_of_the_same_series_is_no_drift(later):
    assert drift(panel(MONTHS + later)).verdict is Level.OK


@pytest.mark.parametrize(
    ("change", "column"),
    [(scaled, "moved"), (ends_in_zeros, "zeros"), (stuck, "unchanged"), (lambda v, i: v[-20:], "length")],
    ids=["units", "zeros", "stuck", "cut"],
)
def test_gross_faults_stop(change, column):
    found = drift(panel(change=change))
    assert found.verdict is Level.STOP
    assert column in {each.column for each in found.drifted if each.level is Level.STOP}


def test_series_that_stopped_while_others_went_on_are_behind():
    later = panel(MONTHS + 24)
    stopped = later.head(np.where(np.arange(later.n_series) % 5 < 2, 24, 0))
    assert {each.column for each in drift(stopped).drifted} == {"behind"}
    assert drift(stopped).drifted[0].share == 0.4
    ahead = later.head(np.where(np.arange(later.n_series) < 3, 0, 24))
    assert drift(ahead).verdict is Level.OK


def test_a_window_is_of_whole_seasons_and_covers_the_horizon():
    assert [window(*each) for each in [(12, 24), (12, 6), (7, 7), (24, 48), (1, 3)]] == [24, 12, 14, 48, 8]


def test_short_series_have_no_change():
    short = Panel.from_series("M", ["a", "b"], [10, 10], [np.ones(5), np.arange(1.0, 31)])
    made = profile(short, model())
    assert made["change"].isna().tolist() == [True, False]
    assert made["variability"].isna().tolist() == [True, False]


def test_what_takes_a_models_place_is_no_figure_of_the_model():
    zero = panel(n=4, change=lambda values, i: np.append(0.0, values[1:]) if i == 2 else values)
    ets = build_candidate("ets", {"model": "MAM"}, Setting(12, HORIZON))  # it cannot be of a series with a 0
    made = profile(
        zero, Forecaster.fit(zero, {"ets": (1.0, ets)}, Conformal((0.8,), np.ones((1, HORIZON))), 12, HORIZON)
    )
    assert made[["forecast", "width"]].isna().to_numpy().tolist() == [[i == 2] * 2 for i in range(4)]


def test_ratios_of_zeros_are_finite():
    made = ratio(np.array([0.0, 0.0, 2.0, np.nan]), np.array([0.0, 5.0, 2.0, 1.0]))
    assert made[:3] == pytest.approx([0, -3, 0], abs=1e-3)
    assert np.isnan(made[3])


def test_new_and_vanished_series_are_told_by_name():
    new, gone = membership([*"abcdefghijkl"], [*"abcdefghixyz"], EVERY)
    assert (new.share, new.p, new.most) == (0.25, 0.0, Level.STOP)
    assert "x, y, z" in new.detail
    assert (gone.share, gone.p, gone.most) == (0.25, 0.0, Level.WARN)
    assert "j, k, l" in gone.detail
    assert {each.p for each in membership([*"abcdefghijkl"], [*"abcdefghijkl"], EVERY)} == {1.0}
    assert {each.p for each in membership(["a"], ["b"], EVERY)} == {1.0}


def test_values_that_were_filled_in_are_missing_ones():
    assert filled(1000, 990, 0.01).share == pytest.approx(0)
    found = filled(1000, 600, 0.01)
    assert found.share == pytest.approx(0.39)
    assert found.p < 1e-6
    assert filled(1000, 1200, 0.0).share == 0


def test_an_employer_counts_once_and_nobody_by_themselves():
    frame = pd.DataFrame({"vacancy_id": [f"v{i}" for i in range(60)], "employer_id": ["big"] * 40 + [""] * 20})
    made = sample(frame, 100)
    assert len(made) == 21
    assert (made["employer_id"] == "big").sum() == 1
    assert len(sample(frame, 5)) == 5
    pd.testing.assert_frame_equal(sample(frame.sample(frac=1, random_state=0), 100), made)

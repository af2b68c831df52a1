import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panels import panels

from xflow.domain.panel import Panel


def same(one, other):
    return (
        one.freq == other.freq
        and (one.ids == other.ids).all()
        and (one.starts == other.starts).all()
        and (one.offsets == other.offsets).all()
        and (one.values == other.values).all()
    )


@given(panels())
def test_a_frame_and_back_is_the_same_panel(panel):
    shuffled = panel.to_frame().sample(frac=1, random_state=0)
    assert same(Panel.from_frame(shuffled, "M"), panel)


@pytest.mark.parametrize("freq", ["h", "15min", "D", "W-SUN", "W-WED", "M", "Q-DEC", "Y-DEC"])
def test_timestamps_are_period_starts_one_step_apart(freq):
    start = pd.Period("2021-03-07 00:00", freq)
    panel = Panel(freq, np.array(["a"], object), np.array([start.ordinal]), np.array([0, 4]), np.ones(4))
    expected = [(start + k).start_time for k in range(6)]
    assert list(pd.DatetimeIndex(panel.timestamps(0))) == expected[:4]
    assert list(pd.DatetimeIndex(panel.future_timestamps(2)[0])) == expected[4:]
    assert same(Panel.from_frame(panel.to_frame(), freq), panel)


@given(panels(shortest=2), st.integers(1, 30))
def test_split_last_gives_back_every_value_of_scored_series(panel, horizon):
    history, actual = panel.split_last(horizon)
    for i in range(panel.n_series):
        if panel.lengths[i] > horizon:
            assert (np.concatenate([history.series(i), actual[i]]) == panel.series(i)).all()
        else:
            assert np.isnan(actual[i]).all()
            assert (history.series(i) == panel.series(i)).all()


@given(panels(), st.integers(295, 325))
def test_cut_at_keeps_the_values_up_to_the_ordinal(panel, ordinal):
    frame = panel.to_frame()
    kept = frame[pd.PeriodIndex(frame["timestamp"], freq="M").asi8 <= ordinal]
    pd.testing.assert_frame_equal(panel.cut_at(ordinal).to_frame(), kept.reset_index(drop=True))


@given(panels(), st.integers(1, 40), st.data())
def test_tail_and_select_keep_ends_and_values(panel, keep, data):
    chosen = np.array(data.draw(st.permutations(range(panel.n_series))))
    cut = panel.select(chosen).tail(keep)
    assert (cut.ends == panel.ends[chosen]).all()
    for place, i in enumerate(chosen):
        assert (cut.series(place) == panel.series(i)[-keep:]).all()


def test_known_future_rows_survive_every_cut():
    times = pd.date_range("2020-01-01", periods=6, freq="MS")
    frame = pd.DataFrame({"series_id": "a", "timestamp": times, "value": [1, 2, 3, 4, np.nan, np.nan], "x": range(6)})
    panel = Panel.from_frame(frame, "M", exogenous=["x"])
    assert panel.lengths.tolist() == [4]
    assert panel.exog[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert panel.head(2).exog[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert panel.tail(2).exog[:, 0].tolist() == [2, 3, 4, 5]
    assert panel.select(np.array([0, 0])).exog_offsets.tolist() == [0, 6, 12]


@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        (["2020-01-01", "2020-01-01"], [1, 2], "repeat"),
        (["2020-01-01", "2020-03-01"], [1, 2], "gaps"),
        (["2020-01-01", "2020-02-02"], [1, 2], "starts of periods"),
        (["2020-01-01", "2020-02-01"], [np.nan, 2], "null value"),
        (["2020-01-01", "2020-02-01"], [1, np.inf], "finite"),
        (["2020-01-01", "2020-02-01"], [np.nan, np.nan], "offsets of values"),
    ],
)
def test_a_frame_that_is_no_panel_is_refused(times, values, message):
    frame = pd.DataFrame({"series_id": "a", "timestamp": pd.to_datetime(times), "value": values})
    with pytest.raises(ValueError, match=message):
        Panel.from_frame(frame, "M")


def test_steps_until_counts_whole_periods_and_never_below_zero():
    panel = Panel.from_series("M", ["a", "b"], [pd.Period("2020-01", "M").ordinal, 700], [np.ones(2), np.ones(2)])
    assert panel.steps_until("2020-04-15").tolist() == [3, 0]


def test_a_frame_holds_the_exogenous_values_known_ahead():
    frame = pd.DataFrame(
        {
            "series_id": ["a", "a", "a", "b", "b"],
            "timestamp": pd.to_datetime(["2020-01-01", "2020-02-01", "2020-03-01", "2020-05-01", "2020-06-01"]),
            "value": [1.0, 2.0, np.nan, 3.0, 4.0],
            "price": [5.0, 6.0, 7.0, 8.0, 9.0],
        }
    )
    pd.testing.assert_frame_equal(Panel.from_frame(frame, "M", ["price"]).to_frame(), frame)

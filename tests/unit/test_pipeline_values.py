"""Values of a pipeline's file that a run would break on: each is refused when the file is read, or read as meant."""

import re
from dataclasses import fields

import pytest
import yaml

from xflow.candidate_check import checked_params, checked_search
from xflow.candidate_params import PARAMS
from xflow.domain.candidate import Setting, build_candidate
from xflow.errors import ConfigInvalid
from xflow.pipeline import MOST_STEPS, load
from xflow.yaml_file import read_yaml

FILE = """pipeline: try
description: d
input: {{train: input/x/train/, predict: input/x/predict/{exogenous}}}
contract: {{frequency: {frequency}, min_length: 36}}
model:
  seasonality: 12
  horizon: {horizon}
  candidates:
    - {{name: seasonal_naive, kind: seasonal_naive}}
    - {candidate}
{more}
"""
XGB = "{name: c, kind: global_xgb}"


@pytest.fixture
def read(tmp_path):
    """Return what reads a file that differs in some values."""

    def reading(more="", **given):
        usual = {"frequency": "M", "candidate": XGB, "exogenous": "", "horizon": 3}
        path = tmp_path / "try.yaml"
        path.write_text(FILE.format(**(usual | given), more=more))
        return load(path)

    return reading


@pytest.mark.parametrize(
    ("kind", "said", "words"),
    [
        ("ets", "params: {model: AAdA}", "model is 'AAdA', wanted is three letters"),
        ("ets", "params: {model: aaa}", "model is 'aaa', wanted is three letters"),
        ("ets", "params: {model: ANM}", "model ANM does not exist: with an additive error"),
        ("ets", "params: {model: AMN}", "model AMN does not exist"),
        ("ets", "params: {model: MMA}", "model MMA does not exist"),
        ("ets", "params: {model: ANA, damped: true}", "damped: true wants a trend"),
        ("ets", "params: {damped: true}, search: {model: [AAA, ANA]}", "damped: true wants a trend"),
        ("ets", "params: {phi: 0.9}", "phi is no parameter of it. These are: model, damped, log"),
        ("theta", "params: {model: otm}", "model is 'otm', wanted is 'STM', 'OTM', 'DSTM' or 'DOTM'"),
        ("arima", "params: {max_p: -1}", "max_p is -1, wanted is greater than or equal to 0"),
        ("arima", "params: {season_length: 4}", "season_length is no parameter of it"),
        ("seasonal_naive", "params: {lag: 12}", "lag is no parameter of it. These are: none"),
        ("global_xgb", "params: {depth: -1}", "depth is -1, wanted is greater than or equal to 1: levels of a tree"),
        ("global_xgb", "params: {trees: 5.5}", "trees is 5.5, wanted is a whole number"),
        ("global_xgb", "params: {trees: true}", "trees is True, wanted is a number"),
        ("global_xgb", "params: {trees: null}", "trees is None"),
        ("global_xgb", "params: {trees: 2026-10-01}", "trees is '2026-10-01'"),
        ("global_xgb", "params: {learning_rate: .inf}", "learning_rate is inf, wanted is a finite number"),
        ("global_xgb", "params: {learning_rate: .nan}", "learning_rate is nan, wanted is a finite number"),
        ("global_xgb", "params: {subsample: 80}", "subsample is 80, wanted is less than or equal to 1"),
        ("global_xgb", "params: {seasons: 7}", "seasons is 7, wanted is a list"),
        ("global_xgb", "params: {seasons: [0]}", "seasons is 0, wanted is greater"),
        ("global_xgb", "params: {seasons: [7, 7]}", "name each once"),
        ("global_xgb", "params: {seasons: [12]}", "leave 12 out"),
        ("global_xgb", "params: {rows: 0}", "rows is 0"),
        ("global_xgb", "params: {bags: 0}", "bags is 0"),
        ("global_xgb", "params: [trees]", "params: Input should be a valid dictionary"),
        ("global_xgb", "search: {depth: [8, 4]}", "search of depth [8, 4]: a range is [low, high]"),
        ("global_xgb", "search: {depth: [4, 4]}", "low is below high"),
        ("global_xgb", "search: {depth: [4]}", "one value alone belongs under params"),
        ("global_xgb", "search: {depth: []}", "write [low, high] or choices"),
        ("global_xgb", "search: {depth: [4, 99]}", "depth is 99, wanted is less than or equal to 20"),
        ("global_xgb", "search: {depth: [4, deep]}", "depth is 'deep'"),
        ("global_xgb", "search: {depth: [3, 3, 4]}", "name each choice once"),
        ("global_xgb", "search: {leaves: [2, 4]}", "leaves is no parameter of it"),
        ("global_xgb", "search: {depth: 4}", "search.depth"),
        ("global_xgb, name: c/d", "params: {}", "'name' is given twice"),
        ("global_xgb", "params: {trees: 5, trees: 9}", "'trees' is given twice"),
    ],
)
def test_a_candidates_value_is_refused_with_its_place_and_what_to_write(read, kind, said, words):
    with pytest.raises(ConfigInvalid, match=re.escape(words)) as refused:
        read(candidate=f"{{name: c, kind: {kind}, {said}}}")
    assert "model" in str(refused.value) or "twice" in words


def test_numbers_that_yaml_reads_as_texts_are_numbers(read):
    said = (
        "params: {trees: 1e2, min_child_weight: 1_000}, search: {learning_rate: [1e-3, 1e-1], colsample: ['3e-1', 1]}"
    )
    found = read(candidate=f"{{name: c, kind: global_xgb, {said}}}").model.candidates[1]
    assert found.params == {"trees": 100, "min_child_weight": 1000.0}
    assert [type(value) for value in found.params.values()] == [int, float]
    assert found.search == {"learning_rate": [0.001, 0.1], "colsample": [0.3, 1.0]}


def test_bounds_of_a_number_are_numbers_of_its_kind():
    assert checked_search("global_xgb", {}, {"min_child_weight": [2, 50]}) == {"min_child_weight": [2.0, 50.0]}
    assert checked_search("global_xgb", {}, {"seasons": [[], [7], [7, 365]]}) == {"seasons": [[], [7], [7, 365]]}
    assert checked_search("ets", {}, {"damped": [None, True, False]}) == {"damped": [None, True, False]}


@pytest.mark.parametrize(("kind", "params"), [("global_xgb", {"depth": -1}), ("ets", {"model": "ANM"})])
def test_the_domain_refuses_what_the_file_does(kind, params):
    with pytest.raises(ConfigInvalid) as refused:
        build_candidate(kind, params, Setting(12, 3))
    with pytest.raises(ConfigInvalid, match=re.escape(str(refused.value))):
        checked_params(kind, params)


def test_every_default_is_a_value_that_may_be_given():
    for kind, declared in PARAMS.items():
        usual = {field.name: field.default for field in fields(declared)}
        assert checked_params(kind, usual) == usual, kind


def test_yaml_is_read_by_its_present_version():
    text = "[yes, no, on, off, 010, 1e-3, 07:00, 2026-10-01, .inf, true, null, ~, 5, -1.5]"
    wanted = ["yes", "no", "on", "off", 10, 1e-3, "07:00", "2026-10-01", float("inf"), True, None, None, 5, -1.5]
    assert read_yaml(text) == wanted
    assert read_yaml("{NO: 1, base: &b {k: 1}, other: {<<: *b, j: 2}}")["other"] == {"k": 1, "j": 2}
    assert read_yaml(yaml.safe_dump({"gate": "off", "rate": 1e-05, "on": None})) == {
        "gate": "off", "rate": 1e-05, "on": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("drift: {gate: off, sample: yes}", "drift.sample"),
        ("drift: {sample: true}", "drift.sample: true and false are no values here"),
        ("monitor: {windows: .nan}", "monitor.windows"),
        ("monitor: {schedule: hourly}", "monitor.schedule: 'hourly' is no cron expression"),
        ('schedule: "0 25 * * *"', "'0 25 * * *' is no cron expression"),
        ("schedule: daily", "'daily' is no cron expression"),
        ("promotion: {confidence: true}", "promotion.confidence: true and false"),
        ("predictions_by: 7:00", "in quotes"),
        ("tags: [true]", "tags: true and false are no values here"),
        ("description: again", "'description' is given twice"),
        ("alerts: {events: [fail]}", "alerts.events.0"),
    ],
)
def test_a_value_of_any_section_is_refused_where_it_stands(read, more, words):
    with pytest.raises(ConfigInvalid, match=re.escape(words)):
        read(more)


def test_words_that_stood_for_booleans_are_what_the_field_makes_of_them(read):
    found = read(
        "drift: {gate: off}\npromotion: {approval: yes}\npredictions_by: 07:00\nschedule: '@daily'\ntags: [on]"
    )
    assert (found.drift.gate, found.promotion.approval, found.predictions_by) == ("off", True, "07:00")
    assert (found.schedule, found.tags) == ("@daily", ("on",))


@pytest.mark.parametrize("levels", ["[80, 95]", "[0.8, 0.8]", "[0.955]", "[.nan]", "[true]", "[]", "[0.8, 1]"])
def test_levels_are_whole_percentages(tmp_path, levels):
    path = tmp_path / "try.yaml"
    text = FILE.format(frequency="M", candidate=XGB, exogenous="", horizon=3, more="")
    path.write_text(text.replace("  horizon: 3", f"  horizon: 3\n  levels: {levels}"))
    with pytest.raises(ConfigInvalid, match=r"model\.levels"):
        load(path)


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("MS", "M"), ("ME", "M"), ("M", "M"), ("H", "h"), ("T", "min"), ("15T", "15min"), ("d", "D"), ("QS", "Q-DEC"),
        ("QE", "Q-DEC"), ("QS-OCT", "Q-DEC"), ("QS-FEB", "Q-OCT"), ("YE", "Y-DEC"), ("YS-APR", "Y-MAR"),
        ("A-DEC", "Y-DEC"), ("W-thu", "W-THU"), ("W", "W"), ("4H", "4h"), ("Q-MAR", "Q-MAR"),
    ],
)  # fmt: skip
def test_a_name_that_pandas_gives_a_frequency_is_taken_as_its_period(read, written, taken):
    assert read(frequency=written).contract.frequency == taken


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("B", "business days are not supported: write D with contract.max_gap: 2"),
        ("C", "write D with contract.max_gap: 2"),
        ("Q-ABC", "after Q- comes one of JAN, FEB"),
        ("W-MONDAY", "after W- comes one of MON, TUE"),
        ("M-JAN", "after M- comes nothing"),
        ("m", "write M for months, or min for minutes"),
        ("monthly", "write M"),
        ("weekly", "write W-SUN"),
        ("S", "write min"),
        ("ms", "write min"),
        ("BMS", "write M, D, h, min, W-SUN"),
        ("0D", "write M, D"),
        ("2.5h", "write M, D"),
        ("15", "write it in quotes"),
    ],
)
def test_another_frequency_is_refused_with_one_to_write(read, written, words):
    with pytest.raises(ConfigInvalid, match=re.escape(words)) as refused:
        read(frequency=written)
    assert "contract.frequency" in str(refused.value)
    assert "^" not in str(refused.value)


@pytest.mark.parametrize("horizon", ["1e9", "10_001", "0", "3.5", "yes", "1000000000"])
def test_a_horizon_has_bounds(read, horizon):
    with pytest.raises(ConfigInvalid, match=r"model\.horizon"):
        read(horizon=horizon)
    assert read(horizon=MOST_STEPS).model.horizon == MOST_STEPS


def test_a_shorter_series_than_a_training_needs_is_told(read):
    assert read(horizon=11).warnings == ()
    (said,) = read(horizon=12).warnings
    assert "each needs 37 steps, 25 to train on" in said
    assert "Write min_length: 37" in said


def test_columns_that_candidates_ignore_are_told(read):
    (said,) = read(exogenous=", exogenous: [promo]").warnings
    assert said == "input.exogenous promo: used by c alone, ignored by seasonal_naive"
    (said,) = read(exogenous=", exogenous: [promo]", candidate="{name: c, kind: theta}").warnings
    assert "no candidate uses it" in said

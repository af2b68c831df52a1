import numpy as np
import pytest
from panels import seasonal_panel

from xflow.domain import backtest, tuning
from xflow.domain.candidate import Setting
from xflow.errors import ConfigInvalid

SETTING = Setting(seasonality=12, horizon=6, device="cpu")
FIXED = {"calendar": False, "rows": 2000, "trees": 5}


@pytest.fixture(scope="module")
def panel():
    return seasonal_panel(n=6, longest=72)


@pytest.fixture(scope="module")
def folds(panel):
    return backtest.plan_folds(panel.lengths, 6, 2, 25)


def tune(panel, folds, params=None, search=None, kind="global_xgb", **other):
    return tuning.tune(
        kind,
        {**FIXED, **(params or {})},
        search or {},
        panel=panel,
        folds=folds,
        metric="mase",
        setting=SETTING,
        **{"trials": 4, **other},
    )


def test_the_best_set_is_kept_with_its_own_forecasts(panel, folds):
    result = tune(panel, folds, search={"trees": [5, 120]}, trials=5)
    assert result.params["trees"] > 20
    assert result.score == backtest.score("mase", panel, folds, result.oof, 12)
    assert result.score < tune(panel, folds).score
    counts = [len(fold.members) for fold in folds.folds]
    assert np.average([f["mase"] for f in result.fold_scores], weights=counts) == pytest.approx(result.score)


def test_the_search_repeats_itself(panel, folds):
    search = {"trees": [5, 40], "depth": [2, 6], "learning_rate": [0.01, 0.3]}
    one, two = (tune(panel, folds, search=search) for _ in range(2))
    assert one.params == two.params
    np.testing.assert_array_equal(one.oof, two.oof)


def test_progress_reaches_the_planned_trials_and_equal_sets_are_run_once(panel, folds):
    seen = []
    result = tune(panel, folds, search={"calendar": [True, False]}, trials=6, progress=lambda *done: seen.append(done))
    assert seen == [(k, 6) for k in range(1, 7)]
    assert result.tried == 2


def test_without_a_search_space_there_is_one_trial(panel, folds):
    seen = []
    result = tune(panel, folds, trials=9, progress=lambda *done: seen.append(done))
    assert (seen, result.tried) == ([(1, 1)], 1)


def test_an_unknown_parameter_is_refused(panel, folds):
    with pytest.raises(ConfigInvalid, match="leaves"):
        tune(panel, folds, search={"leaves": [2, 4]})

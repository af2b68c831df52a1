import numpy as np
import pytest
from panels import seasonal_panel

from xflow.domain import backtest, ensemble


@pytest.fixture(scope="module")
def setup():
    panel = seasonal_panel(n=10, longest=72)
    folds = backtest.plan_folds(panel.lengths, 6, 2, 25)
    return panel, folds, backtest.actuals(panel, folds)


def test_opposite_errors_are_averaged_away(setup):
    panel, folds, actual = setup
    oof = {"high": actual * 1.1, "low": actual * 0.9, "far": actual * 3}
    weights, score = ensemble.select(oof, panel, folds, "mase", 12)
    assert weights == {"high": 0.5, "low": 0.5}
    assert score == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(ensemble.blend(oof, weights), actual)


def test_a_model_that_nothing_improves_stays_alone(setup):
    panel, folds, actual = setup
    weights, score = ensemble.select({"exact": actual, "off": actual * 1.2}, panel, folds, "smape", 12)
    assert weights == {"exact": 1.0}
    assert score == 0


def test_the_blend_is_never_worse_than_its_best_member(setup):
    panel, folds, actual = setup
    rng = np.random.default_rng(0)
    oof = {f"m{k}": actual * rng.lognormal(0, 0.1, actual.shape) for k in range(5)}
    weights, score = ensemble.select(oof, panel, folds, "mase", 12)
    singles = [backtest.score("mase", panel, folds, forecasts, 12) for forecasts in oof.values()]
    assert score < min(singles)
    assert sum(weights.values()) == pytest.approx(1)
    assert score == pytest.approx(backtest.score("mase", panel, folds, ensemble.blend(oof, weights), 12))

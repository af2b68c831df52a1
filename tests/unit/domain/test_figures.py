"""Pictures of series with any name."""

import io

import numpy as np
import pytest

from xflow.domain.figures import candidate_scores, forecast_against_actual
from xflow.domain.forecaster import Forecast
from xflow.domain.panel import Panel


@pytest.mark.parametrize("name", ["$a_{b$", "x" * 100_000, "line\nbreak", "ü/\\%s"])
def test_a_series_may_be_called_anything(name):
    history = Panel.from_series("M", [name], [600], [np.arange(30.0)])
    mean = np.full((1, 6), 30.0)
    figure = forecast_against_actual(
        history, mean + 1, Forecast(mean, (mean - 2, mean + 2)), (0.8,), np.array([1.0]), "mase"
    )
    png = io.BytesIO()
    figure.savefig(png)
    (ax,) = figure.axes
    assert ax.get_title(loc="left").endswith("MASE 1.00, 1 of 1")
    assert len(ax.get_title(loc="left")) < 70


def test_every_bar_of_the_candidates_has_a_colour_that_the_legend_explains():
    figure = candidate_scores({"naive": 2.0, "ets": 1.5, "theta": 1.9}, {"ets"}, "naive", 1.4, "log_loss")
    (ax,), (legend,) = figure.axes, figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {
        "selected model",
        "member of it",
        "floor, to be beaten",
        "not chosen",
    }
    assert len({bar.get_facecolor() for bar in ax.patches}) == 4
    assert ax.get_xlabel().startswith("log loss")

"""Pictures of series with any name."""

import io

import numpy as np
import pytest

from xflow.domain.figures import forecast_against_actual
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
    assert ax.get_title(loc="left").endswith("mase 1.00")
    assert len(ax.get_title(loc="left")) < 60

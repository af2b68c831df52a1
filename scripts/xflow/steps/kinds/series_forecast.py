"""Forecasts from the origin that a pipeline asks for: one piece of code for a batch and for a request."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from xflow.domain.forecaster import Forecast
from xflow.domain.panel import Panel

if TYPE_CHECKING:
    from xflow.domain.forecaster import Forecaster


LAST_YEAR = 2250
"""Last year that is forecast: times are counted in nanoseconds, of which an int64 holds no more than to 2262."""


def ends_too_late(panel: Panel, steps: npt.NDArray[np.int64]) -> bool:
    """Return whether a forecast of so many steps after each series' end goes beyond `LAST_YEAR`."""
    last = pd.Period(f"{LAST_YEAR}-12-31", freq=panel.freq).ordinal
    return bool((panel.ends + steps * panel.step > last).any())


def leads(origin: str, as_of: str, panel: Panel) -> npt.NDArray[np.int64]:
    """Return how many steps lie between each series' end and the origin of its forecast, shape (n,).

    Parameters
    ----------
    origin
        ``series_end`` or ``as_of``; see `xflow.pipeline.Model`.
    """
    if origin == "series_end":
        return np.zeros(panel.n_series, dtype=np.int64)
    return np.asarray(panel.steps_until(as_of))


def forecast_after(
    model: "Forecaster", panel: Panel, horizon: int, lead: int
) -> tuple[npt.NDArray[np.datetime64], Forecast]:
    """Return forecasts that begin `lead` steps after the ends of the series.

    A note says when all of them lie further ahead of the last value than the steps that the model was judged on.

    Returns
    -------
    timestamps, forecast
        Period starts, datetime64[ns], and forecasts with bounds, all of shape (n, horizon).
    """
    made = model.forecast(panel, horizon + lead)
    bounds = tuple(bound[:, lead:] for bound in made.bounds)
    notes = made.notes
    if lead >= model.horizon:
        judged = f"the model was judged on {model.horizon}"
        far = f"far ahead: {lead} steps lie between the last value and the origin, {judged}"
        notes = {i: f"{notes[i]}; {far}" if i in notes else far for i in range(panel.n_series)}
    cut = replace(made, mean=made.mean[:, lead:], bounds=bounds, notes=notes)
    return panel.future_timestamps(horizon + lead)[:, lead:], cut

"""Series on one common level, so that no model depends on the unit that values are in."""

import numpy as np

from xflow.domain.panel import Panel

LEVEL = 1000.0
"""Mean absolute value of a normalised series: the packages' optimisers stop at tolerances that suit such values."""
DECIMALS = 9


def normalised(panel: Panel) -> tuple[Panel, np.ndarray]:
    """Return every series divided by its unit, and the units, shape (n,): forecasts times the unit are in its own.

    Notes
    -----
    A series and a multiple of it come out equal to the last bit but where a rounding falls between: values are
    rounded to a billionth of a thousandth of the level. A series of zeros has unit 1.
    """
    size = np.add.reduceat(np.abs(panel.values), panel.offsets[:-1]) / panel.lengths
    unit = np.where(size > 0, size, LEVEL) / LEVEL
    values = np.round(panel.values / unit.repeat(panel.lengths), DECIMALS)
    exogenous = panel.exog_names, panel.exog_offsets, panel.exog, panel.gaps
    return Panel(panel.freq, panel.ids, panel.starts, panel.offsets, values, *exogenous), unit

"""Panels for tests: random ragged ones for hypothesis, and seasonal ones that a model can learn."""

import numpy as np
from hypothesis import strategies as st

from xflow.domain.panel import Panel


@st.composite
def panels(draw, shortest=1, longest=60, most=6, low=-1e4, high=1e4):
    """Draw a monthly panel of series with different starts and ends, some of them constant."""
    n = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = [draw(st.integers(shortest, longest)) for _ in range(n)]
    ends = [draw(st.integers(300, 320)) for _ in range(n)]
    series = [rng.uniform(low, high) + rng.normal(size=k) * draw(st.sampled_from([0.0, 1.0, 100.0])) for k in lengths]
    return Panel.from_series("M", [f"s{i}" for i in range(n)], ends, [np.clip(s, low, high) for s in series])


def seasonal_panel(n=12, longest=96, seed=0, noise=2.0):
    """Return monthly series with trend, season and different lengths and ends, sizes from 1 to 1,000."""
    rng = np.random.default_rng(seed)
    series = []
    for i in range(n):
        t = np.arange(longest - 3 * i % 30)
        shape = 100 + 0.8 * t + 20 * np.sin(2 * np.pi * (t + i) / 12) + rng.normal(0, noise, len(t))
        series.append(shape * 10 ** rng.uniform(-2, 1))
    return Panel.from_series("M", [f"s{i:02d}" for i in range(n)], [600 + i % 5 for i in range(n)], series)


def with_series(panel, i, values):
    """Return the panel with the values of series i replaced by as many others."""
    changed = panel.values.copy()
    changed[panel.offsets[i] : panel.offsets[i + 1]] = values
    return Panel(panel.freq, panel.ids, panel.starts, panel.offsets, changed)

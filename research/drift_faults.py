"""What may go wrong with an input, for the bench of the drift gate."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from xflow.domain.drift_series import window
from xflow.domain.panel import Panel


def series_faults(seasonality: int, horizon: int) -> dict[str, Callable[[Panel], Panel]]:
    """Return what may go wrong with series."""
    rng, last = np.random.default_rng(1), window(seasonality, horizon)

    def each(change: Callable[[np.ndarray, int], np.ndarray]) -> Callable[[Panel], Panel]:
        def apply(panel: Panel) -> Panel:
            values = [change(panel.series(i).copy(), i) for i in range(panel.n_series)]
            return Panel.from_series(panel.freq, list(panel.ids), panel.ends, values)

        return apply

    def tail(values: np.ndarray, steps: int, made: np.ndarray | float) -> np.ndarray:
        values[-steps:] = made
        return values

    def renamed(panel: Panel) -> Panel:
        ids = np.array([f"new {name}" if i % 10 < 7 else name for i, name in enumerate(panel.ids)], dtype=object)
        return replace(panel, ids=ids)

    return {
        "all values x 1000": each(lambda v, _: v * 1000),
        "x 1000 in a third of the series": each(lambda v, i: v * 1000 if i % 3 == 0 else v),
        "x 1000 in the last season alone": each(lambda v, _: tail(v, seasonality, v[-seasonality:] * 1e3)),
        "last season is zeros": each(lambda v, _: tail(v, seasonality, 0.0)),
        "a third of all values are zeros": each(lambda v, _: np.where(rng.random(len(v)) < 0.33, 0.0, v)),
        "stuck at one value for the last seasons": each(lambda v, _: tail(v, last, v[-last])),
        "values shuffled within each series": each(lambda v, _: rng.permutation(v)),
        "names of series shuffled": lambda panel: replace(panel, ids=rng.permutation(panel.ids)),
        "last seasons 40 % lower": each(lambda v, _: tail(v, last, v[-last:] * 0.6)),
        "last seasons 15 % lower": each(lambda v, _: tail(v, last, v[-last:] * 0.85)),
        "only the last two seasons delivered": lambda panel: panel.tail(2 * seasonality),
        "90 % of the series gone": lambda panel: panel.select(np.arange(0, panel.n_series, 10)),
        "70 % of the series renamed": renamed,
        "half of the series stopped two years ago": lambda panel: panel.head(
            np.where(np.arange(panel.n_series) % 2, 2 * last, 0)
        ),
    }


def vacancy_faults(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return what may go wrong with vacancies."""
    rng = np.random.default_rng(2)
    n, text, lemmas = len(frame), frame["responsibility"], frame["responsibility_lemmas"]
    some = pd.Series(rng.random(n) < 0.5, index=frame.index)
    garbled = text.map(lambda each: each.encode("utf-8").decode("latin-1"))
    swapped = {"responsibility": frame["requirement"], "responsibility_lemmas": frame["requirement_lemmas"]}
    return {
        "salaries in thousands": frame.assign(salary_net=frame["salary_net"] / 1000),
        "half of the salaries lost": frame.assign(salary_net=frame["salary_net"].mask(some)),
        "half of the texts lost": frame.assign(
            responsibility=text.mask(some, ""), responsibility_lemmas=lemmas.mask(some, "")
        ),
        "texts garbled (UTF-8 read as Latin-1)": frame.assign(responsibility=garbled, responsibility_lemmas=garbled),
        "texts cut after 40 letters": frame.assign(responsibility=text.str[:40], responsibility_lemmas=lemmas.str[:40]),
        "responsibility and requirement swapped": frame.assign(**swapped),
        "areas by other codes": frame.assign(area_id="a" + frame["area_id"]),
        "experience lost": frame.assign(experience_id=""),
        "columns shuffled: schedule in employment": frame.assign(employment_id=frame["schedule_id"]),
        "half of them of one new area": frame.assign(area_id=frame["area_id"].mask(some, "9999")),
    }

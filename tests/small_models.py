"""A pipeline of series with versions of its model that are made in a moment, each with figures of its own."""

from functools import cache

import numpy as np

from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.forecaster import Forecaster
from xflow.domain.intervals import Conformal
from xflow.domain.panel import Panel
from xflow.pipeline import Pipeline
from xflow.ports import ModelRegistry, SeriesBlock
from xflow.refs import ModelVersionRef, RunKey

HORIZON, SERIES, LENGTH = 3, 4, 36
START = 600  # January 2020
LEVELS = (0.8, 0.95)


class TwoTargets(Pipeline):
    """A pipeline of series with two models, as one of vacancies has."""

    @property
    def targets(self) -> tuple[str, ...]:
        return ("salary", "demand")


def small_pipeline[P: Pipeline](name: str = "demo", made: type[P] = Pipeline, **sections: object) -> P:
    naive = {"name": "naive", "kind": "seasonal_naive"}
    model = {"seasonality": 12, "horizon": HORIZON, "floor": "naive", "levels": list(LEVELS), "candidates": [naive]}
    return made.model_validate(
        {
            "pipeline": name,
            "description": "Generated series.",
            "input": {"train": f"input/{name}/train/", "predict": f"input/{name}/predict/"},
            "contract": {"frequency": "M"},
            "model": model,
            **sections,
        }
    )


def small_series(length: int = LENGTH) -> list[SeriesBlock]:
    rng = np.random.default_rng(3)
    values = [100 * (i + 1) + 10 * np.sin(np.arange(length) / 2) + rng.normal(0, 1, length) for i in range(SERIES)]
    return [SeriesBlock(f"s{i}", START, each, np.zeros((length, 0)), i) for i, each in enumerate(values)]


def small_panel() -> Panel:
    blocks = small_series()
    ids, values = [block.series_id for block in blocks], [block.values for block in blocks]
    return Panel.from_series("M", ids, [START + LENGTH - 1] * SERIES, values)


@cache
def small_model(width: float, levels: tuple[float, ...] = LEVELS) -> Forecaster:
    """Fit a seasonal naive model; `width` is that of its intervals, by which versions can be told apart."""
    panel = small_panel()
    naive = build_candidate("seasonal_naive", {}, Setting(12, HORIZON))
    intervals = Conformal.fit(width * np.random.default_rng(1).normal(0, 1, (200, HORIZON)), levels)
    return Forecaster.fit(panel, {"naive": (1.0, naive)}, intervals, 12, HORIZON)


def small_version(
    registry: ModelRegistry, name: str, width: float, levels: tuple[float, ...] = LEVELS
) -> ModelVersionRef:
    """Register a version; it serves nowhere yet."""
    key = RunKey(pipeline=name, kind="train", run_id=f"width-{width}-{len(levels)}")
    run_id = registry.open_run(key, {}, {"kind": "train"})
    uri = registry.log_model(run_id, small_model(width, levels), small_panel().to_frame(), {}, {}, {}, {})
    return registry.register(name, run_id, uri, {"run_key": str(key)}, "small")

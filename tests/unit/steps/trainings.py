"""Trainings over stores in memory, up to the registered model."""

import io
from types import SimpleNamespace

import numpy as np
import pandas as pd

from xflow.adapters.memory import MemoryFeatures, MemoryMart, MemoryStore
from xflow.adapters.memory_registry import MemoryRegistry
from xflow.origin import origin_of
from xflow.pipeline import Pipeline
from xflow.refs import RunKey
from xflow.schema import series_tables
from xflow.steps import tune as tune_step
from xflow.steps.check_contract import check_contract
from xflow.steps.fit import fit
from xflow.steps.plan import plan
from xflow.steps.promote import register
from xflow.steps.select import select
from xflow.steps.write_features import write_features

NAIVE = {"name": "naive", "kind": "seasonal_naive"}
SMALL = {"name": "small", "kind": "global_xgb", "params": {"trees": 5, "depth": 2, "min_child_weight": 1.0}}
WIDE = {"name": "wide", "kind": "global_xgb", "params": {"trees": 8}, "search": {"depth": [2, 4]}}
INPUT = "in/series.parquet"


def pipeline(candidates=(NAIVE, SMALL, WIDE), **model) -> Pipeline:
    section = {"seasonality": 12, "horizon": 6, "folds": 1, "trials": 2, "floor": "naive", "device": "cpu"}
    return Pipeline.model_validate(
        {
            "pipeline": "demo",
            "description": "Generated series.",
            "input": {"train": "in/", "predict": "in/"},
            "contract": {"frequency": "M", "min_length": 30},
            "model": section | {"candidates": list(candidates)} | model,
        }
    )


def table(months=48, series=4, bump=0.0, first=0) -> bytes:
    rng = np.random.default_rng(5)
    t = np.arange(months)
    frames = []
    for i in range(first, first + series):
        values = 100 * (1 + i) * (1 + 0.01 * t) * (1 + 0.2 * np.sin(2 * np.pi * t / 12)) * rng.normal(1, 0.01, months)
        times = pd.date_range("2019-01-01", periods=months, freq="MS")
        frames.append(pd.DataFrame({"series_id": f"s{i}", "timestamp": times, "value": values + bump}))
    sink = io.BytesIO()
    pd.concat(frames).to_parquet(sink, index=False)
    return sink.getvalue()


class World:
    """Stores in memory, and trainings that count the candidates they tune."""

    def __init__(self):
        self.store, self.mart = MemoryStore(), MemoryMart()
        self.features, self.registry = MemoryFeatures(), MemoryRegistry()
        self.mart.prepare("demo", series_tables((), (0.8, 0.95)))
        self.store.put(INPUT, table())
        self.written = self.tuned = 0

    def train(self, run_id="one", config=None, origin=None, *, as_of=None, force=False, whole=False):
        config = config or pipeline()
        origin = origin or origin_of(config)
        key = RunKey(pipeline="demo", kind="train", run_id=run_id)
        before = len(self.features.sets)
        checked = check_contract(key, config, "in/", as_of, store=self.store, mart=self.mart)
        made = write_features(
            key, config, checked, store=self.store, features=self.features, code_hash=origin.code_hash, force=force
        )
        stores = {"store": self.store, "feature_store": self.features}
        planned = plan(config, made, None, config.model.trials, feature_store=self.features)
        names = [candidate.name for candidate in config.model.candidates]
        scores = [tune_step.tune(key, config, planned, name, origin=origin, force=force, **stores) for name in names]
        new = len(self.features.sets) - before
        reused = {score.name: score.reused_from for score in scores if score.reused_from}
        made = SimpleNamespace(features=made, scores=scores, reused=reused, new=new)
        if whole:
            made.chosen = select(
                key, config, planned, scores, {}, registry=self.registry, code_hash=origin.code_hash, **stores
            )
            made_of = {"checked": checked, "origin": origin}
            made.fitted = fit(key, config, planned, made.chosen, {}, registry=self.registry, **made_of, **stores)
            made.version = register(key, config, planned, made.fitted, {}, registry=self.registry)
        return made

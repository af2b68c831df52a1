"""Batch prediction against the bare model call and one parquet write, and its peak memory at 1x and 10x series.

The step reads its features from Tarantool and writes parts and manifest to S3, on real servers; the model is handed to
it fitted, by the fake registry. Both ways are timed in turn in this one process.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from bench_io import in_turn, stack
from xflow.adapters.memory_promotions import MemoryPromotions
from xflow.adapters.memory_registry import MemoryRegistry
from xflow.adapters.s3 import S3Store
from xflow.adapters.tarantool import TarantoolFeatures
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.forecaster import Forecaster
from xflow.domain.intervals import Conformal
from xflow.domain.panel import Panel
from xflow.pipeline import Pipeline, load
from xflow.ports import SeriesBlock
from xflow.refs import CheckedInput, FeatureSetRef, ObjectRef, RunKey
from xflow.settings import ENVIRONMENT, Settings, pipelines_folder
from xflow.steps.kinds.read_panel import read_panel
from xflow.steps.predict import predict

SPEED_LIMIT = 0.7
MEMORY_LIMIT = 1.5
HORIZON, LENGTH = 24, 120
KEY = RunKey(pipeline="tourism_monthly", kind="predict", run_id="bench")


class Job:
    """A feature set of generated monthly series, a fitted model, and the step over them."""

    def __init__(self, settings: Settings, series: int) -> None:
        s = settings
        self.store = S3Store(s.s3_endpoint, s.s3_bucket, s.s3_access_key, s.s3_secret_key)
        self.features = TarantoolFeatures(s.tarantool_uri)
        self.pipeline: Pipeline = load(pipelines_folder() / "tourism_monthly.yaml")
        self.set: FeatureSetRef = self.features.write(KEY, {"frequency": "M", "exogenous": ""}, blocks(series))
        self.registry = MemoryRegistry()
        panel, _ = read_panel(self.features, self.set)
        self.model = fitted(panel.select(np.arange(300)))
        uri = self.registry.log_model(self.registry.open_run(KEY, {}, {}), self.model, None, {}, {}, {}, {})
        self.registry.promote(self.registry.register(self.pipeline.name, uri, uri, {}, ""), None)

    def step(self) -> None:
        """Run the step as the DAG does."""
        checked = CheckedInput(
            objects=(), verdict=ObjectRef(uri="", etag="", size=0), rows_in=0, rows_accepted=0, rows_rejected=0,
            entities=0, as_of="2024-01-01",
        )  # fmt: skip
        predict(
            KEY, self.pipeline, checked, self.set, HORIZON, "bench",
            store=self.store, feature_store=self.features, registry=self.registry, ledger=MemoryPromotions(),
        )  # fmt: skip

    def bare(self, panel: Panel, path: Path) -> None:
        """Call the model once and write one parquet file."""
        made = self.model.forecast(panel, HORIZON)
        columns = {"series_id": panel.ids.repeat(HORIZON), "timestamp": panel.future_timestamps(HORIZON).ravel()}
        columns |= {"forecast": made.mean.ravel()} | {f"bound_{k}": b.ravel() for k, b in enumerate(made.bounds)}
        pd.DataFrame(columns).to_parquet(path, compression="zstd")


def blocks(series: int) -> Iterator[SeriesBlock]:
    """Yield seasonal series."""
    random = np.random.default_rng(0)
    season = 1 + 0.3 * np.sin(2 * np.pi * np.arange(LENGTH) / 12)
    for i in range(series):
        values = 100 * season * random.normal(1, 0.05, LENGTH)
        yield SeriesBlock(f"series_{i:07d}", 500, values, np.zeros((0, 0)), i)


def fitted(panel: Panel) -> Forecaster:
    """Return a global XGBoost with the pipeline's default parameters, fitted on a few series."""
    members = {"global_xgb": (1.0, build_candidate("global_xgb", {}, Setting(12, HORIZON)))}
    intervals = Conformal.fit(np.random.default_rng(0).normal(size=(500, HORIZON)), (0.8, 0.95))
    return Forecaster.fit(panel, members, intervals, 12, HORIZON)


def peak(settings: Settings, series: int) -> int:
    """Return the peak memory in MiB of a fresh process that runs the step once."""
    environment = os.environ | {
        name: getattr(settings, field) for field, name in ENVIRONMENT.items() if hasattr(settings, field)
    }
    command = [sys.executable, __file__, "--measure", str(series)]
    return int(subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout)


def main() -> int:
    """Print the table; return 1 when a figure misses its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=5_000)
    parser.add_argument("--measure", type=int, metavar="SERIES", help="peak memory of one step, in this process")
    arguments = parser.parse_args()
    if arguments.measure:
        Job(Settings.from_env(), arguments.measure).step()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        return 0
    with stack() as settings, tempfile.TemporaryDirectory() as folder:
        job = Job(settings, arguments.series)
        panel, _ = read_panel(job.features, job.set)
        step, bare = in_turn(job.step, lambda: job.bare(panel, Path(folder) / "bare.parquet"), lambda: None)
        once, ten = peak(settings, arguments.series), peak(settings, 10 * arguments.series)
    speed, memory = bare / step, ten / once
    print(f"\n{'figure':<58} {'measured':>9} {'limit':>7}")
    print(
        f"{'batch prediction / bare model call + one parquet write':<58} {speed:>9.2f} {f'>= {SPEED_LIMIT}':>7} "
        f"{'kept' if speed >= SPEED_LIMIT else 'MISSED':<6} {arguments.series} series, {step:.2f} s and {bare:.2f} s"
    )
    print(
        f"{'peak memory of a prediction, 10x rows / 1x rows':<58} {memory:>9.2f} {f'<= {MEMORY_LIMIT}':>7} "
        f"{'kept' if memory <= MEMORY_LIMIT else 'MISSED':<6} {once} MiB at {arguments.series * LENGTH:,} rows, "
        f"{ten} MiB at {10 * arguments.series * LENGTH:,}"
    )
    return 0 if speed >= SPEED_LIMIT and memory <= MEMORY_LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())

"""Peak memory of each step at 1x and 10x input rows, each in a fresh process against real servers.

A throw-away stack is started and removed. The input is hourly series of 500 values; the candidate that
is tuned is the global XGBoost with the pipeline's cap on training rows.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench_io import stack
from xflow.pipeline import load
from xflow.refs import RunKey
from xflow.settings import ENVIRONMENT, Settings
from xflow.train_runner import TrainRunner

LENGTH, HORIZON = 500, 24
STEPS = ("check_contract", "load_mart", "write_features", "tune")
PIPELINE = """
pipeline: bench_memory
description: Generated hourly series.
input: {train: input/bench_memory/train.parquet, predict: input/bench_memory/train.parquet}
contract: {frequency: h, min_length: 200}
model:
  seasonality: 24
  horizon: 24
  folds: 1
  candidates:
    - {name: seasonal_naive, kind: seasonal_naive}
    - {name: global_xgb, kind: global_xgb, params: {rows: 200000, trees: 50}}
"""


def write_input(path: Path, rows: int) -> None:
    """Write series by series, one row group each hundred series."""
    random = np.random.default_rng(0)
    times = np.datetime64("2024-01-01", "us") + np.arange(LENGTH) * np.timedelta64(3_600_000_000, "us")
    season = 1 + 0.3 * np.sin(2 * np.pi * np.arange(LENGTH) / 24)
    schema = pa.schema({"series_id": pa.string(), "timestamp": pa.timestamp("us"), "value": pa.float64()})
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, rows // LENGTH, 100):
            names = np.repeat([f"series_{i:06d}" for i in range(first, min(first + 100, rows // LENGTH))], LENGTH)
            many = len(names) // LENGTH
            values = 100 * np.tile(season, many) * random.normal(1, 0.05, len(names))
            writer.write_table(pa.table([pa.array(names), np.tile(times, many), values], schema=schema))


def run(folder: Path, step: str, rows: int) -> None:
    """Run one step of the run, and keep what it returns for the steps after it."""
    runner = TrainRunner(
        Settings.from_env(),
        load(folder / "bench_memory.yaml"),
        RunKey(pipeline="bench_memory", kind="train", run_id=str(rows)),
    )
    kept = folder / f"{rows}.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    began = time.monotonic()
    if step == "check_contract":
        known[step] = runner.check_contract()
    elif step == "tune":
        plan = runner.plan(known["write_features"], HORIZON, 1)
        known[step] = runner.tune(plan, "global_xgb", force=True)
    elif step == "write_features":
        known[step] = runner.write_features(known["check_contract"], force=True)
    else:
        known[step] = getattr(runner, step)(known["check_contract"])
    kept.write_text(json.dumps(known))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"peak": peak, "seconds": time.monotonic() - began}))


def measure(settings: Settings, folder: Path, step: str, rows: int) -> dict[str, float]:
    """Return peak memory in MiB and seconds of one step in a process of its own."""
    environment = os.environ | {name: getattr(settings, field) for field, name in ENVIRONMENT.items()}
    command = [sys.executable, __file__, "--measure", step, str(folder), "--rows", str(rows)]
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--measure", nargs=2, metavar=("STEP", "FOLDER"), help="run one step in this process")
    options = parser.parse_args()
    if options.measure:
        step, folder = options.measure
        run(Path(folder), step, options.rows)
        return 0
    found: dict[tuple[str, int], dict[str, float]] = {}
    sizes = (options.rows, 10 * options.rows)
    with stack() as settings, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench_memory.yaml").write_text(PIPELINE)
        for rows in sizes:
            write_input(folder / "input.parquet", rows)
            runner = TrainRunner(
                settings,
                load(folder / "bench_memory.yaml"),
                RunKey(pipeline="bench_memory", kind="train", run_id="x"),
            )
            runner.store.put("input/bench_memory/train.parquet", folder / "input.parquet")
            for step in STEPS:
                found[step, rows] = measure(settings, folder, step, rows)
    print(f"\n{'step':<18}" + "".join(f"{f'{rows:,} rows':>22}" for rows in sizes) + f"{'growth a row':>16}")
    for step in STEPS:
        cells = [found[step, rows] for rows in sizes]
        growth = (cells[1]["peak"] - cells[0]["peak"]) * 2**20 / (sizes[1] - sizes[0])
        print(
            f"{step:<18}"
            + "".join(f"{cell['peak']:>10.0f} MiB {cell['seconds']:>6.1f} s" for cell in cells)
            + f"{growth:>14.0f} B"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

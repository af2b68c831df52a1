"""Speed of the stores against the plainest way to move the same rows, and peak memory at 1x and 10x rows.

Run by hand: ``python research/bench_io.py [--rows 1000000]``. A throw-away stack is started and removed.
Every ratio is of two ways timed in turn in this one process, and stands beside the limit it is held against.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import tarantool
from psycopg2.extensions import make_dsn, parse_dsn

from xflow.adapters.greenplum import GreenplumMart
from xflow.adapters.s3 import S3Store
from xflow.adapters.tarantool import TarantoolFeatures
from xflow.ports import SeriesBlock, TableRows
from xflow.refs import RunKey
from xflow.schema import input_schema, series_tables
from xflow.settings import ENVIRONMENT, REPOSITORY, Settings, read_env_file

MART_LIMIT = 0.8
FEATURES_LIMIT = 0.8
MEMORY_LIMIT = 1.3
REPEATS = 5
SERIES_LENGTH = 200
SCHEMA = input_schema()
PIPELINE = "bench"
TABLE = f"{PIPELINE}_input"


@contextmanager
def stack() -> Iterator[Settings]:
    """Start a throw-away stack, or use the one whose folder XFLOW_BENCH_HOME names."""
    given = os.environ.get("XFLOW_BENCH_HOME")
    home = Path(given or tempfile.mkdtemp(prefix="xflow-bench-"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XFLOW_")}
    environment |= {"XFLOW_HOME": str(home), "XFLOW_ENV_FILE": str(home / "env")}
    start_sh = REPOSITORY / "start.sh"
    try:
        subprocess.run([start_sh, "up", "--native", "--services", "postgres,tarantool,s3"], check=True, env=environment)
        yield Settings.from_env(read_env_file(home / "env"))
    finally:
        if given is None:
            subprocess.run([start_sh, "stop", "--native"], check=True, env=environment)
            shutil.rmtree((home / "postgres").resolve(), ignore_errors=True)
            shutil.rmtree(home)


def main() -> int:
    """Print the table; return 1 when a figure misses its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "ROWS"), help="peak memory of one load, in this process")
    arguments = parser.parse_args()
    if arguments.measure:
        what, rows = arguments.measure
        LOADS[what](Settings.from_env(), int(rows))
        # Not getrusage: its peak starts from that of the parent process.
        (status,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
        print(int(status) // 1024)
        return 0
    with stack() as settings, tempfile.TemporaryDirectory() as folder:
        lines = [
            mart_against_psql(settings, arguments.rows, Path(folder)),
            features_against_put_many(settings, arguments.rows),
            *(memory(settings, what, arguments.rows) for what in LOADS),
        ]
    print(f"\n{'figure':<58} {'measured':>9} {'limit':>7}")
    for figure, measured, limit, kept, note in lines:
        print(f"{figure:<58} {measured:>9.2f} {limit:>7} {'kept' if kept else 'MISSED':<6} {note}")
    return 0 if all(line[3] for line in lines) else 1


Line = tuple[str, float, str, bool, str]


def mart_against_psql(settings: Settings, rows: int, folder: Path) -> Line:
    """Time a mart load from parquet against psql's copy of the same rows from CSV into the same table."""
    mart = GreenplumMart(settings.greenplum_dsn)
    mart.prepare(PIPELINE, series_tables((), (0.8,)))
    key = RunKey(pipeline=PIPELINE, kind="train", run_id="load")
    parquet, csv = folder / "rows.parquet", folder / "rows.csv"
    with pq.ParquetWriter(parquet, SCHEMA) as writer, csv.open("wb") as file:
        for batch in batches(rows):
            writer.write_batch(batch)
            keys = pa.array([str(key)] * batch.num_rows)
            keyed = batch.add_column(0, "run_key", keys)
            pa.csv.write_csv(keyed, file, pa.csv.WriteOptions(include_header=False))

    def load() -> None:
        stored = pq.ParquetFile(parquet).iter_batches()
        mart.load(key, [TableRows(TABLE, SCHEMA, stored)], {})

    def copy() -> None:
        psql(settings, rf"\copy mart.{TABLE} from '{csv}' with (format csv)")

    def empty() -> None:
        psql(settings, f"truncate mart.{TABLE}")

    ours, theirs = in_turn(load, copy, empty)
    note = f"{rows / ours:,.0f} rows/s, psql {rows / theirs:,.0f} rows/s"
    ratio = theirs / ours
    return "mart load / psql \\copy, rows per second", ratio, f">= {MART_LIMIT}", ratio >= MART_LIMIT, note


BATCHED_WRITES = """
box.cfg{listen = os.getenv('BENCH_SOCKET'), memtx_memory = 2 * 1024^3, log_level = 1}
local space = box.schema.space.create('row')
space:create_index('pk', {parts = {1, 'string', 2, 'unsigned'}})
box.schema.user.grant('guest', 'super')
function put_many(tuples)
    box.begin()
    for _, tuple in ipairs(tuples) do space:replace(tuple) end
    box.commit()
end
function empty() space:truncate() end
"""


def features_against_put_many(settings: Settings, rows: int) -> Line:
    """Time a feature write of series of 30 values against batched writes of as many rows of 30 floats.

    The batched writes go to a bare Tarantool of their own: a stored function that replaces 1,000 tuples
    (entity, ts, 30 floats) a call in one transaction, without names, checksums or a ready mark.
    """
    features = TarantoolFeatures(settings.tarantool_uri)
    key = RunKey(pipeline=PIPELINE, kind="train", run_id="features")
    blocks = list(series(rows // 10, 30))
    ready = [[block.series_id, 0, *block.values.tolist()] for block in blocks]

    with bare_tarantool() as connection:

        def put_many() -> None:
            for at in range(0, len(ready), 1000):
                connection.call("put_many", (ready[at : at + 1000],))

        def empty() -> None:
            features.purge(key.job, 0)
            connection.call("empty")

        ours, theirs = in_turn(lambda: features.write(key, {}, blocks), put_many, empty)
    ratio = theirs / ours
    note = f"{len(blocks) / ours:,.0f} series of 30 values/s, batched writes {len(blocks) / theirs:,.0f}/s"
    return "feature write / batched writes, per second", ratio, f">= {FEATURES_LIMIT}", ratio >= FEATURES_LIMIT, note


@contextmanager
def bare_tarantool() -> Iterator[tarantool.Connection]:
    """Start a Tarantool without persistence rules of ours, reached through a socket in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        script, address = Path(folder, "init.lua"), Path(folder, "socket")
        script.write_text(BATCHED_WRITES)
        environment = os.environ | {"BENCH_SOCKET": str(address)}
        server = subprocess.Popen(["tarantool", script], cwd=folder, env=environment)
        try:
            while not address.exists():
                time.sleep(0.1)
            time.sleep(1)
            connection = tarantool.Connection(None, str(address), connect_now=True)
            yield connection
            connection.close()
        finally:
            server.terminate()
            server.wait()


def memory(settings: Settings, what: str, rows: int) -> Line:
    """Compare the peak memory of one load at ten times the rows with that at once the rows."""
    once, ten = (peak(settings, what, size) for size in (rows, 10 * rows))
    ratio = ten / once
    note = f"{once} MiB at {rows:,} rows, {ten} MiB at {10 * rows:,}"
    return f"peak memory of a {what}, 10x rows / 1x rows", ratio, f"<= {MEMORY_LIMIT}", ratio <= MEMORY_LIMIT, note


def peak(settings: Settings, what: str, rows: int) -> int:
    """Return the peak memory in MiB of a fresh process that makes one load."""
    environment = os.environ | {name: getattr(settings, field) for field, name in ENVIRONMENT.items()}
    command = [sys.executable, __file__, "--measure", what, str(rows)]
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    return int(done.stdout)


def load_mart(settings: Settings, rows: int) -> None:
    """Load generated batches into the mart, then nothing in their place."""
    mart = GreenplumMart(settings.greenplum_dsn)
    key = RunKey(pipeline=PIPELINE, kind="train", run_id="memory")
    mart.load(key, [TableRows(TABLE, SCHEMA, batches(rows))], {})
    psql(settings, f"truncate mart.{TABLE}")


def write_features(settings: Settings, rows: int) -> None:
    """Write a feature set of so many values and read it back, then purge it."""
    features = TarantoolFeatures(settings.tarantool_uri)
    key = RunKey(pipeline=PIPELINE, kind="train", run_id="memory")
    written = features.write(key, {}, series(rows // SERIES_LENGTH, SERIES_LENGTH))
    _, stored = features.read(written)
    if sum(len(block.values) for block in stored) != rows // SERIES_LENGTH * SERIES_LENGTH:
        raise ValueError("values were lost")
    features.purge(key.job, 0)


def copy_object(settings: Settings, rows: int) -> None:
    """Upload a file of 32 bytes a row and download it."""
    store = S3Store(settings.s3_endpoint, settings.s3_bucket, settings.s3_access_key, settings.s3_secret_key)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "object")
        with path.open("wb") as file:
            for at in range(0, rows, 32_768):
                file.write(os.urandom(32 * min(32_768, rows - at)))
        store.download(store.put("bench/object", path), path)
        store.delete("bench/")


LOADS: dict[str, Callable[[Settings, int], None]] = {
    "mart load": load_mart,
    "feature write and read": write_features,
    "file to S3 and back": copy_object,
}


def in_turn(ours: Callable[[], None], theirs: Callable[[], None], before: Callable[[], None]) -> tuple[float, float]:
    """Return the median seconds of two ways, timed in turn after the same preparation."""
    seconds: dict[Callable[[], None], list[float]] = {ours: [], theirs: []}
    for _ in range(REPEATS):
        for way, taken in seconds.items():
            before()
            began = time.perf_counter()
            way()
            taken.append(time.perf_counter() - began)
    return statistics.median(seconds[ours]), statistics.median(seconds[theirs])


def batches(rows: int, size: int = 65_536) -> Iterator[pa.RecordBatch]:
    """Yield input rows: series of 200 hours with values that fill their digits."""
    random = np.random.default_rng(0)
    for at in range(0, rows, size):
        ids = np.arange(at, min(at + size, rows))
        names = pa.array(np.char.add("series_", (ids // SERIES_LENGTH).astype(str)))
        times = (ids % SERIES_LENGTH * 3_600_000_000).astype("M8[us]")
        columns = [pa.array(ids), names, pa.array(times), pa.array(random.normal(size=len(ids)))]
        yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def series(count: int, length: int) -> Iterator[SeriesBlock]:
    """Yield series of random values without exogenous columns."""
    random = np.random.default_rng(0)
    nothing = np.zeros((0, 0))
    for i in range(count):
        yield SeriesBlock(f"series_{i}", 0, random.normal(size=length), nothing, i)


def psql(settings: Settings, command: str) -> None:
    """Run one psql command; the password travels in the environment."""
    address = parse_dsn(settings.greenplum_dsn)
    environment = os.environ | {"PGPASSWORD": address.pop("password"), "PGOPTIONS": "--client-min-messages=warning"}
    subprocess.run(["psql", "-qX", "-c", command, make_dsn(**address)], check=True, env=environment)


if __name__ == "__main__":
    sys.exit(main())

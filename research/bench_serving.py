"""The prediction service under load, beside the bare model call in one run, and while versions are swapped.

Asks the running service (XFLOW_SERVING_URL, or that of .env) with the demo's data: ``./start.sh demo`` comes first.
Clients run in a process of their own on the same machine, so that they take their share of its cores. A copy of each
champion is registered to be swapped in, and deleted at the end.
"""

import argparse
import os
import statistics
import sys
import time
from itertools import cycle

import mlflow
import numpy as np

from serving_asked import SERIES, VACANCIES, Endpoint, World
from serving_load import Load, Measured, finish, start
from xflow.settings import Settings, env_file, read_env_file

LIMIT = 5.0
CLIENTS = (1, 8, 32)
CALLS, WARM_UP = 150, 5
BARE_SECONDS = 3.0


def bare_calls(endpoint: Endpoint) -> list[float]:
    """Time bare calls in this process, after some that warm it up; seconds."""
    took: list[float] = []
    for at in range(WARM_UP + CALLS):
        began = time.perf_counter()
        endpoint.bare(at)
        took.append(time.perf_counter() - began)
        if len(took) > WARM_UP and sum(took) > BARE_SECONDS:
            break
    return took[WARM_UP:]


def line(name: str, clients: str, rate: float, took: list[float], bare: float, errors: str) -> str:
    """Return one row of the table; times in milliseconds."""
    p50, p95, p99 = np.percentile(np.array(took or [np.nan]) * 1e3, [50, 95, 99])
    ratios = f"{p50 / bare / 1e3:.2f} | {p99 / bare / 1e3:.2f}"
    return f"| {name} | {clients} | {rate:.0f} | {p50:.1f} | {p95:.1f} | {p99:.1f} | {ratios} | {errors} |"


def measure(world: World, endpoint: Endpoint, clients: tuple[int, ...], seconds: float) -> tuple[float, int]:
    """Print an endpoint's rows; return p99 at one client over the bare call's median, and the errors."""
    single, errors = float("nan"), 0
    for count in clients:
        before = bare_calls(endpoint)
        asked = Load(world.url, world.key, endpoint.path, endpoint.bodies, count, seconds)
        finish(start(Load(**{**vars(asked), "seconds": 1.0})))  # warms both sides up
        found = finish(start(asked))
        bare_all = before + bare_calls(endpoint)
        bare = statistics.median(bare_all)
        if count == clients[0]:
            print(line(endpoint.name, "bare call", 1 / bare, bare_all, bare, "0"))
            single = float(np.percentile(found.took, 99)) / bare if found.took else float("inf")
        rate = len(found.took) / found.elapsed
        print(line(endpoint.name, str(count), rate, found.took, bare, told(found)), flush=True)
        errors += found.errors.total()
    return single, errors


def told(found: Measured) -> str:
    """Return the errors in words."""
    return ", ".join(f"{count} x {name}" for name, count in found.errors.items()) or "0"


def swap_under_load(world: World, endpoints: list[Endpoint], seconds: float) -> int:
    """Swap copies of the champions in and back while both endpoints are asked; return the errors."""
    client = mlflow.MlflowClient()
    pairs: dict[str, list[str]] = {}
    took: list[float] = []
    try:
        for name in (SERIES, f"{VACANCIES}_salary", f"{VACANCIES}_demand"):
            now = world.call("GET", f"/v1/models/{name}")["version"]
            known = client.get_model_version(name, now)
            tags, model = {"run_key": "bench"}, known.source.removeprefix("models:/")
            copy = client.create_model_version(name, known.source, known.run_id, tags=tags, model_id=model)
            pairs[name] = [str(copy.version), now]
        loads = [Load(world.url, world.key, each.path, each.bodies, 4, seconds, read=True) for each in endpoints]
        running = [start(each) for each in loads]
        for turn, name in cycle((turn, name) for turn in (0, 1) for name in pairs):
            if all(process.poll() is not None for process in running):
                break
            began = time.perf_counter()
            world.call("PUT", f"/v1/models/{name}", {"version": pairs[name][turn]})
            took.append(time.perf_counter() - began)
        found = [finish(process) for process in running]
    finally:
        for name, (copied, now) in pairs.items():
            world.call("PUT", f"/v1/models/{name}", {"version": now})
            client.delete_model_version(name, copied)
    print(f"\n{len(took)} swaps under load, each {statistics.median(took):.1f} s from request to answer (median)")
    for endpoint, each in zip(endpoints, found, strict=True):
        p99, versions = 1e3 * float(np.percentile(each.took, 99)), dict(each.versions)
        print(f"{endpoint.name}: {len(each.took)} answers, p99 {p99:.1f} ms, errors: {told(each)}; by {versions}")
    return sum(each.errors.total() for each in found)


def main() -> int:
    """Print the tables; return 1 when a limit is missed or a request failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    seconds = parser.parse_args().seconds
    given = {**read_env_file(env_file()), **os.environ}
    world = World(Settings.from_env(), given["XFLOW_SERVING_URL"], given["XFLOW_SERVING_KEY"])
    endpoints = world.endpoints()
    load, cores = os.getloadavg()[0], os.cpu_count()
    print(f"\nload average {load:.1f}, {cores} cores, memory of the service {world.memory():.0f} MiB\n")
    print("| asked | clients | requests/s | p50 ms | p95 ms | p99 ms | p50 / bare | p99 / bare | errors |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---|")
    found = [measure(world, endpoint, CLIENTS, seconds) for endpoint in endpoints[:2]]
    found += [measure(world, endpoint, CLIENTS[:1], seconds) for endpoint in endpoints[2:]]
    errors = sum(count for _, count in found) + swap_under_load(world, endpoints[:2], 4 * seconds)
    single = found[0][0]
    print(f"\nmemory of the service {world.memory():.0f} MiB, {errors} errors")
    print(f"p99 of one vacancy at one client is {single:.2f} times the median bare call (limit {LIMIT})")
    return int(single >= LIMIT or errors > 0)


if __name__ == "__main__":
    sys.exit(main())

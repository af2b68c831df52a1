"""One suite over the rate limiters: the fake and Tarantool's."""

import subprocess
import sys
import time
import uuid
from collections.abc import Callable

import pytest

from xflow.adapters.rate_limit import LocalRateLimit, TarantoolRateLimit
from xflow.errors import ServiceUnavailable
from xflow.settings import Settings
from xflow.vacancy_ports import RateLimit

Make = Callable[[float], RateLimit]
NEVER = 600.0  # seconds that no first slot takes, however busy the machine is


@pytest.fixture(params=["local", pytest.param("tarantool", marks=pytest.mark.services)])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "local":
        return LocalRateLimit
    stores: Settings = request.getfixturevalue("stores")
    name = uuid.uuid4().hex
    return lambda per_second: TarantoolRateLimit(stores.tarantool_uri, name, per_second)


def seconds(limit: RateLimit, slots: int) -> float:
    started = time.monotonic()
    for _ in range(slots):
        limit.wait()
    return time.monotonic() - started


def test_slots_come_one_interval_apart(make: Make) -> None:
    assert seconds(make(50), 11) >= 10 / 50


def test_the_first_slot_is_free(make: Make) -> None:
    assert seconds(make(1 / NEVER), 1) < NEVER


def test_an_idle_limiter_saves_no_slots_up(make: Make) -> None:
    limit = make(10)
    limit.wait()
    time.sleep(0.5)
    assert seconds(limit, 4) >= 0.3


def test_nobody_takes_a_slot_while_it_is_held(make: Make) -> None:
    limit = make(1000)
    limit.hold(0.4)
    limit.hold(0.1)  # does not shorten it
    assert seconds(limit, 2) >= 0.38


WORKER = """
import sys, time
from xflow.adapters.rate_limit import TarantoolRateLimit
limit = TarantoolRateLimit(sys.argv[1], sys.argv[2], float(sys.argv[3]))
print(time.time(), flush=True)
for _ in range(int(sys.argv[4])):
    limit.wait()
    print(time.time(), flush=True)
"""


@pytest.mark.services
def test_two_processes_together_keep_the_rate(stores: Settings) -> None:
    arguments = [sys.executable, "-c", WORKER, stores.tarantool_uri, uuid.uuid4().hex, "40", "30"]
    workers = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    times = sorted(float(line) for worker in workers for line in worker.communicate(timeout=300)[0].split())
    assert len(times) == 2 + 60
    # The first time is before the first slot, and sixty slots are 59 intervals.
    assert times[-1] - times[0] >= 59 / 40


@pytest.mark.services
def test_limiters_of_different_names_do_not_meet(stores: Settings) -> None:
    one, two = (TarantoolRateLimit(stores.tarantool_uri, uuid.uuid4().hex, 1 / NEVER) for _ in range(2))
    one.wait()
    assert seconds(two, 1) < NEVER


def test_without_tarantool_nobody_asks(closed_port: int) -> None:
    with pytest.raises(ServiceUnavailable, match="no answer"):
        TarantoolRateLimit(f"tarantool://xflow:SECRET@127.0.0.1:{closed_port}", "hh", 5).wait()


def test_the_password_does_not_show() -> None:
    assert "SECRET" not in repr(TarantoolRateLimit("tarantool://xflow:SECRET@127.0.0.1:3301", "hh", 5))

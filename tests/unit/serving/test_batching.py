"""Calls of models that requests share: what waits is called together, and what fails, fails alone."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence

import pytest

from xflow.serving.batching import Batcher, Lanes
from xflow.serving.problems import Problem


class Gate:
    """A call that runs until it is let go; it doubles numbers and fails on negative ones."""

    def __init__(self) -> None:
        self.open, self.calls = threading.Event(), list[list[list[int]]]()

    def __call__(self, asked: Sequence[Sequence[int]]) -> list[list[int]]:
        assert threading.current_thread() is not threading.main_thread()
        self.calls.append([list(rows) for rows in asked])
        assert self.open.wait(10)
        if any(row < 0 for rows in asked for row in rows):
            raise ValueError("negative")
        return [[2 * row for row in rows] for rows in asked]


def batcher(gate: Gate, rows_a_call: int = 4, most_waiting: int = 20) -> Batcher[int, list[int]]:
    return Batcher(gate, rows_a_call=rows_a_call, most_waiting=most_waiting, name="test")


def finished[Found](run: Coroutine[None, None, Found]) -> Found:
    """Return what a test's coroutine does; a request that nobody answers fails it."""
    return asyncio.run(asyncio.wait_for(run, 300))


async def under_way(lane: Batcher[int, list[int]], *requests: list[int]) -> list[asyncio.Task[list[int]]]:
    """Start requests, one after the other, as far as they come before the first call ends."""
    tasks = []
    for rows in requests:
        tasks.append(asyncio.create_task(lane.ask(rows)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return tasks


def test_what_waits_is_called_together_up_to_a_size() -> None:
    gate = Gate()

    async def run() -> list[list[int]]:
        tasks = await under_way(batcher(gate), [1], [2], [3, 4], [5, 6], [7, 8, 9, 10, 11], [12])
        gate.open.set()
        return await asyncio.gather(*tasks)

    assert finished(run()) == [[2], [4], [6, 8], [10, 12], [14, 16, 18, 20, 22], [24]]
    assert gate.calls == [[[1]], [[2], [3, 4]], [[5, 6]], [[7, 8, 9, 10, 11]], [[12]]]


def test_one_bad_request_does_not_fail_its_neighbours() -> None:
    gate = Gate()

    async def run() -> list[object]:
        tasks = await under_way(batcher(gate), [1], [2], [-1], [3])
        gate.open.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = finished(run())
    assert [each for each in found if isinstance(each, list)] == [[2], [4], [6]]
    assert isinstance(found[2], ValueError)
    assert gate.calls == [[[1]], [[2], [-1], [3]], [[2]], [[-1]], [[3]]]


def test_more_than_may_wait_is_refused_until_there_is_room() -> None:
    gate = Gate()

    async def run() -> list[int]:
        lane = batcher(gate, most_waiting=3)
        tasks = await under_way(lane, [1], [2, 3], [4])
        with pytest.raises(Problem) as refused:
            await lane.ask([5])
        assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
        gate.open.set()
        await asyncio.gather(*tasks)
        return await lane.ask([5] * 20)  # alone it may be of any size

    assert finished(run()) == [10] * 20


def test_a_client_that_leaves_is_not_called_for_and_makes_room() -> None:
    gate = Gate()

    async def run() -> list[list[int]]:
        lane = batcher(gate, most_waiting=2)
        tasks = await under_way(lane, [1], [2], [3])
        for gone in (tasks[0], tasks[1]):  # one is being answered, the other waits
            gone.cancel()
        gate.open.set()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        answered = [await tasks[2], await lane.ask([4, 5])]
        assert tasks[1].cancelled()
        return answered

    assert finished(run()) == [[6], [8, 10]]
    assert gate.calls == [[[1]], [[3]], [[4, 5]]]


def test_a_lane_goes_on_after_a_failure() -> None:
    gate = Gate()
    gate.open.set()

    async def run() -> list[int]:
        lane = batcher(gate)
        with pytest.raises(ValueError, match="negative"):
            await lane.ask([-1])
        return await lane.ask([1])

    assert finished(run()) == [2]


def test_a_small_request_does_not_wait_for_a_large_one() -> None:
    gate = Gate()

    def call(asked: Sequence[Sequence[int]]) -> list[list[int]]:
        return gate(asked) if len(asked[0]) > 2 else [[2 * row for row in rows] for rows in asked]

    async def run() -> list[list[int]]:
        lanes = Lanes[int, list[int]](call, rows_a_call=4, most_waiting=20, name="test")
        large = asyncio.create_task(lanes.ask([1, 2, 3], small=False))
        while not gate.calls:  # until the large one's call is under way
            await asyncio.sleep(0.001)
        small = await lanes.ask([4], small=True)
        assert not large.done()
        gate.open.set()
        return [small, await large]

    assert finished(run()) == [[8], [2, 4, 6]]

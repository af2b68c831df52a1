"""Answers that are made once for all who ask."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from xflow.serving.board.answers import Answers


@pytest.fixture
def answers() -> Answers:
    return Answers(threads=2, most=3)


class Made:
    """Counts how often it was asked."""

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        self.times = 0
        self._act = act

    def __call__(self) -> int:
        self.times += 1
        self._act()
        return self.times


def test_ten_who_ask_at_once_have_it_made_once(answers: Answers) -> None:
    asked = threading.Event()
    made = Made(lambda: asked.wait(10))

    async def ask() -> list[int]:
        everybody = [asyncio.create_task(answers.get("a", 60, made)) for _ in range(10)]
        await asyncio.sleep(0)
        asked.set()
        return await asyncio.gather(*everybody)

    assert asyncio.run(ask()) == [1] * 10


def test_an_answer_is_kept_for_its_time_alone(answers: Answers) -> None:
    made, other = Made(), Made()

    async def ask() -> list[int]:
        return [
            await answers.get("a", 60, made), await answers.get("a", 60, made), await answers.get("b", 60, other),
            await answers.get("now", -1, made), await answers.get("now", -1, made),
        ]  # fmt: skip

    assert asyncio.run(ask()) == [1, 1, 1, 2, 3]


def test_a_failure_is_told_to_those_who_waited_and_is_not_kept(answers: Answers) -> None:
    def fail() -> None:
        if made.times == 1:
            raise RuntimeError("the mart is down")

    made = Made(fail)

    async def ask() -> tuple[list[object], int]:
        first = await asyncio.gather(*(answers.get("a", 60, made) for _ in range(3)), return_exceptions=True)
        return first, await answers.get("a", 60, made)

    first, second = asyncio.run(ask())
    assert [str(each) for each in first] == ["the mart is down"] * 3
    assert second == 2


def test_who_leaves_takes_the_answer_from_nobody(answers: Answers) -> None:
    asked = threading.Event()
    made = Made(lambda: asked.wait(10))

    async def ask() -> int:
        leaves, stays = (asyncio.create_task(answers.get("a", 60, made)) for _ in range(2))
        await asyncio.sleep(0)
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
        asked.set()
        return await stays

    assert asyncio.run(ask()) == 1


def test_of_many_answers_the_oldest_is_forgotten(answers: Answers) -> None:
    made = Made()

    async def ask() -> list[int]:
        return [await answers.get(name, 60, made) for name in "abcdbdabcd"]

    assert asyncio.run(ask()) == [1, 2, 3, 4, 2, 4, 5, 6, 7, 8]

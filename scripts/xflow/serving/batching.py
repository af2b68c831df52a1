"""Calls of models: in threads of their own, and together for requests that wait while one runs."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from xflow.serving.problems import Problem


@dataclass(slots=True, eq=False)
class _Waiting[Row, Made]:
    rows: Sequence[Row]
    answer: asyncio.Future[Made]


class Batcher[Row, Made]:
    """Answers requests one call at a time; what comes in during a call is answered by the next one together.

    A call of one row costs nearly as much as one of many, and calls side by side slow one another down, as most of
    their time is spent in Python. A request that finds nothing under way is called at once: none waits for others.

    Parameters
    ----------
    call
        Returns an answer for each of some requests' rows, in a thread. When it fails for several requests, each is
        called alone, so that one cannot fail its neighbours.
    rows_a_call
        Requests are called together up to so many rows; a larger one is called alone.
    most_waiting
        Rows that wait at most; requests beyond are refused.
    name
        Of the thread.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Sequence[Row]]], Sequence[Made]],
        *,
        rows_a_call: int,
        most_waiting: int,
        name: str,
    ) -> None:
        self._call, self._rows_a_call, self._most_waiting = call, rows_a_call, most_waiting
        self._queue: deque[_Waiting[Row, Made]] = deque()
        self._waiting = 0
        self._running: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def ask(self, rows: Sequence[Row]) -> Made:
        """Return the answer to a request's rows.

        Raises
        ------
        Problem
            503: too many rows wait already.
        """
        if self._queue and self._waiting + len(rows) > self._most_waiting:
            raise Problem(503, f"{self._waiting} rows wait for the model; try again", headers={"Retry-After": "1"})
        mine = _Waiting[Row, Made](rows, asyncio.get_running_loop().create_future())
        self._queue.append(mine)
        self._waiting += len(rows)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await mine.answer

    async def _run(self) -> None:
        try:
            while self._queue:
                await self._answer(self._next())
        finally:
            self._running = None

    def _next(self) -> list[_Waiting[Row, Made]]:
        """Take the requests of the next call from the queue, but for those whose client has gone."""
        taken: list[_Waiting[Row, Made]] = []
        size = 0
        while self._queue and (not taken or size + len(self._queue[0].rows) <= self._rows_a_call):
            first = self._queue.popleft()
            self._waiting -= len(first.rows)
            if not first.answer.done():
                taken.append(first)
                size += len(first.rows)
        return taken

    async def _answer(self, asked: list[_Waiting[Row, Made]]) -> None:
        if not asked:
            return
        loop = asyncio.get_running_loop()
        try:
            made = await loop.run_in_executor(self._thread, self._call, [each.rows for each in asked])
        except Exception as error:  # noqa: BLE001  # it is the answer to who asked
            if len(asked) > 1:
                for each in asked:
                    await self._answer([each])
            elif not asked[0].answer.done():
                asked[0].answer.set_exception(error)
            return
        for each, answer in zip(asked, made, strict=True):
            if not each.answer.done():
                each.answer.set_result(answer)


class Lanes[Row, Made]:
    """Two batchers of one call: large requests wait for one another, and small ones never wait for them.

    Takes the parameters of `Batcher`.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Sequence[Row]]], Sequence[Made]],
        *,
        rows_a_call: int,
        most_waiting: int,
        name: str,
    ) -> None:
        self._small, self._large = (
            Batcher(call, rows_a_call=rows_a_call, most_waiting=most_waiting, name=f"{name} {size}")
            for size in ("small", "large")
        )

    async def ask(self, rows: Sequence[Row], *, small: bool) -> Made:
        """Return the answer to a request's rows; see `Batcher.ask`."""
        return await (self._small if small else self._large).ask(rows)

"""Answers of the board, kept for some seconds: ten people who look cost the mart one query."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    answer: asyncio.Future[Any]
    until: float


class Answers:
    """Makes answers in threads of their own, so that the mart's slowness is no prediction's.

    All methods run on the event loop.

    Parameters
    ----------
    threads
        Answers that are made at once.
    most
        Answers that are kept.
    """

    def __init__(self, threads: int = 4, most: int = 256) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="board")
        self._most = most
        self._kept: dict[str, _Kept] = {}

    async def get[T](self, name: str, seconds: float, make: Callable[[], T]) -> T:
        """Return an answer; it is made when there is none of that name, or it is old.

        Who asks while it is made waits for the same. What fails, fails for those alone who wait for it.
        """
        kept = self._kept.get(name)
        if kept is None or (kept.answer.done() and (_failed(kept.answer) or kept.until < time.monotonic())):
            answer = asyncio.get_running_loop().run_in_executor(self._threads, make)
            answer.add_done_callback(_failed)  # marks an error as seen when nobody waits any more
            kept = _Kept(answer, time.monotonic() + seconds)
            self._kept.pop(name, None)
            self._kept[name] = kept
            if len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]
        found: T = await asyncio.shield(kept.answer)  # one who leaves does not take it from the others
        return found

    def close(self) -> None:
        """Begin no more answers; those that are being made end by themselves, within the limit of a statement."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _failed(answer: asyncio.Future[Any]) -> bool:
    return answer.cancelled() or answer.exception() is not None

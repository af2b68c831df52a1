"""Rate limits: at most so many requests a second by all workers together."""

import time
from collections.abc import Callable

from xflow.adapters.tarantool_server import TarantoolServer


class TarantoolRateLimit:
    """A limiter whose slots Tarantool hands out, one after another, to every worker that names it.

    Parameters
    ----------
    uri
        ``tarantool://user:password@host:port``.
    name
        What is limited: the host of the API.
    per_second
        Slots a second.
    """

    def __init__(self, uri: str, name: str, per_second: float) -> None:
        self._server, self._name, self._interval = TarantoolServer(uri), name, 1 / per_second

    def __repr__(self) -> str:
        """Show the limit without the credentials."""
        return f"TarantoolRateLimit({self._server.address}, {self._name}, every {self._interval:.3f} s)"

    def wait(self) -> None:
        """Take the next free slot, and sleep until it is due.

        Raises
        ------
        ServiceUnavailable
            Tarantool does not answer: without it nobody knows what the others do.
        """
        with self._server.session() as connection:
            seconds = float(self._server.call(connection, "rate_reserve", self._name, self._interval))
        time.sleep(seconds)

    def hold(self, seconds: float) -> None:
        """Let nobody take a slot for so long."""
        with self._server.session() as connection:
            self._server.call(connection, "rate_hold", self._name, float(seconds))


class LocalRateLimit:
    """A limiter of one process: the fake of `TarantoolRateLimit`."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval, self._clock, self._sleep = 1 / per_second, clock, sleep
        self._due = clock()

    def wait(self) -> None:
        """Take the next free slot, and sleep until it is due."""
        now = self._clock()
        due = max(now, self._due)
        self._due = due + self._interval
        self._sleep(due - now)

    def hold(self, seconds: float) -> None:
        """Let nobody take a slot for so long."""
        self._due = max(self._due, self._clock() + seconds)

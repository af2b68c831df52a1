"""Closed-loop HTTP clients: each sends its next request when the last one was answered. A process of its own.

Reads what to do as JSON from its standard input, and writes what it measured as JSON.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import uvloop

STATUS_AT = len("HTTP/1.1 ")


@dataclass
class Load:
    """What one process of clients is asked to do.

    Attributes
    ----------
    bodies
        Requests, sent in turn; a client begins with another one than the next client.
    read
        Parse every answer and count the versions of the models in it.
    """

    url: str
    key: str
    path: str
    bodies: list[str]
    clients: int
    seconds: float
    read: bool = False


@dataclass
class Measured:
    """What came of it.

    Attributes
    ----------
    took
        Seconds of every request that was answered with 200.
    errors
        Other answers, by status, and requests without an answer, by the error.
    versions
        How many answers each version of each model gave.
    elapsed
        Seconds from the first request to the last answer.
    """

    took: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    elapsed: float = 0.0


class Client:
    """One connection that is kept open."""

    def __init__(self, load: Load, measured: Measured) -> None:
        self._load, self._measured = load, measured
        parts = urlsplit(load.url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        head = f"POST {load.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {load.key}\r\n"
        self._requests = []
        for body in load.bodies:
            data = body.encode()
            kind = "Content-Type: application/json\r\n"
            self._requests.append(f"{head}{kind}Content-Length: {len(data)}\r\n\r\n".encode() + data)

    async def run(self, first: int, until: float) -> None:
        """Send requests until the time is over."""
        number, open_ = first, None
        while time.perf_counter() < until:
            number += 1
            began = time.perf_counter()
            try:
                open_ = open_ or await asyncio.open_connection(self._host, self._port)
                open_[1].write(self._requests[number % len(self._requests)])
                head = await open_[0].readuntil(b"\r\n\r\n")
                body = await open_[0].readexactly(_length(head))
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                self._measured.errors[type(error).__name__] += 1
                open_ = None
                continue
            self._answered(head[STATUS_AT : STATUS_AT + 3].decode(), body, time.perf_counter() - began)
        if open_ is not None:
            open_[1].close()

    def _answered(self, status: str, body: bytes, seconds: float) -> None:
        if status != "200":
            self._measured.errors[status] += 1
            return
        self._measured.took.append(seconds)
        if self._load.read:
            answer = json.loads(body)
            models = answer["models"].values() if "models" in answer else [answer["model"]]
            self._measured.versions.update(f"{model['name']} {model['version']}" for model in models)


def _length(head: bytes) -> int:
    """Return the length of the body that follows a head."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("an answer without its length")


async def run(load: Load) -> Measured:
    """Run all clients to the end."""
    measured, began = Measured(), time.perf_counter()
    until = began + load.seconds
    await asyncio.gather(*(Client(load, measured).run(7 * i, until) for i in range(load.clients)))
    measured.elapsed = time.perf_counter() - began
    return measured


def start(load: Load) -> subprocess.Popen[str]:
    """Start the clients; `finish` waits for them."""
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(vars(load)))
    process.stdin.close()
    return process


def finish(process: subprocess.Popen[str]) -> Measured:
    """Return what clients that were started have measured."""
    assert process.stdout is not None
    text = process.stdout.read()
    if process.wait():
        raise RuntimeError("the clients failed: see above")
    found = json.loads(text)
    return Measured(found["took"], Counter(found["errors"]), Counter(found["versions"]), found["elapsed"])


if __name__ == "__main__":
    print(json.dumps(vars(uvloop.run(run(Load(**json.load(sys.stdin)))))))

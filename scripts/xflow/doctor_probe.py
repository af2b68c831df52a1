"""How services are examined: side by side, each within a time limit, and without showing a secret."""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import Any
from urllib.parse import unquote, urlsplit

from xflow.errors import AccessDenied, Retryable, XflowError

DEADLINE_SECONDS = 10.0  # for all services, as they are examined side by side
ANSWER_SECONDS = 9  # for one request, so that a driver's own reason comes before the deadline
REQUESTS = 5


class State(StrEnum):
    """What a service is to this machine."""

    OK = "ok"
    REFUSED = "refused"  # it answers, and refuses these credentials
    UNREACHABLE = "unreachable"  # nobody answers, or not in time
    FAULTY = "faulty"  # it answers, and something is missing or wrong


@dataclass(frozen=True, slots=True)
class Seen:
    """What an examination found.

    Attributes
    ----------
    version
        Name and version of the server.
    milliseconds
        Round-trip times of small requests.
    details
        Further facts.
    trouble
        What is wrong although the server answers, and what to do; empty when nothing is.
    """

    version: str
    milliseconds: Sequence[float]
    details: Mapping[str, Any] = field(default_factory=dict)
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """A service to be examined: its name, its address without credentials, how, and what is known before."""

    name: str
    address: str
    examine: Callable[[], Seen]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Service:
    """A service as it was found; `reason` says what is wrong and what to do."""

    name: str
    address: str
    state: State
    version: str = ""
    round_trip_ms: Mapping[str, float] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


def side_by_side(
    probes: Sequence[Probe], secrets: Sequence[str] = (), seconds: float = DEADLINE_SECONDS
) -> list[Service]:
    """Examine services at once and return them in the order given, those that are late as unreachable.

    Parameters
    ----------
    secrets
        Texts that are not to show in a reason.
    seconds
        What all of them have together.
    """
    answers: queue.SimpleQueue[tuple[int, Service]] = queue.SimpleQueue()
    for at, probe in enumerate(probes):
        # A daemon thread: one that still waits for a dead server must not keep the process.
        threading.Thread(target=_work, args=(answers, at, probe, secrets), daemon=True).start()
    until, found = time.monotonic() + seconds, dict[int, Service]()
    while len(found) < len(probes):
        try:
            at, service = answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        found[at] = service
    return [found.get(at) or _late(probe, seconds) for at, probe in enumerate(probes)]


def timed(request: Callable[[], object]) -> list[float]:
    """Return the milliseconds that each of a few equal requests took."""
    taken = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        request()
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def address_of(url: str) -> str:
    """Return a URL's host, port and path, without credentials."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "?"
    return f"{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}" or "?"


def passwords_in(url: str) -> set[str]:
    """Return the password of a URL, as it is written and as it is meant; the whole URL when it is not one."""
    try:
        password = urlsplit(url).password or ""
    except ValueError:
        return {url}
    return {password, unquote(password)} - {""}


def redacted(text: str, secrets: Sequence[str]) -> str:
    """Return a text with every secret replaced by ``***``."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _work(answers: "queue.SimpleQueue[tuple[int, Service]]", at: int, probe: Probe, secrets: Sequence[str]) -> None:
    answers.put((at, _examined(probe, secrets)))


def _examined(probe: Probe, secrets: Sequence[str]) -> Service:
    try:
        seen = probe.examine()
    except XflowError as error:
        return _failed(probe, _state(error), redacted(_line(error), secrets))
    except Exception as error:  # noqa: BLE001  # what nobody foresaw in one service must not hide the others
        return _failed(probe, State.FAULTY, redacted(f"{type(error).__name__}: {_line(error)}", secrets))
    times = {"median": round(median(seen.milliseconds), 3), "max": round(max(seen.milliseconds), 3)}
    state = State.FAULTY if seen.trouble else State.OK
    details = {**probe.facts, **seen.details}
    return Service(probe.name, probe.address, state, seen.version, times, details, redacted(seen.trouble, secrets))


def _failed(probe: Probe, state: State, reason: str) -> Service:
    return Service(probe.name, probe.address, state, details=probe.facts, reason=reason)


def _state(error: XflowError) -> State:
    if isinstance(error, AccessDenied):
        return State.REFUSED
    return State.UNREACHABLE if isinstance(error, Retryable) else State.FAULTY


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _late(probe: Probe, seconds: float) -> Service:
    reason = (
        f"{probe.address} did not answer all of {seconds:g} s. Is another service on this port, or is the server "
        "stuck or overloaded? See ./start.sh status and its log."
    )
    return _failed(probe, State.UNREACHABLE, reason)

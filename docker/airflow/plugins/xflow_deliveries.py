"""New input on S3: the trigger that notices it, and the book of what was taken.

A delivery is one object directly below the watched prefix, or one folder below it with all its
objects: parts of one input share a folder. It counts once it stayed unchanged from one look to the
next, and anew when an object of it is replaced or added.

The event only wakes the DAG, since Airflow drops an event that comes while another one waits for its
run. What is to be done is kept in Airflow's store of asset state: the trigger writes `FOUND`, a run
writes into `TAKEN` what it takes, and as long as the two differ the trigger reminds.
"""

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from xflow.errors import InputMissing, XflowError

if TYPE_CHECKING:
    from xflow.adapters.s3 import S3Store
    from xflow.refs import ObjectRef

POLL_SECONDS = 10.0
REMIND_SECONDS = 60.0
FOUND, TAKEN, LATEST = "found", "taken", "latest"

Marks = dict[str, str]


def deliveries(objects: Iterable["ObjectRef"], prefix: str) -> Marks:
    """Return the fingerprint of every delivery by its URI.

    Parameters
    ----------
    objects
        What lies below the prefix.
    prefix
        Full URI of the watched prefix, or of the one object that is watched.

    Notes
    -----
    The fingerprint is a hash of the names and etags of a delivery's objects.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for each in objects:
        folder, inside, _ = each.uri.removeprefix(prefix).partition("/")
        found[f"{prefix}{folder}/" if inside else each.uri].append(f"{each.uri} {each.etag}")
    return {uri: hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:16] for uri, names in found.items()}


def waiting(found: Marks, taken: dict[str, Marks]) -> list[str]:
    """Return the deliveries that no run has taken as they are now."""
    return [uri for uri, mark in found.items() if taken.get(uri, {}).get("fingerprint") != mark]


def take(state: Any, run_id: str) -> str | None:
    """Return the delivery that a run is for, None when none waits; a repeated call gives the same one.

    Parameters
    ----------
    state
        The delivery asset's state (`get`, `set`). One run at a time may call this.
    run_id
        The DAG run's id.
    """
    found, taken = state.get(FOUND, {}), state.get(TAKEN, {})
    for uri, by in taken.items():
        if by["run_id"] == run_id:
            return str(uri)
    for uri in waiting(found, taken):
        kept = {other: by for other, by in taken.items() if other in found}
        state.set(TAKEN, {**kept, uri: {"fingerprint": found[uri], "run_id": run_id}})
        state.set(LATEST, uri)
        return uri
    return None


def latest(state: Any) -> str | None:
    """Return the delivery that was taken last, None when there is none or it is gone."""
    uri = state.get(LATEST)
    return uri if uri in state.get(FOUND, {}) else None


class DeliveryTrigger(BaseEventTrigger):
    """Fires when a delivery appears below a prefix, and again while it waits for a run.

    Parameters
    ----------
    location
        Key or ``s3://`` URI of a prefix ending in ``/``, or of one object.
    poll_seconds, remind_seconds
        Time between two looks, and between two events of the same waiting deliveries.
    """

    def __init__(
        self, location: str, poll_seconds: float = POLL_SECONDS, remind_seconds: float = REMIND_SECONDS
    ) -> None:
        super().__init__()
        self.location, self.poll_seconds, self.remind_seconds = location, poll_seconds, remind_seconds
        self._store: S3Store | None = None
        self._trouble = ""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow needs to make this trigger again."""
        names = ("location", "poll_seconds", "remind_seconds")
        return "xflow_deliveries.DeliveryTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look at the prefix for ever; yield an event when deliveries wait."""
        state = self.asset_state_store
        before: Marks = {}
        told: tuple[Marks, float] = ({}, 0.0)
        while True:
            found = await self._look()
            if found is not None:
                settled = {uri: mark for uri, mark in found.items() if before.get(uri) == mark}
                before = found
                if settled != await state.aget(FOUND, {}):
                    await state.aset(FOUND, settled)
                marks = {uri: settled[uri] for uri in waiting(settled, await state.aget(TAKEN, {}))}
                if marks and (marks != told[0] or time.monotonic() - told[1] >= self.remind_seconds):
                    told = marks, time.monotonic()
                    self.log.info("deliveries wait for a run: %s", ", ".join(marks))
                    yield TriggerEvent({"waiting": list(marks)})
            await asyncio.sleep(self.poll_seconds)

    async def _look(self) -> Marks | None:
        """Return the deliveries, or None when S3 or its connection cannot be used now."""
        from xflow_connections import object_store

        try:
            self._store = self._store or await object_store()
            found = await asyncio.to_thread(_list, self._store, self.location)
        except (XflowError, AirflowException, AirflowRuntimeError) as error:
            self._store = None  # the connection may have been changed
            if str(error) != self._trouble:
                self.log.warning("cannot watch %s, will go on trying: %s", self.location, error)
            self._trouble = str(error)
            return None
        self._trouble = ""
        return found


def _list(store: "S3Store", location: str) -> Marks:
    try:
        return deliveries(store.list(location), store.uri(location))
    except InputMissing:
        return {}

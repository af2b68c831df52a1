"""The trigger that tells Airflow of new input on S3.

A delivery is one object directly below the watched prefix, or one folder below it with all its
objects: parts of one input share a folder. A delivery is told once it stayed unchanged from one
look to the next, and again when an object of it is replaced or added.
"""

import asyncio
import hashlib
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
TOLD, LATEST = "told", "latest"


def deliveries(objects: Iterable["ObjectRef"], prefix: str) -> dict[str, str]:
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


class DeliveryTrigger(BaseEventTrigger):
    """Fires once for every new delivery below a prefix, also across restarts of the triggerer.

    What was told is kept in Airflow's store of asset state. It is written one look after the event,
    when Airflow has stored that: a triggerer that dies in between tells twice, never not at all.

    Parameters
    ----------
    location
        Key or ``s3://`` URI of a prefix ending in ``/``, or of one object.
    poll_seconds
        Time between two looks.
    """

    def __init__(self, location: str, poll_seconds: float = POLL_SECONDS) -> None:
        super().__init__()
        self.location, self.poll_seconds = location, poll_seconds
        self._store: S3Store | None = None
        self._trouble = ""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow needs to make this trigger again."""
        return "xflow_deliveries.DeliveryTrigger", {"location": self.location, "poll_seconds": self.poll_seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look at the prefix for ever; yield one event a new delivery."""
        state = self.asset_state_store
        told = await state.aget(TOLD, {})
        before: dict[str, str] = {}
        while True:
            found = await self._look()
            if found is None:
                await asyncio.sleep(self.poll_seconds)
                continue
            fresh = [uri for uri, mark in found.items() if before.get(uri) == mark != told.get(uri)]
            for uri in fresh:
                self.log.info("new delivery %s", uri)
                yield TriggerEvent({"uri": uri, "fingerprint": found[uri]})
            await asyncio.sleep(self.poll_seconds)
            known = {uri: found[uri] if uri in fresh else told[uri] for uri in found if uri in fresh or uri in told}
            if known != told:
                await state.aset(TOLD, known)
                told = known
            if fresh:
                await state.aset(LATEST, fresh[-1])
            before = found

    async def _look(self) -> dict[str, str] | None:
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


def _list(store: "S3Store", location: str) -> dict[str, str]:
    try:
        return deliveries(store.list(location), store.uri(location))
    except InputMissing:
        return {}

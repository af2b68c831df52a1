"""The trigger that notices new input on S3, on a real S3, and the book of what runs have taken."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any

import pytest

from xflow.adapters.s3 import S3Store
from xflow.refs import ObjectRef, RunKey
from xflow.settings import Settings

Plugin = Callable[[str], ModuleType]


class State(dict[str, Any]):
    """A dictionary with the interface of Airflow's store of asset state."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))

    async def aget(self, key: str, default: Any = None) -> Any:
        return self.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        self.set(key, value)


@pytest.fixture
def xflow_deliveries(plugin: Plugin) -> ModuleType:
    return plugin("xflow_deliveries")


def ref(uri: str, etag: str) -> ObjectRef:
    return ObjectRef(uri=uri, etag=etag, size=1)


def test_a_folder_is_one_delivery_and_an_object_beside_it_another(xflow_deliveries: ModuleType) -> None:
    parts = [ref("s3://b/in/a.parquet", "1"), ref("s3://b/in/d/x.parquet", "2"), ref("s3://b/in/d/e/y.parquet", "3")]
    found = xflow_deliveries.deliveries(parts, "s3://b/in/")
    assert list(found) == ["s3://b/in/a.parquet", "s3://b/in/d/"]
    replaced = xflow_deliveries.deliveries([parts[0], parts[1], ref(parts[2].uri, "4")], "s3://b/in/")
    assert replaced["s3://b/in/a.parquet"] == found["s3://b/in/a.parquet"]
    assert replaced["s3://b/in/d/"] != found["s3://b/in/d/"]


def test_one_watched_object_is_a_delivery(xflow_deliveries: ModuleType) -> None:
    assert list(xflow_deliveries.deliveries([ref("s3://b/in.parquet", "1")], "s3://b/in.parquet")) == [
        "s3://b/in.parquet"
    ]


def test_each_run_takes_one_delivery_and_keeps_it_when_repeated(xflow_deliveries: ModuleType) -> None:
    state = State(found={"s3://b/a": "1", "s3://b/b": "2"})
    assert xflow_deliveries.latest(state) is None
    assert xflow_deliveries.take(state, "run1") == "s3://b/a"
    assert xflow_deliveries.take(state, "run1") == "s3://b/a"
    assert xflow_deliveries.take(state, "run2") == "s3://b/b"
    assert xflow_deliveries.take(state, "run3") is None
    assert xflow_deliveries.latest(state) == "s3://b/b"
    state["found"] = {"s3://b/a": "changed"}
    assert xflow_deliveries.latest(state) is None
    assert xflow_deliveries.take(state, "run4") == "s3://b/a"
    assert list(state["taken"]) == ["s3://b/a"]


@pytest.fixture
def connected(stores: Settings, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    connection = {
        "conn_type": "aws",
        "login": stores.s3_access_key,
        "password": stores.s3_secret_key,
        "extra": {
            "endpoint_url": stores.s3_endpoint,
            "service_config": {"s3": {"bucket_name": stores.s3_bucket}},
        },
    }
    monkeypatch.setenv("AIRFLOW_CONN_XFLOW_S3", json.dumps(connection))
    return S3Store(stores.s3_endpoint, stores.s3_bucket, stores.s3_access_key, stores.s3_secret_key)


def watch(module: ModuleType, location: str, state: State, remind: float = 60.0) -> AsyncIterator[Any]:
    trigger = module.DeliveryTrigger(location, poll_seconds=0.05, remind_seconds=remind)
    classpath, arguments = trigger.serialize()
    assert classpath == "xflow_deliveries.DeliveryTrigger"
    again = module.DeliveryTrigger(**json.loads(json.dumps(arguments)))
    again.asset_state_store = state
    return again.run()


async def soon(events: AsyncIterator[Any], seconds: float = 300.0) -> list[str]:
    return (await asyncio.wait_for(anext(events), seconds)).payload["waiting"]


async def silent(events: AsyncIterator[Any]) -> bool:
    """Tell whether nothing comes for many looks; the watch ends with this."""
    try:
        await asyncio.wait_for(anext(events), 1.0)
    except TimeoutError:
        return True
    return False


@pytest.mark.services
def test_new_input_is_told_once_it_is_taken_no_more_and_a_restart_forgets_nothing(
    xflow_deliveries: ModuleType, connected: S3Store, key: RunKey
) -> None:
    prefix, state = f"input/{key.pipeline}/predict/", State()
    first, second = connected.uri(f"{prefix}a.parquet"), connected.uri(f"{prefix}b.parquet")

    async def scenario() -> None:
        events = watch(xflow_deliveries, prefix, state)
        told = asyncio.ensure_future(soon(events))
        await asyncio.sleep(0.3)  # an empty prefix is no trouble
        connected.put(f"{prefix}a.parquet", b"one")
        assert await told == [first]
        assert xflow_deliveries.take(state, "run1") == first
        connected.put(f"{prefix}b.parquet", b"two")
        assert await soon(events) == [second]
        assert xflow_deliveries.take(state, "run2") == second
        connected.put(f"{prefix}b.parquet", b"two")  # the same content
        assert await silent(events)

        after_restart = watch(xflow_deliveries, prefix, state)
        assert await silent(after_restart)
        connected.put(f"{prefix}a.parquet", b"replaced")
        assert await soon(watch(xflow_deliveries, prefix, state)) == [first]

    asyncio.run(scenario())


@pytest.mark.services
def test_a_delivery_that_no_run_takes_is_told_again(
    xflow_deliveries: ModuleType, connected: S3Store, key: RunKey
) -> None:
    prefix = f"input/{key.pipeline}/predict/"
    connected.put(f"{prefix}a.parquet", b"one")

    async def scenario() -> None:
        events = watch(xflow_deliveries, prefix, State(), remind=0.3)
        assert await soon(events) == await soon(events) == [connected.uri(f"{prefix}a.parquet")]

    asyncio.run(scenario())


@pytest.mark.services
def test_an_outage_is_sat_out(
    xflow_deliveries: ModuleType, connected: S3Store, key: RunKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    good = os.environ["AIRFLOW_CONN_XFLOW_S3"]
    prefix = f"input/{key.pipeline}/predict/"
    connected.put(f"{prefix}a.parquet", b"one")

    async def scenario() -> None:
        monkeypatch.delenv("AIRFLOW_CONN_XFLOW_S3")
        told = asyncio.ensure_future(soon(watch(xflow_deliveries, prefix, State())))
        await asyncio.sleep(0.5)  # the connection is missing
        monkeypatch.setenv("AIRFLOW_CONN_XFLOW_S3", good.replace("://127.0.0.1:", "://127.0.0.1:1"))
        await asyncio.sleep(0.5)  # it leads nowhere
        assert not told.done()
        monkeypatch.setenv("AIRFLOW_CONN_XFLOW_S3", good)
        assert await told == [connected.uri(f"{prefix}a.parquet")]

    asyncio.run(scenario())

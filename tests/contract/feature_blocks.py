"""Series and records for the tests of the feature store, and what is found of them there."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np
import tarantool

from xflow.domain.vacancies.records import RecordBlock, record_facts
from xflow.ports import FeatureStore, SeriesBlock
from xflow.refs import FeatureSetRef, RunKey

FACTS = {"freq": "M", "exogenous": "price"}
RECORD_FACTS = record_facts(["salary", "days"], ["text", "code"])


def block(name: str, length: int = 3, columns: int = 0, first: float = 0.0) -> SeriesBlock:
    values = np.arange(length, dtype=float) + first
    exogenous = np.arange((length + 2) * columns, dtype=float).reshape(length + 2 if columns else 0, columns)
    return SeriesBlock(series_id=name, start=-5, values=values, exogenous=exogenous, origin_row_id=2**60 + length)


def record(
    name: str, text: str = "text", code: str = "1", numbers: tuple[float, float] = (1.0, np.nan), row_id: int = 2**60
) -> RecordBlock:
    return RecordBlock(entity_id=name, row_id=row_id, numbers=np.array(numbers), texts=(text, code))


def names(features: FeatureStore, ref: FeatureSetRef) -> list[str]:
    return [found.series_id for found in features.read(ref)[1]]


@contextmanager
def signed_in(uri: str) -> Iterator[tarantool.Connection]:
    """A bare connection, past the adapter."""
    address = urlsplit(uri)
    connection = tarantool.Connection(
        address.hostname, address.port, user=address.username, password=address.password, encoding=None
    )
    try:
        yield connection
    finally:
        connection.close()


def stored(uri: str, key: RunKey) -> list[tuple[str, int]]:
    """State and number of tuples of every set of a job, once unfinished sets had time to go."""
    with signed_in(uri) as connection:
        for _ in range(2400):
            sets = [row for row in connection.select("feature_set") if row[2].decode() == key.job]
            if all(row[4] == b"ready" for row in sets):
                break
            time.sleep(0.05)
        return [(row[4].decode(), len(connection.select("feature_series", [row[0]]))) for row in sets]

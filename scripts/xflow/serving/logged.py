"""One served prediction as it is logged, and batches of them."""

import hashlib
import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter

from xflow.schema import SERVED_SCHEMA

MOST_TEXT = 64 * 1024
"""Characters of an input or output that the log keeps as they are."""


@dataclass(frozen=True, slots=True)
class LoggedPrediction:
    """One row of ``mart.served_prediction``.

    Attributes
    ----------
    served_at
        When it was answered, with a zone or in UTC.
    request_id, row
        Of the request, and the position in it, from 0 on.
    pipeline, target
        Of the model; `target` is empty where a pipeline has one alone.
    endpoint
        Route of the request.
    caller
        Name of the key.
    entity_id
        Of the vacancy or series; empty where the request names none.
    input, output
        JSON.
    seconds
        Of the model's call that it was part of.
    """

    served_at: datetime
    request_id: str
    row: int
    pipeline: str
    target: str
    model_name: str
    model_version: str
    endpoint: str
    caller: str
    entity_id: str
    input: str
    output: str
    seconds: float

    def bounded(self) -> "LoggedPrediction":
        """Return it with sha256 and size in place of an input or output that is too long."""
        if len(self.input) <= MOST_TEXT and len(self.output) <= MOST_TEXT:
            return self
        return replace(self, input=_bounded(self.input), output=_bounded(self.output))


ROW = TypeAdapter(LoggedPrediction)
NAMES = {name: "row" if name == "request_row" else name for name in SERVED_SCHEMA.names}


@dataclass(slots=True)
class Batch:
    """Rows that reach the mart in one go, or not at all.

    Attributes
    ----------
    tried
        It was sent before, and may be in the mart.
    """

    rows: Sequence[LoggedPrediction]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    tried: bool = False

    def table(self) -> pa.RecordBatch:
        """Return the rows as the mart can hold them: without NUL and half characters, times in UTC without a zone.

        By columns: requests wait for the interpreter while rows are turned one by one.
        """
        columns = [_column(each.type, [getattr(row, NAMES[each.name]) for row in self.rows]) for each in SERVED_SCHEMA]
        return pa.RecordBatch.from_arrays(columns, schema=SERVED_SCHEMA)

    def lines(self) -> bytes:
        """Return the rows as lines of JSON, which `read_lines` reads."""
        told = ({name: getattr(row, name) for name in NAMES.values()} for row in self.rows)
        lines = (json.dumps(each, ensure_ascii=False, default=str).encode(errors="replace") for each in told)
        return b"".join(line + b"\n" for line in lines)


def read_lines(data: bytes) -> tuple[list[LoggedPrediction], list[bytes]]:
    """Return the rows of a file, and the lines of it that are none."""
    rows, damaged = [], []
    for line in data.splitlines():
        try:
            rows.append(ROW.validate_json(line))
        except ValueError:
            damaged.append(line)
    return rows, damaged


def batches(rows: Sequence[LoggedPrediction], most: int) -> Iterator[Batch]:
    """Return rows as batches of at most `most`."""
    for at in range(0, len(rows), most):
        yield Batch(rows[at : at + most])


def _column(kind: pa.DataType, values: list[Any]) -> pa.Array:
    if kind == pa.timestamp("us"):
        values = [time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time for time in values]
    if kind != pa.string():
        return pa.array(values, kind)
    try:
        texts = pa.array(values, kind)
    except UnicodeEncodeError:
        texts = pa.array([text.encode(errors="replace").decode() for text in values], kind)
    return pc.replace_substring(texts, "\x00", "\\x00")


def _bounded(text: str) -> str:
    if len(text) <= MOST_TEXT:
        return text
    data = text.encode(errors="replace")
    return json.dumps({"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)})

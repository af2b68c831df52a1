"""The narrow port of an audit: what the mart holds of a run, read and never written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from xflow.refs import RunKey

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Content:
    """Rows of a table, in an order of their own: how many, and the sha256 of all their values to the last bit."""

    rows: int
    sha256: str


class Lineage(Protocol):
    """The mart as an audit reads it. An `order` is ``row_id`` or ``prediction_id``, the order they were given in."""

    def find(self, **wanted: str) -> list[Row]:
        """Return the ledger rows that have these values (`pipeline`, `kind`, `run_id`, `run_key`), newest first."""

    def runs(self, kind: str) -> Iterator[tuple[str, str]]:
        """Yield key and pipeline of every run of a kind."""

    def content(self, key: RunKey, table: str, schema: "pa.Schema", order: str) -> Content:
        """Return the content of a run's rows in a table of the mart."""

    def content_of(self, key: RunKey, schema: "pa.Schema", batches: "Iterable[pa.RecordBatch]") -> Content:
        """Return the content that a run's rows would have in the mart, of batches in their order."""

    def rows(self, key: RunKey, table: str, schema: "pa.Schema", order: str) -> "Iterator[pa.RecordBatch]":
        """Stream a run's rows of a table."""

    def row(self, key: RunKey, table: str, schema: "pa.Schema", **wanted: object) -> Row | None:
        """Return one of a run's rows that have these values, or None."""

    def unlinked(self, key: RunKey) -> int:
        """Return how many of a run's predictions have no input row."""

    def models(self, key: RunKey) -> dict[tuple[str, str], int]:
        """Return how many of a run's predictions name each model and version."""

    def later_sets(self, run_key: str) -> int:
        """Return how many feature sets runs of the same job have written since a run began."""

    def decisions(self, model: str, version: str) -> "Sequence[Mapping[str, Any]] | None":
        """Return what was decided about a version, oldest first; None where decisions are not recorded."""

    def sightings(self, pipeline: str, vacancy: str) -> list[Row]:
        """Return the snapshots that tell of a vacancy, newest first: `snapshot_id`, `uri`, `taken_at`, `detail`."""

    def knows_snapshot(self, pipeline: str, snapshot: str) -> bool:
        """Say whether the history of a pipeline has a snapshot."""

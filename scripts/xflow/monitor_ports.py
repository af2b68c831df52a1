"""The narrow port of the monitor: predictions in the mart beside what came of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from xflow.refs import Ref, RunKey

if TYPE_CHECKING:
    import pyarrow as pa

    from xflow.domain.monitoring import Cell

Unit = Literal["day", "week", "month", "quarter", "year"]


@dataclass(frozen=True, slots=True)
class Training:
    """The training of one model version: its run, and the newest time that it knew."""

    run_key: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """Which predictions are judged.

    Attributes
    ----------
    as_of
        Newest time of an outcome, UTC without a zone.
    unit, windows
        Length of a window, and how many are looked at, up to `as_of`.
    trainings
        By model name and version: what a model may have learned is no outcome of its predictions.
    """

    as_of: datetime
    unit: Unit
    windows: int
    trainings: Mapping[tuple[str, str], Training]


class RealisedMart(Protocol):
    """Predictions beside their outcomes, of one pipeline, in Greenplum."""

    def prepare(self) -> None:
        """Create ``mart.realised`` when it is absent."""

    def newest(self, column: str) -> datetime | None:
        """Return the newest time of accepted input rows of successful runs, by one of its columns; None: no rows."""

    def ledger(self, kind: str) -> "list[dict[str, Any]]":
        """Return the ledger rows of a kind of runs, the newest first."""

    def series(self, asked: Asked, metric: str, seasonality: int, levels: Sequence[float]) -> "list[Cell]":
        """Return the realised figures of forecasts; see `xflow.adapters.realised`."""

    def vacancies(self, asked: Asked) -> "Iterator[pa.RecordBatch]":
        """Stream predictions of cohorts beside the newest facts of their vacancies: `OUTCOME_SCHEMA`."""


class Monitored(Ref):
    """What a monitor run found.

    Attributes
    ----------
    rows
        Rows written to ``mart.realised``.
    asks
        Whether a retraining is asked for.
    message
        What was found, in a line.
    figures
        The realised error of every target's serving version, and of its holdout.
    """

    key: RunKey
    rows: int
    asks: bool
    message: str
    figures: Mapping[str, float]

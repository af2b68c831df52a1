"""Check an input against the pipeline's contract, before anything else reads it."""

import json
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from xflow.domain.object_names import described, is_expected
from xflow.domain.verdict import Verdict
from xflow.errors import ConfigInvalid, ContractViolated, InputMissing
from xflow.pipeline import AnyPipeline
from xflow.ports import Mart, ObjectStore, TableRows
from xflow.refs import CheckedInput, Listing, ObjectRef, RunKey
from xflow.schema import REJECTED_SCHEMA
from xflow.steps.input_objects import LocalInput, downloaded, verdict_bytes
from xflow.steps.kinds import InputKind, input_kind
from xflow.steps.rejected_rows import describe, rejected_batches

log = logging.getLogger(__name__)

LEARNING = ("train", "reproduce")
"""Kinds of runs that learn from their input: the contract asks more of it."""


def check_contract(
    key: RunKey,
    pipeline: AnyPipeline,
    location: str,
    as_of: str | None,
    *,
    store: ObjectStore,
    mart: Mart,
    objects: Sequence[ObjectRef] | None = None,
) -> CheckedInput:
    """Judge every row of an input and keep the verdict beside the run.

    Parameters
    ----------
    location
        One parquet object, or a prefix ending in ``/`` of several.
    as_of
        ISO date or time up to which values may be used (inclusive), by the clock of the contract's
        timezone, which is UTC when it has none; None or empty for the newest value of the input.
    objects
        The objects to read, whatever else lies at the location; None: those that it holds now.

    Raises
    ------
    InputMissing
        No such object, or no rows.
    InputUnreadable
        An object is not parquet, or its columns are not the pipeline's.
    ConfigInvalid
        `as_of` is not a time, or lies before all values.
    ContractViolated
        No row is accepted, or a larger share is rejected than the contract tolerates. The rejected
        rows are in the mart by then.
    """
    kind = input_kind(pipeline)
    until = parse_as_of(as_of, kind.timezone) if as_of else None
    listing = store.listing(location) if objects is None else Listing(objects=tuple(objects))
    chosen = listing.objects if objects is not None else kind.chosen(listing.objects, store.uri(location), until)
    if len(chosen) < len(listing.objects):
        log.info("%s: the newest delivery is read, %d of %d objects", key, len(chosen), len(listing.objects))
    if not chosen:
        raise InputMissing(f"{store.uri(location)}: no delivery was made up to {as_of}. Choose a later as_of.")
    with downloaded(store, chosen, kind.columns) as local:
        if not sum(ref.rows for ref in local.objects):
            raise InputMissing(f"{store.uri(location)}: the parquet holds no rows. Bring an input with rows.")
        verdict = _judge(kind, key.kind in LEARNING, local, until)
        used_until = kind.used_until(until, verdict.newest)
        checked = CheckedInput(
            objects=local.objects,
            verdict=store.put(f"{key.work_prefix}verdict.parquet", verdict_bytes(verdict.codes)),
            rows_in=len(verdict.codes),
            rows_accepted=verdict.accepted,
            rows_rejected=len(verdict.codes) - verdict.accepted,
            rejected_by_rule=verdict.rejected,
            accepted_without=verdict.accepted_without,
            entities=verdict.entities,
            as_of=used_until.isoformat() if used_until else "",
            asked_as_of=as_of or "",
            notes=(*_left_out(listing, local), *verdict.notes),
        )
        for note in checked.notes:
            log.warning("%s: %s", key, note)
        if _violated(pipeline, checked):
            raise _recorded(kind, key, pipeline, local, verdict.codes, checked, mart)
        if used_until and verdict.oldest is not None and used_until < verdict.oldest:
            raise ConfigInvalid(f"as_of {checked.as_of} lies before the first value of {store.uri(location)}")
    if checked.rows_rejected:
        log.warning("%s: %d of %d rows rejected: %s", key, checked.rows_rejected, checked.rows_in, verdict.rejected)
    if checked.accepted_without:
        log.warning("%s: rows accepted that give no such label: %s", key, checked.accepted_without)
    return checked


def parse_as_of(as_of: str, timezone: str | None = None) -> datetime:
    """Return a time without a zone: in UTC, or by the clock of a zone.

    Parameters
    ----------
    timezone
        IANA name. A time that carries no zone of its own is taken to be of this clock already.

    Raises
    ------
    ConfigInvalid
        Not an ISO date or time.
    """
    try:
        time = datetime.fromisoformat(as_of)
        return time.astimezone(ZoneInfo(timezone or "UTC")).replace(tzinfo=None) if time.tzinfo else time
    except (ValueError, OverflowError):
        raise ConfigInvalid(f"as_of {as_of!r} is no ISO date or time: write 2023-12-01 or 2023-12-01T06:00") from None


def ledger_facts(checked: CheckedInput) -> dict[str, object]:
    """Return what the run's ledger row says about an input; a `message` when there is something to tell."""
    told = {"message": "; ".join(checked.notes)} if checked.notes else {}
    return told | {
        "as_of": checked.as_of,
        "input_objects": json.dumps([ref.model_dump() for ref in checked.objects]),
        "rows_in": checked.rows_in,
        "rows_accepted": checked.rows_accepted,
        "rows_rejected": checked.rows_rejected,
    }


def _left_out(listing: Listing, local: LocalInput) -> Iterator[str]:
    """Yield what is told of the objects and columns that are not read."""
    left_out = tuple(uri for uri in listing.left_out if not is_expected(uri))
    if left_out:
        yield f"not read: {described(left_out)}"
    if local.left_out:
        yield f"not read: the index that pandas wrote as {', '.join(local.left_out)}"


def _judge(kind: InputKind, train: bool, local: LocalInput, until: datetime | None) -> Verdict:
    checker = kind.checker(train, until)
    for batch in local.batches():
        checker.add(batch.rows)
    return checker.finish()


def _violated(pipeline: AnyPipeline, checked: CheckedInput) -> bool:
    return checked.rows_rejected > pipeline.contract.max_rejected * checked.rows_in or not checked.rows_accepted


def _recorded(
    kind: InputKind,
    key: RunKey,
    pipeline: AnyPipeline,
    local: LocalInput,
    codes: npt.NDArray[np.uint8],
    checked: CheckedInput,
    mart: Mart,
) -> ContractViolated:
    """Load the rejected rows, and no accepted ones, and return the error to raise."""
    nothing = TableRows(f"{pipeline.name}_input", kind.tables.input, ())
    rejected = TableRows("rejected_row", REJECTED_SCHEMA, rejected_batches(kind, local, codes))
    mart.load(key, [nothing, rejected], ledger_facts(checked))
    share, limit = checked.rows_rejected / checked.rows_in, pipeline.contract.max_rejected
    return ContractViolated(
        f"{pipeline.name}: {checked.rows_rejected} of {checked.rows_in} rows ({share:.1%}) break the contract, "
        f"{limit:.1%} are tolerated. {describe(kind, local, codes)} All of them are in mart.rejected_row under "
        f"run_key {key}. Correct the input, or raise contract.max_rejected, and start a new run."
    )

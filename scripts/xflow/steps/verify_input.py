"""Prove that the input of a run is still what was read, and that each of its rows is in the mart."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from xflow.audit_ports import Content
from xflow.columns import ROW_ID
from xflow.domain.audit import Check, State, agree, difference, unordered
from xflow.errors import InputChanged, InputMissing, XflowError
from xflow.refs import CheckedInput, ObjectRef
from xflow.schema import REJECTED_SCHEMA
from xflow.steps.audited import Audited, ReplacedObject, changed, current
from xflow.steps.input_objects import LocalInput, read_verdict
from xflow.steps.load_mart import mart_rows
from xflow.steps.rejected_rows import rejected_batches

type Codes = npt.NDArray[np.uint8]

S3, GREENPLUM = "S3", "Greenplum"
AGAINST = "input rows against S3"


@dataclass(frozen=True)
class CheckedAgain:
    """An input that was read again; `local` is None when one of its objects is not what it was."""

    checks: tuple[Check, ...]
    local: LocalInput | None


@contextmanager
def input_again(audited: Audited) -> Iterator[CheckedAgain]:
    """Hold local copies of a run's input for the length of the block, each checked to be what the run read."""
    with tempfile.TemporaryDirectory(prefix="xflow-") as folder:
        checks, found = [], []
        for number, ref in enumerate(audited.objects):
            try:
                found.append(pinned(audited, ref, Path(folder) / str(number)))
            except ReplacedObject as error:
                checks.append(Check(S3, "input object", State.FAULT, str(error)))
        if found:
            size = sum(ref.size for ref in found)
            detail = f"{len(found)} of {len(audited.objects)} with their size and sha256, {size:,} bytes"
            checks.append(Check(S3, "input objects", State.OK, detail))
        whole = len(found) == len(audited.objects)
        local = LocalInput(tuple(found), audited.kind.columns, Path(folder)) if whole else None
        yield CheckedAgain(tuple(checks), local)


def pinned(audited: Audited, ref: ObjectRef, target: Path) -> ObjectRef:
    """Copy one of a run's objects to a file; raise `ReplacedObject` when it is not what the run read."""
    try:
        read = audited.store.download(current(audited.store, ref), target)
    except InputChanged as error:
        raise changed(ref, error) from error
    with pq.ParquetFile(target) as file:
        rows = file.metadata.num_rows
    if ref.rows and rows != ref.rows:
        raise ReplacedObject(f"{ref.uri} holds {rows} rows, the run read {ref.rows}")
    return read.model_copy(update={"rows": rows})


def verify_input(audited: Audited, again: CheckedAgain) -> list[Check]:
    """Count and compare the rows of an input: objects, ledger, accepted and rejected rows of the mart."""
    key, kind, lineage, run = audited.key, audited.kind, audited.lineage, audited.run
    schema, table = kind.tables.input, f"{audited.key.pipeline}_input"
    stored = lineage.content(key, table, schema, ROW_ID)
    codes = rejected_rows(audited)
    broken = codes.faults(run["rows_in"])
    rejected = len(codes.rows)
    checks = [
        *again.checks,
        agree(GREENPLUM, "accepted rows", ledger=run["rows_accepted"], counted=stored.rows),
        agree(GREENPLUM, "rejected rows", ledger=run["rows_rejected"], counted=rejected),
        agree(GREENPLUM, "rows in", ledger=run["rows_in"], accepted_and_rejected=stored.rows + rejected),
        *broken,
    ]
    if again.local is None or broken or rejected != run["rows_rejected"]:
        why = (
            "an input object is not what it was" if again.local is None else "it is not known which rows were rejected"
        )
        return [*checks, Check(GREENPLUM, AGAINST, State.OPEN, why)]
    rows = sum(ref.rows for ref in again.local.objects)
    checks.append(agree(S3, "rows of the input objects", parquet=rows, ledger=run["rows_in"]))
    if rows != run["rows_in"]:
        return checks
    return [*checks, *_compared(audited, again.local, codes.verdict(rows), stored)]


def _compared(audited: Audited, local: LocalInput, verdict: Codes, stored: Content) -> list[Check]:
    """Compare the mart's rows with those of the objects, and with the verdict that the run kept."""
    schema = audited.kind.tables.input
    try:
        wanted = audited.lineage.content_of(audited.key, schema, mart_rows(local, verdict, schema))
        rows = _same_rows(audited, local, verdict, wanted == stored)
        return [rows, _same_rejected(audited, local, verdict), _verdict(audited, verdict)]
    except (pa.ArrowException, ValueError) as error:
        fault = f"rows that mart.rejected_row does not name do not fit into the mart: {error}"
        return [Check(GREENPLUM, AGAINST, State.FAULT, fault), _verdict(audited, verdict)]


@dataclass(frozen=True)
class Rejected:
    """Row ids, ascending, and rule codes of the rejected rows in the mart; `unknown` rules have no code."""

    rows: npt.NDArray[np.int64]
    rules: Codes
    unknown: frozenset[str]

    def verdict(self, count: int) -> Codes:
        """Return the code of every row of an input of `count` rows."""
        codes = np.zeros(count, dtype=np.uint8)
        codes[self.rows] = self.rules
        return codes

    def faults(self, count: int) -> list[Check]:
        """Return a fault when these cannot be rows of an input of `count` rows."""
        odd = [f"row {row} lies outside the input" for row in self.rows[(self.rows < 0) | (self.rows >= count)][:1]]
        odd += [f"row {row} is there twice" for row in self.rows[1:][np.diff(self.rows) == 0][:1]]
        odd += [f"rule {rule} is unknown" for rule in sorted(self.unknown)]
        return [Check(GREENPLUM, "rejected rows", State.FAULT, "; ".join(odd))] if odd else []


def rejected_rows(audited: Audited) -> Rejected:
    """Return which rows of a run's input the mart knows as rejected."""
    labels = {rule.label: int(rule) for rule in audited.kind.rules}
    ids, rules, unknown = [np.zeros(0, np.int64)], [np.zeros(0, np.uint8)], set[str]()
    for batch in audited.lineage.rows(audited.key, "rejected_row", REJECTED_SCHEMA, ROW_ID):
        names = batch.column("rule").to_pylist()
        unknown |= {*names} - {*labels}
        ids.append(batch.column(ROW_ID).to_numpy())
        rules.append(np.array([labels.get(name, 255) for name in names], dtype=np.uint8))
    return Rejected(np.concatenate(ids), np.concatenate(rules), frozenset(unknown))


def _same_rows(audited: Audited, local: LocalInput, verdict: Codes, same: bool) -> Check:
    """Return whether the mart's input rows are those of the objects; when not, which are not."""
    schema = audited.kind.tables.input
    if same:
        rows = int(np.count_nonzero(verdict == 0))
        return Check(GREENPLUM, AGAINST, State.OK, f"{rows:,} rows equal to the last bit (sha256)")
    expected = (row for batch in mart_rows(local, verdict, schema) for row in batch.to_pylist())
    found = audited.lineage.rows(audited.key, f"{audited.key.pipeline}_input", schema, ROW_ID)
    differs = difference(expected, (row for batch in found for row in batch.to_pylist()), ROW_ID)
    return Check(GREENPLUM, AGAINST, State.FAULT, str(differs))


def _same_rejected(audited: Audited, local: LocalInput, verdict: Codes) -> Check:
    found = audited.lineage.rows(audited.key, "rejected_row", REJECTED_SCHEMA, ROW_ID)
    stored = unordered(row for batch in found for row in batch.to_pylist())
    wanted = unordered(row for batch in rejected_batches(audited.kind, local, verdict) for row in batch.to_pylist())
    if stored == wanted:
        return Check(GREENPLUM, "rejected rows against S3", State.OK, f"{stored[0]:,} rows equal")
    return Check(
        GREENPLUM, "rejected rows against S3", State.FAULT, "entities, columns, values or sources differ from the input"
    )


def _verdict(audited: Audited, verdict: Codes) -> Check:
    """Compare the verdict that the run kept with the rejected rows of the mart."""
    what = "verdict of the contract"
    try:
        (ref,) = audited.store.list(f"{audited.key.work_prefix}verdict.parquet")
        kept = read_verdict(audited.store, checked_of(audited, ref))
    except InputMissing:
        return Check(S3, what, State.PURGED, "its object was cleared away; the mart's rejected rows were used")
    except XflowError as error:
        return Check(S3, what, State.FAULT, str(error))
    except (pa.ArrowException, KeyError) as error:
        return Check(S3, what, State.FAULT, f"{ref.uri}: not readable ({error})")
    differ = int(np.count_nonzero(kept != verdict))
    if differ:
        return Check(S3, what, State.FAULT, f"{differ} rows are judged otherwise than mart.rejected_row says")
    return Check(S3, what, State.OK, f"{len(verdict):,} rows judged as mart.rejected_row says")


def checked_of(audited: Audited, verdict: ObjectRef, objects: tuple[ObjectRef, ...] | None = None) -> CheckedInput:
    """Return a run's checked input as the ledger knows it."""
    run = audited.run
    return CheckedInput(
        objects=audited.objects if objects is None else objects,
        verdict=verdict,
        rows_in=run["rows_in"],
        rows_accepted=run["rows_accepted"],
        rows_rejected=run["rows_rejected"],
        entities=0,
        as_of=run["as_of"] or "",
    )

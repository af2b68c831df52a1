"""The chain behind one prediction: output row, input row, raw object, feature set, model, training and its input."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xflow.columns import ROW_ID, VACANCY_ID
from xflow.domain.audit import Check, Link, State, changed_columns
from xflow.errors import ConfigInvalid, InputChanged
from xflow.refs import ObjectRef
from xflow.schema import REJECTED_SCHEMA, PipelineTables
from xflow.steps.audited import Audited, ReplacedObject, changed, current, version_of
from xflow.steps.raw_response import raw_links
from xflow.steps.verify_input import pinned

LONGEST_TEXT = 120
WHERE = "chain of the prediction"


@dataclass(frozen=True)
class Chain:
    """One prediction with what it stands on.

    Attributes
    ----------
    prediction
        Its row in the mart.
    links, checks
        From the prediction back to the training's input, and what was compared on the way.
    """

    prediction: dict[str, Any]
    links: tuple[Link, ...]
    checks: tuple[Check, ...]


def chain(audited: Audited, prediction_id: str = "") -> Chain | None:
    """Follow a prediction, the run's first one when none is named, back to what its model learned from.

    Returns
    -------
    Chain or None
        None when the run has no predictions.

    Raises
    ------
    ConfigInvalid
        The run has predictions, but not this one.
    """
    tables, table = audited.kind.tables, f"mart.{audited.table}"
    wanted = {"prediction_id": prediction_id} if prediction_id else {}
    found = audited.lineage.row(audited.key, audited.table, audited.schema, **wanted)
    if found is None:
        if prediction_id:
            raise ConfigInvalid(f"{table} has no prediction {prediction_id} of run {audited.key}: correct the id")
        return None
    links, checks = [Link("prediction", table, shown(found))], list[Check]()
    row_id = found["input_row_id"]
    row = audited.lineage.row(audited.key, f"{audited.key.pipeline}_input", tables.input, **{ROW_ID: row_id})
    where = f"mart.{audited.key.pipeline}_input"
    rejected = None if row else audited.lineage.row(audited.key, "rejected_row", REJECTED_SCHEMA, **{ROW_ID: row_id})
    if rejected is not None and found.get("forecast", 0) is None:
        links.append(Link("rejected row", "mart.rejected_row", shown(rejected)))
    elif row is None:
        checks.append(Check(where, WHERE, State.FAULT, f"row {row_id} that the prediction stands on is missing"))
    else:
        links.append(Link("input row", where, shown(row)))
    raw, compared = _raw(audited, tables, row_id, row)
    name = found.get(VACANCY_ID)
    links += [*raw, *(raw_links(audited, str(name), raw[0].where) if name and raw else ())]
    feature_set = str(audited.run.get("feature_set") or "")
    ready = audited.features.ready(feature_set)
    entities = f"{ready.entities}" if ready else "none: purged, or not ready"
    links.append(Link("feature set", f"Tarantool {feature_set}", {"entities": entities}))
    model, more = _model(audited, found)
    return Chain(found, (*links, *model), (*checks, *compared, *more))


def shown(row: Mapping[str, Any]) -> dict[str, str]:
    """Return what of a row has a value, in words; long texts are cut."""
    return {name: _cut(str(value)) for name, value in row.items() if value is not None}


def _raw(
    audited: Audited, tables: PipelineTables, row_id: int, row: Mapping[str, Any] | None
) -> tuple[list[Link], list[Check]]:
    """Find the object and the place in it that an input row was read from, and read it there again."""
    first = 0
    for ref in audited.objects:
        if row_id < first + ref.rows:
            break
        first += ref.rows
    else:
        fault = f"row {row_id} lies in none of the run's objects"
        return [], [Check("S3", WHERE, State.FAULT, fault)]
    position = row_id - first
    link = Link("raw object", ref.uri, {"sha256": ref.sha256, "row": str(position), "of": str(ref.rows)})
    with tempfile.TemporaryDirectory(prefix="xflow-") as folder:
        path = Path(folder) / "object.parquet"
        try:
            pinned(audited, ref, path)
        except ReplacedObject as error:
            return [link], [Check("S3", WHERE, State.FAULT, str(error))]
        read = _row_at(audited, path, ref, position, tables.input)
    if row is None:
        return [link], []
    differ = changed_columns({**read, ROW_ID: row_id}, dict(row))
    state = State.FAULT if differ else State.OK
    said = "; ".join(differ) or f"row {position} of {ref.uri} read again: equal to the mart's row {row_id}"
    return [link], [Check("S3", WHERE, state, said)]


def _row_at(audited: Audited, path: Path, ref: ObjectRef, position: int, schema: pa.Schema) -> dict[str, Any]:
    """Return one row of an object as the mart keeps it; one row group is read."""
    with pq.ParquetFile(path) as file:
        group, before = 0, 0
        while position >= before + file.metadata.row_group(group).num_rows:
            before += file.metadata.row_group(group).num_rows
            group += 1
        names = audited.kind.columns.read(file.schema_arrow)
        table = file.read_row_group(group, columns=names, use_threads=False).slice(position - before, 1)
    (batch,) = table.combine_chunks().to_batches()
    given = audited.kind.columns.canonical(batch, ref.uri)
    fields = [field for field in schema if field.name != ROW_ID]
    cast = [
        column.cast(field.type, safe=not pa.types.is_timestamp(field.type))
        for column, field in zip(given.columns, fields)
    ]
    row: dict[str, Any] = pa.RecordBatch.from_arrays(cast, schema=pa.schema(fields)).to_pylist()[0]
    return row


def _model(audited: Audited, prediction: Mapping[str, Any]) -> tuple[list[Link], list[Check]]:
    """Follow the model of a prediction to its training and that one's input."""
    name, number = prediction["model_name"], prediction["model_version"]
    version = version_of(audited.registry, name, number)
    if version is None:
        return [], [Check("MLflow", WHERE, State.FAULT, f"{name} version {number} is not in the registry")]
    tags = audited.registry.tags(version)
    facts = {"mlflow_run": version.mlflow_run_id, "holdout": tags.get("holdout_hash", "")}
    links = [Link("model version", f"models:/{name}/{number}", facts)]
    run_key = tags.get("run_key", "")
    trained = audited.lineage.find(run_key=run_key)
    if not trained:
        return links, [Check("Greenplum", WHERE, State.FAULT, f"the ledger knows no run {run_key} that trained it")]
    kept = ("state", "as_of", "rows_in", "rows_accepted", "feature_set", "git_commit")
    links.append(Link("training run", run_key, shown({each: trained[0][each] for each in kept})))
    objects = [ObjectRef.model_validate(each) for each in json.loads(trained[0]["input_objects"] or "[]")]
    links += [Link("training input", ref.uri, {"sha256": ref.sha256, "rows": str(ref.rows)}) for ref in objects]
    faults = [str(error) for ref in objects if (error := _replaced(audited, ref)) is not None]
    if faults:
        return links, [Check("S3", WHERE, State.FAULT, f"training input: {fault}") for fault in faults]
    return links, [Check("S3", WHERE, State.OK, f"training input: {len(objects)} objects still what was learned from")]


def _replaced(audited: Audited, ref: ObjectRef) -> ReplacedObject | None:
    """Return what is wrong with an object; one whose ETag is unchanged is not read."""
    try:
        now = current(audited.store, ref)
        if now.etag != ref.etag:
            with tempfile.TemporaryDirectory(prefix="xflow-") as folder:
                audited.store.download(now, Path(folder) / "object")
    except InputChanged as error:
        return changed(ref, error)
    except ReplacedObject as error:
        return error
    return None


def _cut(text: str) -> str:
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."

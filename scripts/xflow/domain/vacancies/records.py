"""Frames of numbers and texts as records, one an entity, for the feature store."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from xflow.columns import ROW_ID, VACANCY_ID

LAYOUT = "layout"
RECORDS = "records"
"""Value of the fact `LAYOUT` of a set of records; sets of series have none."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordBlock:
    """One entity as it lies in the feature store.

    Attributes
    ----------
    entity_id
        Its name, unique in its set.
    row_id
        Row id of the input row behind it.
    numbers
        float64, shape (k,); NaN where unknown.
    texts
        Its texts and codes. The names of both stand in the facts of the set.
    """

    entity_id: str
    row_id: int
    numbers: npt.NDArray[np.float64]
    texts: tuple[str, ...]


def record_facts(numbers: Iterable[str], texts: Iterable[str]) -> dict[str, str]:
    """Return the facts of a set of records: its layout, and the columns of `numbers` and `texts` in their order."""
    return {LAYOUT: RECORDS, "numbers": json.dumps([*numbers]), "texts": json.dumps([*texts])}


def to_blocks(facts: Mapping[str, str], frame: pd.DataFrame) -> Iterator[RecordBlock]:
    """Yield the rows of a frame as records.

    Parameters
    ----------
    facts
        From `record_facts`.
    frame
        Columns `vacancy_id`, `row_id`, the facts' numbers (float64) and texts (strings, none missing).
    """
    numbers = frame[json.loads(facts["numbers"])].to_numpy(np.float64)
    columns = [frame[name].tolist() for name in json.loads(facts["texts"])]
    texts = zip(*columns) if columns else iter([()] * len(frame))
    for entity, row_id, values, words in zip(frame[VACANCY_ID].tolist(), frame[ROW_ID].tolist(), numbers, texts):
        yield RecordBlock(entity, row_id, values, words)


def to_frame(facts: Mapping[str, str], blocks: Iterable[RecordBlock]) -> pd.DataFrame:
    """Return records as the frame that `to_blocks` was given, in the order of the blocks."""
    names, words = json.loads(facts["numbers"]), json.loads(facts["texts"])
    ids: list[str] = []
    row_ids: list[int] = []
    numbers: list[npt.NDArray[np.float64]] = []
    columns: list[list[str]] = [[] for _ in words]
    for block in blocks:
        ids.append(block.entity_id)
        row_ids.append(block.row_id)
        numbers.append(block.numbers)
        for column, text in zip(columns, block.texts):
            column.append(text)
    table = np.stack(numbers) if numbers else np.zeros((0, len(names)))
    found = {VACANCY_ID: pd.Series(ids, dtype=object), ROW_ID: np.array(row_ids, dtype=np.int64)}
    found |= {name: pd.Series(column, dtype=object) for name, column in zip(words, columns)}
    found |= {name: table[:, at] for at, name in enumerate(names)}
    return pd.DataFrame(found)

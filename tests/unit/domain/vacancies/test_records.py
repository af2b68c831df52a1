"""Frames as records, and back."""

import numpy as np
import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st

from xflow.adapters.packing import pack, unpack
from xflow.domain.vacancies.records import record_facts, to_blocks, to_frame

# Without half surrogate pairs, which are no text to Arrow either.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROW = st.tuples(TEXT, st.integers(-(2**63), 2**63 - 1), TEXT, TEXT, st.floats(), st.floats())
HOSTILE = ("id\0", 0, "", '\0 😀 \u2028 "\\', -0.0, float("nan"))
TEXTS, NUMBERS = ["text", "text_lemmas"], ["salary_net", "days"]


def frame_of(rows, names=("vacancy_id", "row_id", *TEXTS, *NUMBERS)):
    kinds = [object, np.int64, object, object, np.float64, np.float64]
    columns = list(zip(*rows)) or [[]] * len(names)
    return pd.DataFrame({name: pd.Series(column, dtype=kind) for name, column, kind in zip(names, columns, kinds)})


@given(st.lists(ROW, max_size=5))
@example([HOSTILE])
def test_a_frame_comes_back_bit_by_bit(rows):
    frame, facts = frame_of(rows), record_facts(NUMBERS, TEXTS)
    stored = [pack(facts, block) for block in to_blocks(facts, frame)]
    back = to_frame(facts, (unpack(facts, packed) for packed in stored))
    pd.testing.assert_frame_equal(back, frame, check_exact=True)
    for name in NUMBERS:
        assert back[name].to_numpy().tobytes() == frame[name].to_numpy().tobytes()


def test_rows_are_taken_one_by_one():
    frame = frame_of([HOSTILE, ("b", 1, "x", "y", 1.0, 2.0)])
    blocks = to_blocks(record_facts(NUMBERS, TEXTS), frame)
    assert next(blocks).entity_id == "id\0"
    assert next(blocks).texts == ("x", "y")


def test_a_frame_without_texts_or_numbers():
    frame, facts = frame_of([HOSTILE])[["vacancy_id", "row_id"]], record_facts([], [])
    pd.testing.assert_frame_equal(to_frame(facts, to_blocks(facts, frame)), frame)


def test_other_columns_stay_behind():
    facts = record_facts(["days"], ["text"])
    (block,) = to_blocks(facts, frame_of([("a", 1, "x", "y", 1.0, 2.0)]))
    assert (block.texts, block.numbers.tolist()) == (("x",), [2.0])

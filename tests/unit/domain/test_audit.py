"""Figures that agree or do not, and the first rows that differ."""

from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.audit import Audit, Check, State, agree, changed_columns, difference, unordered

NAN = float("nan")


def rows(*ids, **other):
    return [{"id": i, **other} for i in ids]


def test_figures_that_agree_and_that_do_not():
    assert agree("S3", "rows", parquet=3, the_ledger=3) == Check("S3", "rows", State.OK, "3 in parquet, the ledger")
    assert agree("S3", "rows", parquet=3, ledger=4) == Check("S3", "rows", State.FAULT, "parquet 3, ledger 4")
    assert agree("S3", "rows", parquet=3, ledger=None).state is State.FAULT


def test_an_audit_names_its_faults():
    checks = [Check("S3", "part", State.FAULT, ""), Check("S3", "manifest", State.PURGED, "")]
    found = Audit("a/b/c", "success", tuple(checks))
    assert found.faults == (checks[0],)
    assert found.as_json()["ok"] is False
    assert Audit("a/b/c", "success", (checks[1],)).as_json()["ok"] is True


def test_each_way_in_which_rows_can_differ():
    assert str(difference(rows(1, 2, 3), rows(1, 3), "id")) == "1 rows missing: id 2 is missing"
    assert str(difference(rows(1), rows(1, 2), "id")) == "1 rows too many: id 2 should not be there"
    assert str(difference(rows(1, 2), rows(1, 1, 2), "id")) == "1 rows too many: id 1 should not be there"
    changed = difference(rows(1, value=1.5), rows(1, value=NAN), "id")
    assert str(changed) == "1 rows changed: id 1: value is nan, not 1.5"
    assert len(difference(rows(*range(9)), [], "id").examples) == 5
    assert str(difference(rows(1), rows(1), "id")) == "rows in another order"


def test_ids_are_compared_by_their_rank():
    ids = [f"a-{i}" for i in range(12)]
    assert difference(rows(*ids), rows(*ids[:-1]), "id", lambda name: (len(name), name)).missing == 1


def test_null_and_nan_equal_themselves_alone():
    row = {"a": None, "b": NAN, "c": 1.0}
    assert changed_columns(row, dict(row)) == []
    assert changed_columns(row, {"a": NAN, "b": None, "c": 1.0}) == ["a is nan, not None", "b is None, not nan"]


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_every_missing_and_surplus_row_is_counted(wanted, given_rows):
    found = difference(rows(*sorted(wanted)), rows(*sorted(given_rows)), "id")
    assert (found.missing, found.surplus, found.changed) == (len(wanted - given_rows), len(given_rows - wanted), 0)


@given(st.lists(st.tuples(st.integers(), st.text()), max_size=8), st.randoms())
def test_the_sum_of_rows_does_not_follow_their_order(pairs, random):
    listed = [{"id": i, "text": text} for i, text in pairs]
    mixed = random.sample(listed, len(listed))
    assert unordered(listed) == unordered(mixed)
    assert unordered([*listed, {"id": 0, "text": ""}]) != unordered(listed)

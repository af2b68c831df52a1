"""Every rule for flat vacancies, on rows written by hand, and what holds whatever the rows are."""

import datetime as dt
from collections import Counter

import pyarrow as pa
import pytest
from flat_rows import at, flat
from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.vacancies.columns import UNREADABLE, VacancyColumns
from xflow.domain.vacancies.contract import VacancyChecker, faults, offending
from xflow.domain.vacancies.rules import ADVICE, COLUMN, VacancyRule

OK = VacancyRule.ACCEPTED
NEWER, OLDER = at("2023-09-05"), at("2023-09-03")


def judge(*batches, rates=None, as_of=None, train=True):
    checker = VacancyChecker(rates or {}, as_of, train=train)
    for batch in batches:
        checker.add(batch)
    return checker.finish()


def broken(*rows, **options):
    return [VacancyRule(code) for code in judge(flat(*rows), **options).codes]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"vacancy_id": None}, VacancyRule.VACANCY_ID_MISSING),
        ({"vacancy_id": ""}, VacancyRule.VACANCY_ID_MISSING),
        ({"snapshot_at": None}, VacancyRule.SNAPSHOT_MISSING),
        ({"vacancy_id": "1\0"}, VacancyRule.TEXT_NUL),
        ({"description": "a\0b"}, VacancyRule.TEXT_NUL),
        ({"description": "я" * 1_000_001}, VacancyRule.TEXT_TOO_LONG),
        ({"description": "я" * 1_000_000}, OK),
        ({"responsibility": None}, VacancyRule.RESPONSIBILITY_MISSING),
        ({"responsibility": ""}, VacancyRule.RESPONSIBILITY_MISSING),
        ({"responsibility": "<p> &nbsp;</p>\n"}, VacancyRule.RESPONSIBILITY_MISSING),
        ({"responsibility": "Develop services in C++ 🚀"}, OK),
        ({"responsibility": "🚀"}, OK),
        ({"salary_from": -1.0}, VacancyRule.SALARY_OUT_OF_RANGE),
        ({"salary_to": float("inf")}, VacancyRule.SALARY_OUT_OF_RANGE),
        ({"salary_to": 1e12}, VacancyRule.SALARY_OUT_OF_RANGE),
        ({"salary_from": 150_000.01}, VacancyRule.SALARY_REVERSED),
        ({"salary_from": 150_000.0}, OK),
        ({"salary_to": 0.0}, OK),
        ({"salary_rate": 0.0}, VacancyRule.RATE_OUT_OF_RANGE),
        ({"salary_rate": float("inf")}, VacancyRule.RATE_OUT_OF_RANGE),
        ({"salary_currency": "UZS"}, VacancyRule.CURRENCY_UNKNOWN),
        ({"salary_currency": None}, VacancyRule.CURRENCY_UNKNOWN),
        ({"salary_currency": "UZS", "salary_rate": 130.0}, OK),
        ({"salary_currency": "UZS", "salary_from": None, "salary_to": None}, OK),
        ({"salary_currency": "RUB"}, OK),
        ({"published_at": at("2023-09-05T12:00:00.000001")}, VacancyRule.PUBLISHED_AHEAD),
        ({"published_at": at("2023-09-05T12:00")}, OK),
        ({"initial_created_at": at("2023-09-06")}, VacancyRule.PUBLISHED_AHEAD),
        ({"first_seen": at("2023-09-06")}, VacancyRule.SEEN_AHEAD),
        ({"last_seen": at("2023-09-06")}, VacancyRule.SEEN_AHEAD),
        ({"closed_at": at("2023-09-06")}, VacancyRule.SEEN_AHEAD),
        ({"closed_at": at("2023-09-01T11:59")}, VacancyRule.CLOSED_EARLY),
        ({"closed_at": at("2023-09-01T12:00")}, OK),
        ({"closed_at": at("2023-09-01T11:59"), "first_seen": at("2023-08-01")}, OK),
        ({"closed_at": at("2023-09-02"), "first_seen": at("2023-09-03")}, VacancyRule.CLOSED_EARLY),
        ({"published_at": None, "closed_at": at("2023-09-01")}, OK),
        (dict.fromkeys(("employer_id", "employer_name", "area_id", "professional_role_id", "published_at")), OK),
        ({"area_id": "999999", "professional_role_id": "no such role", "experience_id": "moreThan60"}, OK),
    ],
    ids=lambda value: value.label if isinstance(value, VacancyRule) else " ".join(value),
)
def test_a_row_by_itself(change, rule):
    assert broken(change) == [rule]
    assert broken({"vacancy_id": "other"}, change) == [OK, rule]


def test_a_time_that_is_none():
    batch = pa.RecordBatch.from_pydict(
        {"vacancy_id": ["1", "2"], "snapshot_at": ["2023-09-04", "yesterday"], "responsibility": ["x", "y"]}
    )
    canonical = VacancyColumns().canonical(batch, "s3://b/k")
    assert [*judge(canonical).codes] == [OK, VacancyRule.TIME_UNREADABLE]
    names, values = offending(canonical.slice(1), VacancyRule.TIME_UNREADABLE)
    assert (names.to_pylist(), values.to_pylist()) == (["snapshot_at"], ["yesterday"])


BAD_LABELS = [
    ({"salary_currency": "XTS"}, VacancyRule.CURRENCY_UNKNOWN),
    ({"salary_currency": None}, VacancyRule.CURRENCY_UNKNOWN),
    ({"salary_from": 200_000.0}, VacancyRule.SALARY_REVERSED),
    ({"salary_from": -5.0}, VacancyRule.SALARY_OUT_OF_RANGE),
    ({"salary_to": float("inf")}, VacancyRule.SALARY_OUT_OF_RANGE),
    ({"salary_rate": 0.0, "salary_currency": "USD"}, VacancyRule.RATE_OUT_OF_RANGE),
    ({"published_at": at("2042-01-01")}, VacancyRule.PUBLISHED_AHEAD),
    ({"first_seen": at("2042-01-01")}, VacancyRule.SEEN_AHEAD),
    ({"closed_at": at("2023-01-01")}, VacancyRule.CLOSED_EARLY),
]


@pytest.mark.parametrize(("change", "rule"), BAD_LABELS, ids=lambda value: getattr(value, "label", ""))
def test_a_prediction_needs_no_label(change, rule):
    batch = flat({"vacancy_id": "1"}, {"vacancy_id": "2"} | change)
    learned, predicted = judge(batch), judge(batch, train=False)
    assert ([*learned.codes], [*predicted.codes]) == ([OK, rule], [OK, OK])
    assert (learned.accepted_without, predicted.accepted_without) == ({}, {rule.label: 1})
    assert predicted.accepted + sum(predicted.rejected.values()) == 2


def test_a_prediction_needs_the_id_the_snapshot_and_the_texts():
    rows = [{"vacancy_id": None}, {"snapshot_at": None}, {"responsibility": "<p></p>"}, {"name": "a\0b"}]
    assert [OK] not in [broken(row | {"salary_from": -5.0}, train=False) for row in rows]
    verdict = judge(flat(*(row | {"salary_from": -5.0} for row in rows)), train=False)
    assert (verdict.accepted, verdict.accepted_without) == (0, {})  # of a rejected row its own rule alone is told


def test_times_that_are_none_where_a_prediction_does_not_need_them():
    text = {"vacancy_id": ["1", "2"], "snapshot_at": ["2023-09-04", "soon"], "responsibility": ["x", "y"]}
    batch = VacancyColumns().canonical(
        pa.RecordBatch.from_pydict(text | {"published_at": ["yesterday"] * 2, "closed_at": ["?", None]}), "s3://b/k"
    )
    assert [*judge(batch).codes] == [VacancyRule.TIME_UNREADABLE] * 2
    verdict = judge(batch, train=False)
    assert [*verdict.codes] == [OK, VacancyRule.TIME_UNREADABLE]
    assert verdict.accepted_without == {"time_unreadable": 1}


@pytest.mark.parametrize("train", [True, False])
def test_pay_by_the_hour_is_no_fault_and_is_told(train):
    modes = (None, "MONTH", "HOUR", "SHIFT", "SERVICE", "FLY_IN_FLY_OUT", "WEEK")
    rows = [{"vacancy_id": str(i), "salary_mode": mode} for i, mode in enumerate(modes)]
    unstated = {"vacancy_id": "8", "salary_mode": "HOUR", "salary_from": None, "salary_to": None}
    unknown = {"vacancy_id": "9", "salary_mode": "HOUR", "salary_currency": "XTS"}  # nothing is to be converted
    verdict = judge(flat(*rows, unstated, unknown), train=train)
    assert (verdict.rejected, verdict.accepted_without) == ({}, {"salary_not_monthly": 6})


@pytest.mark.parametrize("currency", ["rur", "RUB", "rub", " RUR", "₽", "руб.", "usd", "Usd "])
def test_a_currency_may_be_written_in_other_ways(currency):
    assert broken({"salary_currency": currency}, rates={"USD": 0.0125}) == [OK]
    assert broken({"salary_currency": currency}, rates={"usd": 0.0125}) == [OK]


def test_the_contract_may_know_a_currency():
    rows = [{"vacancy_id": "1", "salary_currency": "UZS"}, {"vacancy_id": "2", "salary_currency": None}]
    assert broken(*rows, rates={"UZS": 130.0}) == [OK, VacancyRule.CURRENCY_UNKNOWN]
    assert broken(*rows, rates={"UZS": 130.0, "": 1.0}) == [OK, OK]


def test_copies():
    rows = [{}, {"vacancy_id": "2"}, {}, {}]
    assert broken(*rows) == [OK, OK, VacancyRule.DUPLICATE, VacancyRule.DUPLICATE]


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"requirement": ""},
        {"salary_from": None},
        {"salary_gross": True},
        {"publications": 0},
        {"area_id": "2"},
    ],
    ids=str,
)
def test_a_vacancy_that_says_different_things_at_once(change):
    assert broken({}, {}, change, {"vacancy_id": "2"}) == [VacancyRule.CONFLICT] * 3 + [OK]


@pytest.mark.parametrize(
    "change",
    [
        {"salary_from": 90_000.0},
        {"salary_currency": "UZS"},
        {"salary_mode": "HOUR"},
        {"published_at": OLDER},
        {"closed_at": NEWER},
        {"publications": 9},
    ],
    ids=str,
)
def test_rows_that_differ_in_their_label_alone_are_copies_to_a_prediction(change):
    assert broken({}, change, train=False) == [OK, VacancyRule.DUPLICATE]
    assert broken({}, {"name": "another"}, change, train=False) == [VacancyRule.CONFLICT] * 3


def test_a_conflict_leaves_the_snapshot_before():
    rows = [{"snapshot_at": OLDER}, {"snapshot_at": NEWER}, {"snapshot_at": NEWER, "name": "other"}]
    assert broken(*rows) == [OK, VacancyRule.CONFLICT, VacancyRule.CONFLICT]


def test_of_several_snapshots_the_newest_is_accepted():
    rows = [{"snapshot_at": time} for time in (OLDER, NEWER, at("2023-09-04"))]
    assert broken(*rows) == [VacancyRule.SUPERSEDED, OK, VacancyRule.SUPERSEDED]


def test_a_wrong_row_supersedes_nothing():
    rows = [{"snapshot_at": OLDER}, {"snapshot_at": NEWER, "responsibility": None}]
    assert broken(*rows) == [OK, VacancyRule.RESPONSIBILITY_MISSING]


def test_later_snapshots_do_not_change_what_counts_before_as_of():
    rows = [{"snapshot_at": OLDER}, {"snapshot_at": at("2023-09-04")}, {"snapshot_at": NEWER}]
    assert broken(*rows, as_of=at("2023-09-04")) == [VacancyRule.SUPERSEDED, OK, OK]
    assert judge(flat(*rows), as_of=at("2023-09-04")).entities == 1


def test_the_verdict():
    first = flat({"vacancy_id": "1", "snapshot_at": NEWER}, {"vacancy_id": "2", "snapshot_at": None})
    verdict = judge(first, flat({"vacancy_id": "1", "snapshot_at": OLDER}, {"vacancy_id": "3"}))
    assert (verdict.accepted, verdict.entities) == (2, 2)
    assert verdict.rejected == {"snapshot_missing": 1, "superseded": 1}
    assert (verdict.oldest, verdict.newest) == (at("2023-09-04T12:00"), NEWER)  # the older of two snapshots is rejected


@pytest.mark.parametrize(
    "batches", [[], [flat().slice(0, 0)], [flat({"vacancy_id": None})]], ids=["none", "empty", "bad"]
)
def test_nothing_is_right(batches):
    verdict = judge(*batches)
    assert (verdict.accepted, verdict.entities, verdict.oldest, verdict.newest) == (0, 0, None, None)


@pytest.mark.parametrize(
    ("change", "rule", "column", "value"),
    [
        ({"vacancy_id": None}, VacancyRule.VACANCY_ID_MISSING, "vacancy_id", None),
        ({"description": "a\0b", "key_skills": "\0"}, VacancyRule.TEXT_NUL, "description", "a\0b"),
        ({"salary_from": 1.0, "salary_to": -5.0}, VacancyRule.SALARY_OUT_OF_RANGE, "salary_to", "-5"),
        ({"salary_to": 9.5}, VacancyRule.SALARY_REVERSED, "salary_from", "100000"),
        ({"salary_currency": "UZS"}, VacancyRule.CURRENCY_UNKNOWN, "salary_currency", "UZS"),
        ({"last_seen": NEWER + dt.timedelta(1)}, VacancyRule.SEEN_AHEAD, "last_seen", "2023-09-06 00:00:00.000000"),
        ({}, VacancyRule.SUPERSEDED, "snapshot_at", "2023-09-04 12:00:00.000000"),
    ],
    ids=lambda value: value.label if isinstance(value, VacancyRule) else "",
)
def test_what_broke_a_rule_is_shown(change, rule, column, value):
    names, values = offending(flat(change), rule)
    assert (names.to_pylist(), values.to_pylist()) == ([column], [value])


def test_every_rule_has_advice_and_a_column():
    assert set(ADVICE) == set(VacancyRule) - {OK}
    by_row = {VacancyRule.TIME_UNREADABLE, *(fault.rule for fault in faults(flat(), {}))}
    assert by_row | set(COLUMN) == set(VacancyRule) - {OK}
    assert VacancyRule.CONFLICT.label == "conflict"


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "vacancy_id": st.sampled_from(["1", "2", "ü", "", None]),
            "snapshot_at": st.sampled_from([OLDER, NEWER, at("2023-09-04"), None]),
            "name": st.sampled_from(["a", "a", "a", "b", None]),
            "responsibility": st.sampled_from(["Писать", "Писать", "Писать", None]),
        }
    ),
    max_size=12,
)
AS_OF = st.sampled_from([None, OLDER, at("2023-09-04")])


@given(ROWS, st.integers(0, 12), AS_OF)
def test_rows_in_are_rows_accepted_and_rejected_however_they_are_cut(rows, cut, as_of):
    batch = flat(*rows).slice(0, len(rows))
    verdict = judge(batch.slice(0, cut), batch.slice(cut), as_of=as_of)
    assert len(verdict.codes) == len(rows) == verdict.accepted + sum(verdict.rejected.values())
    assert [*verdict.codes] == [*judge(batch, as_of=as_of).codes]


@given(ROWS, AS_OF, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, as_of, random):
    def judged(order):
        verdict = judge(flat(*order).slice(0, len(order)), as_of=as_of)
        return Counter((repr(sorted(row.items())), int(code)) for row, code in zip(order, verdict.codes))

    assert judged(rows) == judged(random.sample(rows, len(rows)))


@given(ROWS, AS_OF)
def test_at_most_one_row_of_a_vacancy_is_used(rows, as_of):
    codes = judge(flat(*rows).slice(0, len(rows)), as_of=as_of).codes
    used = [r["vacancy_id"] for r, c in zip(rows, codes) if c == OK and (as_of is None or r["snapshot_at"] <= as_of)]
    assert len(used) == len(set(used))


@given(ROWS, ROWS)
def test_rows_after_as_of_change_nothing_before(rows, more):
    as_of = at("2023-09-04")
    later = [row | {"snapshot_at": NEWER} for row in more]
    alone = judge(flat(*rows).slice(0, len(rows)), as_of=as_of).codes
    beside = judge(flat(*rows, *later).slice(0, len(rows) + len(later)), as_of=as_of).codes
    past = [at for at, row in enumerate(rows) if row["snapshot_at"] is not None and row["snapshot_at"] <= as_of]
    assert [*alone[past]] == [*beside[past]]


def test_the_canonical_batch_has_what_the_rules_need():
    assert flat().schema.names[-1] == UNREADABLE

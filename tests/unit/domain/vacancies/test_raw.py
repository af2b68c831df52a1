"""Raw responses: nobody's contacts get in, and the rest stays as it came."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.vacancies import raw

CONTACTS = {"name": "Имя", "email": "a@b.ru", "phones": [{"number": "1"}]}

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
keys = st.sampled_from(["contacts", "id", "items", "phones"]) | st.text(max_size=3)
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=25
)


def reference(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: reference(v) for k, v in value.items() if k != "contacts" or v is None}
    return [reference(inner) for inner in value] if isinstance(value, list) else value


@given(document=documents, ascii_only=st.booleans())
def test_contacts_go_at_any_depth_and_nothing_else_changes(document: Any, ascii_only: bool) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only)
    kept = raw.without_contacts(body)
    assert json.loads(kept) == reference(document)
    if reference(document) == document:
        assert kept is body


def test_a_body_without_contacts_stays_byte_for_byte() -> None:
    body = '{ "items" : [ {"id":"1", "contacts": null, "name":"\\u0418\\/😀", "sum": 1.0E5} ] }'
    assert raw.without_contacts(body) is body


def test_an_escaped_key_hides_no_contacts() -> None:
    assert raw.without_contacts('{"\\u0063ontacts":{"name":"x"}}') == "{}"


@pytest.mark.parametrize("body", ["", "<html>", "[" * 100_000])
def test_what_is_no_json_is_refused(body: str) -> None:
    for reader in (raw.without_contacts, raw.search_page, raw.currency_rates):
        with pytest.raises(ValueError, match=r"."):
            reader(body)


@pytest.mark.parametrize(
    "body", ["null", "[]", "{}", '{"items":{},"found":1,"pages":1,"page":0}', '{"items":[],"found":"1"}']
)
def test_what_is_no_page_of_a_search_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match="not a page of a search"):
        raw.search_page(body)


def page(found: int, *items: dict[str, Any], number: int = 0) -> str:
    return json.dumps({"items": items, "found": found, "pages": 2, "page": number, "per_page": 100})


def test_pages_of_a_search_are_counted_together() -> None:
    early, late = {"published_at": "2026-11-21T10:00:00+0300"}, {"published_at": "2026-11-21T12:00:00+0300"}
    found = raw.listed(
        [
            page(3, {"id": "1", **late}, {"id": "2"}),
            page(4, {"id": "1", **early}, {"id": 3, **early}, {"x": 1}, number=1),
        ]
    )
    assert found.published == {"1": datetime(2026, 11, 21, 9), "2": None, "3": datetime(2026, 11, 21, 7)}
    assert (found.items, found.found, found.whole) == (4, 4, True)


ONE, TWO, THREE = ({"id": text} for text in "123")


@pytest.mark.parametrize(
    ("pages", "whole"),
    [
        ([page(5, ONE)], True),  # one page misses nothing that it could have
        ([page(3, ONE, TWO), page(3, THREE, number=1)], True),
        ([page(3, ONE, TWO), page(4, TWO, THREE, number=1)], True),  # one came
        ([page(3, ONE, TWO), page(2, number=1)], False),  # one went
        ([page(2, ONE, TWO), page(1, THREE, number=1)], False),  # two went, and one came late
        ([page(3, ONE, TWO), page(3, TWO, number=1)], False),  # less than counted
        ([page(3, ONE, TWO), page(2, number=1), page(2, TWO), page(2, THREE, number=1)], True),  # read again
        ([page(3, ONE, TWO), page(2, number=1), page(2, TWO), page(1, number=1)], False),
    ],
)
def test_pages_are_whole_when_nothing_can_have_slipped_past(pages: list[str], whole: bool) -> None:
    assert raw.listed(pages).whole is whole


events = st.lists(st.tuples(st.sampled_from(["come", "go"]), st.integers(0, 40)), max_size=4)


@given(count=st.integers(0, 30), between=st.lists(events, min_size=8, max_size=8))
def test_what_is_whole_has_everything_that_was_there_all_the_time(
    count: int, between: list[list[tuple[str, int]]]
) -> None:
    there, new, bodies, number, pages = list(range(count)), 1000, [], 0, 1
    lasting = set(there)
    while number < pages and number < len(between):
        pages = -(-len(there) // 5)
        items = [{"id": str(vacancy)} for vacancy in there[number * 5 : number * 5 + 5]]
        bodies.append(json.dumps({"items": items, "found": len(there), "pages": pages, "page": number}))
        number += 1
        if number < pages:
            for event, place in between[number - 1]:
                if event == "come":
                    there.insert(0, new := new + 1)
                elif there:
                    lasting.discard(there.pop(place % len(there)))
    found = raw.listed(bodies)
    if found.whole and number >= pages:
        assert {str(vacancy) for vacancy in lasting} <= set(found.published)


def test_the_later_publication_stays() -> None:
    known: dict[str, datetime | None] = {"1": datetime(2026, 1, 2), "2": None}
    raw.merge_published(known, {"1": datetime(2026, 1, 1), "2": datetime(2026, 1, 3), "3": None})
    assert known == {"1": datetime(2026, 1, 2), "2": datetime(2026, 1, 3), "3": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-09-04T15:45:24+0300", datetime(2023, 9, 4, 12, 45, 24)),
        ("2023-09-04T15:45:24Z", datetime(2023, 9, 4, 15, 45, 24)),
        ("2023-09-04T15:45:24", None),
        ("yesterday", None),
        ("0001-01-01T00:00:00+0300", None),
        (None, None),
        (7, None),
    ],
)
def test_times_become_utc(text: object, expected: datetime | None) -> None:
    assert raw.utc(text) == expected


def test_rates_are_those_of_currencies_that_have_one() -> None:
    entries: list[Any] = [
        {"code": "RUR", "rate": 1},
        {"code": "USD", "rate": 0.0125},
        {"code": "OLD", "rate": None},
        {"code": "BAD", "rate": 0},
        {"rate": 1.0},
        "XXX",
    ]
    assert raw.currency_rates(json.dumps({"currency": entries})) == {"RUR": 1.0, "USD": 0.0125}


@pytest.mark.parametrize("body", ["{}", "[]", '{"currency":[]}', '{"currency":{"RUR":1}}'])
def test_dictionaries_without_rates_are_refused(body: str) -> None:
    with pytest.raises(ValueError, match="no currencies"):
        raw.currency_rates(body)


def test_a_details_url_names_its_vacancy() -> None:
    assert raw.detail_id("https://api.hh.ru/vacancies/85961414") == "85961414"
    assert raw.detail_id("https://api.hh.ru/vacancies/a%2Fb?host=hh.ru") == "a/b"

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


@pytest.mark.parametrize("body", ["null", "[]", "{}", '{"items":{},"found":1,"pages":1}', '{"items":[],"found":"1"}'])
def test_what_is_no_page_of_a_search_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match="not a page of a search"):
        raw.search_page(body)


def page(items: list[dict], found: int) -> str:
    return json.dumps({"items": items, "found": found, "pages": 2, "page": 0, "per_page": 100})


def test_pages_of_a_search_are_counted_together() -> None:
    early, late = {"published_at": "2026-11-21T10:00:00+0300"}, {"published_at": "2026-11-21T12:00:00+0300"}
    found = raw.listed(
        [page([{"id": "1", **late}, {"id": "2"}], 3), page([{"id": "1", **early}, {"id": 3, **early}, {"x": 1}], 4)]
    )
    assert found.published == {"1": datetime(2026, 11, 21, 9), "2": None, "3": datetime(2026, 11, 21, 7)}
    assert (found.items, found.found, found.whole) == (4, 4, False)


def test_one_page_alone_is_whole_whatever_it_counts() -> None:
    assert raw.listed([page([{"id": "1"}], 5)]).whole


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

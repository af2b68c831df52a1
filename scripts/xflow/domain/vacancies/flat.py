"""Responses of hh.ru's API as flat rows: what a search says of a vacancy, and what its detail adds."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa

from xflow.columns import RESPONSIBILITY, VACANCY_ID
from xflow.domain.vacancies.api_values import code, part, text
from xflow.domain.vacancies.raw import parsed, published_at, search_items, utc, vacancy_id
from xflow.domain.vacancies.salary_item import salary_facts
from xflow.errors import InputUnreadable
from xflow.schema import LATER_COLUMNS, VACANCY_SCHEMA

LISTED_COLUMNS = (
    RESPONSIBILITY,
    *("name", "requirement", "employer_id", "employer_name", "area_id", "area_name"),
    *("professional_role_id", "professional_role", "experience_id", "employment_id", "schedule_id"),
    *("salary_from", "salary_to", "salary_currency", "salary_gross", "published_at"),
    *LATER_COLUMNS,
)
"""What a search says of a vacancy; the salary's rate is the snapshot's."""

CODES = ("experience_id", "employment_id", "schedule_id")
"""Codes that the searches of some months leave out; the details have them."""

DETAIL_SCHEMA = pa.schema(
    [
        pa.field("gone", pa.bool_()),
        pa.field("detail_etag", pa.string()),
        pa.field("detail_published_at", pa.timestamp("us")),
        *[VACANCY_SCHEMA.field(name) for name in ("initial_created_at", "description", "key_skills")],
        *[pa.field(f"detail_{name}", pa.string()) for name in CODES],
    ]
)
"""What a detail adds; `gone` says that the vacancy is archived or deleted."""

SIGHTING_SCHEMA = pa.schema(
    [
        VACANCY_SCHEMA.field(VACANCY_ID),
        pa.field("version", pa.string()),
        *[VACANCY_SCHEMA.field(name) for name in LISTED_COLUMNS],
        *DETAIL_SCHEMA,
    ]
)
"""One vacancy in one response. `version` names the content of `LISTED_COLUMNS` and is null in the rows of details."""

DELIVERY_SCHEMA = pa.schema([*VACANCY_SCHEMA, pa.field("changed", pa.bool_(), nullable=False)])
"""A flat vacancy as the history gives it; `changed` says that it is open and new, or no longer what it was."""

Row = dict[str, Any]


def sightings(responses: pa.RecordBatch) -> pa.RecordBatch:
    """Return what raw responses say, one row a vacancy and response.

    Parameters
    ----------
    responses
        A batch of `xflow.schema.RAW_SCHEMA`. Responses other than searches and details say nothing.

    Returns
    -------
    pa.RecordBatch
        Columns `SIGHTING_SCHEMA`, in the order of the responses. Times are in UTC without a zone. What
        is absent, or not of the type that the API documents, is null. A listed vacancy that is archived
        counts as gone, not as listed.

    Raises
    ------
    InputUnreadable
        A body is not JSON, or no page of a search; the message names its URL.
    """
    rows = [row for response in responses.to_pylist() for row in _rows(response)]
    return pa.RecordBatch.from_pylist(rows, schema=SIGHTING_SCHEMA)


def listed_row(item: Mapping[str, Any]) -> Row:
    """Return the row of one item of a search."""
    employer, area, snippet = (part(item, name) for name in ("employer", "area", "snippet"))
    roles = item.get("professional_roles")
    role = roles[0] if isinstance(roles, list) and roles and isinstance(roles[0], dict) else {}
    facts = {
        RESPONSIBILITY: text(snippet.get("responsibility")),
        "name": text(item.get("name")),
        "requirement": text(snippet.get("requirement")),
        "employer_id": text(employer.get("id")),
        "employer_name": text(employer.get("name")),
        "area_id": text(area.get("id")),
        "area_name": text(area.get("name")),
        "professional_role_id": text(role.get("id")),
        "professional_role": text(role.get("name")),
        **_codes(item),
        **salary_facts(item),
        "published_at": published_at(dict(item)),
    }
    return {VACANCY_ID: text(vacancy_id(dict(item))), "version": _version(facts), **facts}


def detail_row(name: str, detail: Mapping[str, Any], etag: str | None) -> Row:
    """Return the row of one vacancy's detail; an empty `detail` is one that was deleted.

    Parameters
    ----------
    name
        The vacancy's id.
    """
    skills = detail.get("key_skills")
    names = [text(skill.get("name")) for skill in skills if isinstance(skill, dict)] if isinstance(skills, list) else []
    return {
        VACANCY_ID: name,
        "gone": not detail or detail.get("archived") is True,
        "detail_etag": etag,
        "detail_published_at": published_at(dict(detail)),
        "initial_created_at": utc(detail.get("initial_created_at")),
        "description": text(detail.get("description")),
        "key_skills": "\n".join(filter(None, names)) or None,
        **{f"detail_{column}": found for column, found in _codes(detail).items()},
    }


def _rows(response: Row) -> Iterable[Row]:
    url: str = response["url"]
    if response["kind"] == "search":
        items = _read(url, lambda: list(search_items(response["body"])))
        return [_listed_or_gone(item) for item in items]
    if response["kind"] != "detail":
        return ()
    name = url.partition("?")[0].rpartition("/")[2]
    if response["status"] == 404:
        return [detail_row(name, {}, None)]
    detail = _read(url, lambda: parsed(response["body"] or ""))
    if not isinstance(detail, dict) or not vacancy_id(detail):
        raise InputUnreadable(f"{url}: not the detail of a vacancy. Delete the snapshot's prefix and collect again.")
    return [detail_row(vacancy_id(detail), detail, response["etag"])]


def _listed_or_gone(item: Row) -> Row:
    if item.get("archived") is True:
        return detail_row(vacancy_id(item), {}, None)
    return listed_row(item)


def _read(url: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except ValueError as error:
        raise InputUnreadable(
            f"{url}: the body is not what the API answers ({error}). Delete the snapshot's prefix and collect again."
        ) from error


def _version(facts: Row) -> str:
    # A null of a later column is no part of it: what an earlier version has seen keeps its name.
    named = {name: facts[name] for name in LISTED_COLUMNS if name not in LATER_COLUMNS or facts[name] is not None}
    content = json.dumps(named, ensure_ascii=False, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _codes(item: Mapping[str, Any]) -> Row:
    return {column: code(item, column.removesuffix("_id")) for column in CODES}

"""Responses of hh.ru's API as flat rows: what a search says of a vacancy, and what its detail adds."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa

from xflow.columns import RESPONSIBILITY, VACANCY_ID
from xflow.domain.vacancies.raw import parsed, published_at, search_items, utc, vacancy_id
from xflow.errors import InputUnreadable
from xflow.schema import VACANCY_SCHEMA

LISTED_COLUMNS = (
    RESPONSIBILITY,
    *("name", "requirement", "employer_id", "employer_name", "area_id", "area_name"),
    *("professional_role_id", "professional_role", "experience_id", "employment_id", "schedule_id"),
    *("salary_from", "salary_to", "salary_currency", "salary_gross", "published_at"),
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
    employer, area, salary, snippet = (_part(item, name) for name in ("employer", "area", "salary", "snippet"))
    roles = item.get("professional_roles")
    role = roles[0] if isinstance(roles, list) and roles and isinstance(roles[0], dict) else {}
    facts = {
        RESPONSIBILITY: _text(snippet.get("responsibility")),
        "name": _text(item.get("name")),
        "requirement": _text(snippet.get("requirement")),
        "employer_id": _text(employer.get("id")),
        "employer_name": _text(employer.get("name")),
        "area_id": _text(area.get("id")),
        "area_name": _text(area.get("name")),
        "professional_role_id": _text(role.get("id")),
        "professional_role": _text(role.get("name")),
        **_codes(item),
        "salary_from": _number(salary.get("from")),
        "salary_to": _number(salary.get("to")),
        "salary_currency": _text(salary.get("currency")),
        "salary_gross": salary["gross"] if isinstance(salary.get("gross"), bool) else None,
        "published_at": published_at(dict(item)),
    }
    return {VACANCY_ID: _text(vacancy_id(dict(item))), "version": _version(facts), **facts}


def detail_row(name: str, detail: Mapping[str, Any], etag: str | None) -> Row:
    """Return the row of one vacancy's detail; an empty `detail` is one that was deleted.

    Parameters
    ----------
    name
        The vacancy's id.
    """
    skills = detail.get("key_skills")
    names = (
        [_text(skill.get("name")) for skill in skills if isinstance(skill, dict)] if isinstance(skills, list) else []
    )
    return {
        VACANCY_ID: name,
        "gone": not detail or detail.get("archived") is True,
        "detail_etag": etag,
        "detail_published_at": published_at(dict(detail)),
        "initial_created_at": utc(detail.get("initial_created_at")),
        "description": _text(detail.get("description")),
        "key_skills": "\n".join(filter(None, names)) or None,
        **{f"detail_{column}": code for column, code in _codes(detail).items()},
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
    content = json.dumps(facts, ensure_ascii=False, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _codes(item: Mapping[str, Any]) -> Row:
    return {column: _text(_part(item, column.removesuffix("_id")).get("id")) for column in CODES}


def _part(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = item.get(name)
    return part if isinstance(part, dict) else {}


def _text(value: object) -> str | None:
    """Return a text as every store takes it: no NUL, no half of a surrogate pair."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    return value.replace("\x00", " ").encode("utf-8", "replace").decode()


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None

"""Values of the API's JSON in the type of a column: what is absent, or of another type, is None."""

import math
import re
from collections.abc import Mapping
from typing import Any

_DECIMAL = re.compile(r"[+-]?\d{1,300}(\.\d{1,300})?")


def part(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object inside an item, an empty one when there is none."""
    found = item.get(name)
    return found if isinstance(found, dict) else {}


def code(item: Mapping[str, Any], name: str) -> str | None:
    """Return the id of an entry of the API's dictionaries, ``{id, name}``."""
    return text(part(item, name).get("id"))


def text(value: object) -> str | None:
    """Return a text as every store takes it: no NUL, no half of a surrogate pair. Integers become text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    return value.replace("\x00", " ").encode("utf-8", "replace").decode()


def number(value: object) -> float | None:
    """Return a finite number; one that stands as text counts too, with blanks between its digits."""
    if isinstance(value, str):
        figure = "".join(value.split())
        return number(float(figure)) if _DECIMAL.fullmatch(figure) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None

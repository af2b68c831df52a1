"""What a candidate's `params` and `search` may say, by the parameters of its kind."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from itertools import islice, product
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from xflow.candidate_params import PARAMS
from xflow.errors import ConfigInvalid

MOST_COMBINATIONS = 1_000
SAID = {
    "string_pattern_mismatch": "",  # what the parameter is says it better than a regular expression
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "is_instance_of": "a list",
    "sequence_str": "a list",
}
"""By pydantic's types of errors."""


def parameters(kind: str, params: Mapping[str, Any]) -> Any:
    """Return the parameters of a kind, with its defaults for those left out.

    Raises
    ------
    ConfigInvalid
        The kind is unknown, has no such parameter, or a value is of another type or out of its range.
    """
    if kind not in PARAMS:
        raise ConfigInvalid(f"candidate kind {kind!r} is not one of {', '.join(PARAMS)}")
    try:
        return _adapter(kind).validate_python(dict(params))
    except ValidationError as error:
        faults = "; ".join(_fault(kind, each) for each in error.errors())
        raise ConfigInvalid(f"candidate of kind {kind}: {faults}") from None


def checked_params(kind: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that are given, each in its own type; raises as `parameters`."""
    found = parameters(kind, params)
    return {name: getattr(found, name) for name in params}


def checked_search(kind: str, params: Mapping[str, Any], search: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return a search space with every end and choice in its parameter's own type.

    Two numbers for a parameter that is one are a range, which runs upwards; anything else lists two choices or more,
    each once. Whatever the tuning may combine must be right together.

    Raises
    ------
    ConfigInvalid
        A space is no such list, or `parameters` refuses what may be tried.
    """
    checked = {name: _checked_space(kind, name, list(space)) for name, space in search.items()}
    for chosen in islice(product(*checked.values()), MOST_COMBINATIONS):
        parameters(kind, {**params, **dict(zip(checked, chosen, strict=True))})
    return checked


def is_range(space: list[Any]) -> bool:
    """Return whether a checked search space is a range, not a list of choices."""
    return len(space) == 2 and all(isinstance(v, int | float) and not isinstance(v, bool) for v in space)


def _checked_space(kind: str, name: str, space: list[Any]) -> list[Any]:
    values = [checked_params(kind, {name: value})[name] for value in space]
    where = f"candidate of kind {kind}: search of {name} {values}"
    if len(values) < 2:
        raise ConfigInvalid(f"{where}: write [low, high] or choices; one value alone belongs under params")
    if is_range(values) and not values[0] < values[1]:
        raise ConfigInvalid(f"{where}: a range is [low, high], and low is below high")
    if any(value in values[:at] for at, value in enumerate(values)):
        raise ConfigInvalid(f"{where}: name each choice once")
    return values


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(PARAMS[kind])


def _fault(kind: str, error: Any) -> str:
    """Return in words what is wrong with a parameter, and what it may be."""
    if not error["loc"]:
        return str(error["msg"]).removeprefix("Value error, ")
    name = str(error["loc"][0])
    if name not in names_of(kind):
        return f"{name} is no parameter of it. These are: {', '.join(names_of(kind)) or 'none'}"
    said = SAID.get(error["type"], str(error["msg"])).removeprefix("Value error, ").removeprefix("Input should be ")
    wanted = ": ".join(filter(None, [said, describe(PARAMS[kind], name)]))
    return f"{name} is {error['input']!r}, wanted is {wanted}"


def names_of(kind: str) -> list[str]:
    """Return the names of a kind's parameters, those that it shares with other kinds last."""
    own = PARAMS[kind].__annotations__
    return sorted((field.name for field in fields(PARAMS[kind])), key=lambda name: name not in own)


def describe(kind: type[Any], name: str) -> str:
    """Return what a parameter is, from its declaration."""
    hint = get_type_hints(kind, include_extras=True)[name]
    return next((text for text in _descriptions(hint)), name)


def _descriptions(hint: Any) -> Iterator[str]:
    for each in reversed(getattr(hint, "__metadata__", ())):
        if text := getattr(each, "description", None):
            yield text
    for inner in get_args(hint):
        yield from _descriptions(inner)

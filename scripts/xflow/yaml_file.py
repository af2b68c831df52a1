"""YAML as it is written: the types of YAML 1.2, where 1.1 has traps.

By YAML 1.1, which PyYAML follows, ``1e-3`` is a text, ``off``, ``no`` and ``on`` are booleans, ``010`` is 8, ``07:00``
is 420, and ``2026-10-01`` is a date. By the core schema of YAML 1.2 they are a number, three texts, 10 and two texts.
A name that a section gives twice is a mistake: the first value would be lost without a word.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml

BOOLEAN = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
INTEGER = re.compile(r"^[-+]?[0-9]+$")
NUMBER = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
RESOLVED = (
    ("tag:yaml.org,2002:bool", BOOLEAN, "tTfF"),
    ("tag:yaml.org,2002:int", INTEGER, "-+0123456789"),
    ("tag:yaml.org,2002:float", NUMBER, "-+0123456789."),
    ("tag:yaml.org,2002:null", NULL, ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:merge", re.compile(r"^(?:<<)$"), "<"),
)


class _Loader(yaml.SafeLoader):
    """Resolves plain scalars by the core schema of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's own

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Return a whole number in decimal digits."""
        return int(self.construct_scalar(node))

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a section; refuse one that gives a name twice."""
        seen = set[str]()
        for name in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if name.tag != "tag:yaml.org,2002:merge" and name.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name.value!r} is given twice", name.start_mark)
            seen.add(name.value)
        return super().construct_mapping(node, deep)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
for _tag, _pattern, _first in RESOLVED:
    _Loader.add_implicit_resolver(_tag, _pattern, list(_first))


def read_yaml(text: str) -> Any:
    """Return what a YAML document holds.

    Raises
    ------
    yaml.YAMLError
        It is no YAML, or a section gives a name twice.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader

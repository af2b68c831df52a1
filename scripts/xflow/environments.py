"""The environments that share a model registry, and the alias by which each of them serves a model."""

from dataclasses import dataclass

from xflow.errors import ConfigInvalid


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment.

    Attributes
    ----------
    name
        ``dev``, ``staging`` or ``prod``.
    champion
        Alias of the version that predicts there.
    previous
        Alias of the version that did before it.
    """

    name: str
    champion: str
    previous: str


STAGED = "staging"
"""Alias that a version gets in production before it may serve; it is what the environment `staging` serves."""
PRODUCTION = Environment("prod", "champion", "previous")
ENVIRONMENTS = {
    each.name: each
    for each in (
        Environment("dev", "dev", "dev_previous"),
        Environment("staging", STAGED, "staging_previous"),
        PRODUCTION,
    )
}


def environment(name: str) -> Environment:
    """Return an environment by its name.

    Raises
    ------
    ConfigInvalid
        There is none of that name.
    """
    if name not in ENVIRONMENTS:
        raise ConfigInvalid(f"XFLOW_ENV is {name!r}: choose from {', '.join(ENVIRONMENTS)}")
    return ENVIRONMENTS[name]

"""The running service for the tests of its API."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_world import World, publish, running, world_of

from xflow.settings import Settings


@pytest.fixture(scope="session")
def world(stack: Settings, stack_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Let small models serve, and run a service that answers with them."""
    made = world_of(stack_home, tmp_path_factory.mktemp("pipelines"), tmp_path_factory.mktemp("serving"))
    publish(stack, made.pipelines)
    with running(made):
        yield made

"""A sandbox and an engine of each test's own."""

from collections.abc import Iterator

import pytest

from sandbox.testing import Sandbox
from tests.integration.engine import Engine, engine


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with three organisations, nobody else's."""
    with Sandbox.start(organisations=3, seed=11) as running:
        yield running


@pytest.fixture
def whole_engine(sandbox: Sandbox, database_url: str, redis_url: str) -> Iterator[Engine]:
    """An engine on a sandbox, a database and a Redis of the test's own."""
    with engine(sandbox, database_url, redis_url) as made:
        yield made

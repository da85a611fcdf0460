"""A sandbox and an engine of each test's own, and an engine on a sandbox that a module's tests share."""

from collections.abc import Iterator

import pytest

from sandbox.testing import Sandbox
from tests.integration.engine import ROOMY, Engine, engine


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


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    """The module's one sandbox: each test compares with what is there at its end."""
    with Sandbox.start(organisations=5, seed=11) as running:
        yield running


@pytest.fixture
def shared_engine(shared_sandbox: Sandbox, database_url: str, redis_url: str) -> Iterator[Engine]:
    """An engine on the module's sandbox, calm again, with calls enough for every test."""
    shared_sandbox.calm()
    shared_sandbox.since("inclusive")
    with engine(shared_sandbox, database_url, redis_url, limits=ROOMY) as made:
        yield made

"""Migrated databases, copied from one of their server that is migrated when the first is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from tests.services.postgres import PostgresServer
from tests.services.sqlite import SqliteFolder


@contextmanager
def migrated(server: PostgresServer | SqliteFolder) -> Iterator[str]:
    """The address of a fresh migrated database, which is gone afterwards."""
    name = server.create(_template(server))
    try:
        yield server.url(name)
    finally:
        server.drop(name)


@cache
def _template(server: PostgresServer | SqliteFolder) -> str:
    # Here, so that a room that does not import fails only the tests that need it.
    from store.migrations import upgrade  # noqa: PLC0415
    from sync.providers import SHAPES  # noqa: PLC0415

    name = server.create()
    upgrade(server.url(name), SHAPES.values())
    return name

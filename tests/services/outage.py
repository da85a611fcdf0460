"""A database that really goes away for a while: PostgreSQL throws everybody out, SQLite's file is locked."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
from psycopg import sql
from sqlalchemy import make_url


class Outage:
    """From `begin` to `end` nobody can write to the database; made by `outage_of`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._running = ExitStack()

    def begin(self) -> None:
        """Take it away, in the middle of whatever happens."""
        away = _locked if self._url.startswith("sqlite") else _closed
        self._running.enter_context(away(self._url))

    def end(self) -> None:
        """Give it back; nothing happens when it is there."""
        self._running.close()


@contextmanager
def outage_of(url: str) -> Iterator[Outage]:
    """An outage to begin; it ends with the block at the latest."""
    outage = Outage(url)
    try:
        yield outage
    finally:
        outage.end()


@contextmanager
def _locked(url: str) -> Iterator[None]:
    holder = sqlite3.connect(str(make_url(url).database), isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        yield
    finally:
        holder.close()


@contextmanager
def _closed(url: str) -> Iterator[None]:
    server, name = url.replace("postgresql+psycopg://", "postgresql://", 1).rsplit("/", 1)
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        admin.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        try:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
            yield
        finally:
            admin.execute(allow.format(sql.Identifier(name), sql.SQL("true")))

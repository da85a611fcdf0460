"""Upkeep duties: short tasks that are due at times of their own, beside the feeds."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from store.database import Transaction
from store.models import duties


def keep(tx: Transaction, wanted: Mapping[str, timedelta]) -> None:
    """Make the rows agree with what this version of the program wants done, and how often."""
    insert = sqlite_insert if tx.is_sqlite else postgresql_insert
    for name, every in wanted.items():
        seconds = int(every.total_seconds())
        row = insert(duties).values(name=name, every_seconds=seconds, due_at=tx.now)
        # Another beat may be at it at the same time.
        tx.execute(row.on_conflict_do_update(index_elements=["name"], set_={"every_seconds": seconds}))
    tx.execute(duties.delete().where(duties.c.name.not_in(list(wanted))))


def take_due(tx: Transaction) -> list[str]:
    """The duties whose time has come; each is due again after its interval."""
    rows = tx.execute(select(duties).where(duties.c.due_at <= tx.now)).all()
    for row in rows:
        tx.execute(
            update(duties)
            .where(duties.c.name == row.name)
            .values(due_at=tx.now + timedelta(seconds=row.every_seconds))
        )
    return [row.name for row in rows]


def owe(tx: Transaction, name: str) -> None:
    """The duty was taken, but could not be sent: it is due still."""
    tx.execute(update(duties).where(duties.c.name == name).values(due_at=tx.now))

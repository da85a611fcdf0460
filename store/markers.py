"""Small facts that all processes share, and the turn that one beat has at a time."""

from sqlalchemy import select, text, update

from store.database import Transaction
from store.models import markers

_BEAT_LOCK = 7_314_160


def begin_turn(tx: Transaction) -> bool:
    """Whether this beat may open runs now; another's turn lasts as long as its transaction.

    SQLite lets one write at a time anyway. Several beats share the work by taking turns, and a
    dead one's turn ends with its connection.
    """
    if tx.is_sqlite:
        return True
    return bool(
        tx.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _BEAT_LOCK}).scalar_one()
    )


def replace(tx: Transaction, name: str, value: str) -> bool:
    """Keep a fact; True when it was another one before."""
    known = tx.execute(select(markers.c.value).where(markers.c.name == name)).scalar_one_or_none()
    if known is None:
        tx.execute(markers.insert().values(name=name, value=value))
    elif known != value:
        tx.execute(update(markers).where(markers.c.name == name).values(value=value))
    return bool(known != value)

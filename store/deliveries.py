"""Deliveries of webhooks: which numbers of each sequence came, and what happens about those that did not.

A provider that counts its events lets us see that one is missing, not whose it was: every list that its
webhooks tell of is read once more, as ordinary scheduled work.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, Insert, Text, and_, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.types import TypeEngine

from store import batch, notices
from store.database import Transaction, UtcDateTime
from store.models import connections, deliveries, feeds
from store.models import notices as notice_rows
from store.notices import IS_READ, KEEP, KEPT, MISSED, ToldNotice

# Deliveries overtake one another; what has not come after this is taken for missing. It may still come.
LATE = timedelta(seconds=30)

Numbers = tuple[str, int, int]
"""A sequence, and the first and the last number of a delivery."""


def take_in(tx: Transaction, provider: str, told: Iterable[ToldNotice], numbers: Collection[Numbers]) -> None:
    """Keep what deliveries tell, each notice once, and note their numbers; one statement on PostgreSQL."""
    if tx.is_sqlite:
        notices.keep(tx, provider, told)
        note(tx, numbers)
    else:
        tx.execute(_TAKE_IN, notices.parameters(tx, provider, told) | _parameters(tx, numbers))


def note(tx: Transaction, numbers: Collection[Numbers]) -> None:
    """These came; again is the same as once."""
    tx.execute(_NOTE[tx.is_sqlite], _parameters(tx, numbers))


def _parameters(tx: Transaction, numbers: Collection[Numbers]) -> dict[str, Any]:
    rows = [dict(zip(_NUMBERED, each, strict=True)) for each in sorted(set(numbers))]
    return batch.parameters(tx, rows, _NUMBERS)


_NUMBERS = "numbers"
_NUMBERED: dict[str, TypeEngine[Any]] = {"sequence": Text(), "first": BigInteger(), "last": BigInteger()}


def _noting(*, on_sqlite: bool) -> Insert:
    """The statement that notes what is new of the numbers that are given."""
    came = batch.table(_NUMBERED, on_sqlite=on_sqlite, name=_NUMBERS)
    now = batch.now(on_sqlite=on_sqlite).label("received_at")
    rows = select(came, now).order_by(came.c.sequence, came.c.first, came.c.last)
    insert = sqlite_insert if on_sqlite else postgresql_insert
    return insert(deliveries).from_select([*_NUMBERED, "received_at"], rows).on_conflict_do_nothing()


_NOTE = {on_sqlite: _noting(on_sqlite=on_sqlite) for on_sqlite in (False, True)}
# On PostgreSQL both are one statement, as whoever delivers waits for each way to the database.
_TAKE_IN = KEEP[False].add_cte(_NOTE[False].cte("noted"))


def look_for_missing(tx: Transaction, provider: str, resources: Collection[str]) -> int:
    """Let the lists that webhooks tell of be read once, however many holes; returns how many were found."""
    is_due = and_(deliveries.c.checked_at.is_(None), deliveries.c.received_at <= tx.now - LATE)
    since = select(deliveries.c.sequence, func.min(deliveries.c.first)).where(is_due)
    holes = [
        hole
        for sequence, first in tx.execute(since.group_by(deliveries.c.sequence)).all()
        for hole in _holes(tx, sequence, first)
    ]
    # A short overload leaves hundreds of holes: one read after the last of them serves them all.
    for sequence, _, last in {hole[0]: hole for hole in holes}.values():
        _pull(tx, provider, resources, f"{MISSED}:{sequence}:{last}")
    if holes:
        note(tx, holes)  # as good as come: the same hole is not found twice
    tx.execute(update(deliveries).where(is_due).values(checked_at=tx.now))
    return len(holes)


def prune(tx: Transaction) -> int:
    """Forget what no provider delivers again."""
    return int(tx.execute(delete(deliveries).where(deliveries.c.received_at < tx.now - KEPT)).rowcount)


def _holes(tx: Transaction, sequence: str, since: int) -> Iterator[Numbers]:
    """The numbers that no delivery from this one on has. Before the first that we know there is no hole."""
    ours = deliveries.c.sequence == sequence
    by_number = select(deliveries.c.first, deliveries.c.last, deliveries.c.received_at).where(ours)
    before = tx.execute(
        by_number.where(deliveries.c.first < since).order_by(deliveries.c.first.desc()).limit(1)
    ).first()
    reached: int | None = before.last if before else None
    for row in tx.execute(by_number.where(deliveries.c.first >= since).order_by(deliveries.c.first)):
        is_late = row.received_at <= tx.now - LATE
        if reached is not None and reached + 1 < row.first and is_late:
            yield sequence, reached + 1, row.first - 1
        reached = row.last if reached is None else max(reached, row.last)


def _pull(tx: Transaction, provider: str, resources: Collection[str], key: str) -> None:
    """A notice of our own for every feed that the missing one may have been about."""
    insert = sqlite_insert if tx.is_sqlite else postgresql_insert
    concerned = (
        select(
            feeds.c.connection_id,
            (literal(key + ":") + feeds.c.resource).label("key"),
            feeds.c.organisation_id,
            feeds.c.id.label("feed_id"),
            literal(MISSED).label("kind"),
            literal(tx.now, UtcDateTime).label("received_at"),
        )
        .join(connections, connections.c.id == feeds.c.connection_id)
        .where(connections.c.provider == provider, feeds.c.resource.in_(resources), IS_READ)
    )
    columns = [column.name for column in concerned.selected_columns]
    tx.execute(insert(notice_rows).from_select(columns, concerned).on_conflict_do_nothing())

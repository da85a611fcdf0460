"""What Dext took of our lists, entry by entry: the memory that lets only changes be sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from store.database import Scope, Transaction
from store.models import list_entries


@dataclass(frozen=True, slots=True)
class Taken:
    """An entry as Dext took it: its text, whether it is in use, and, once it is stored, since when."""

    text: str
    active: bool
    taken_at: datetime | None = None


def known(scope: Scope, feed_id: str, kind: str) -> dict[str, str]:
    """What Dext took of a list, in use or not: external id → the entry's text."""
    query = scope.select(list_entries, list_entries.c.external_id, list_entries.c.entry)
    rows = scope.tx.execute(query.where(list_entries.c.feed_id == feed_id, list_entries.c.kind == kind))
    return {row.external_id: row.entry for row in rows}


def take(
    tx: Transaction, *, organisation_id: str, feed_id: str, kind: str, entries: Mapping[str, Taken]
) -> None:
    """Dext has these now: external id → what it took."""
    if not entries:
        return
    insert = sqlite_insert if tx.is_sqlite else postgresql_insert
    row = insert(list_entries)
    statement = row.on_conflict_do_update(
        index_elements=["feed_id", "kind", "external_id"],
        set_={name: row.excluded[name] for name in ("active", "entry", "taken_at")},
    )
    tx.execute(
        statement,
        [
            {
                "organisation_id": organisation_id,
                "feed_id": feed_id,
                "kind": kind,
                "external_id": external_id,
                "active": taken.active,
                "entry": taken.text,
                "taken_at": tx.now,
            }
            for external_id, taken in entries.items()
        ],
    )


def page(
    scope: Scope,
    feed_id: str,
    kind: str,
    *,
    since: datetime | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[tuple[str, Taken]]:
    """Entries with their external ids, the longest unchanged first: those from `since` on, behind `after`."""
    own = (list_entries.c.feed_id == feed_id, list_entries.c.kind == kind)
    query = scope.select(list_entries).where(*own)
    if since is not None:
        query = query.where(list_entries.c.taken_at >= since)
    if after is not None:
        moment, external_id = after
        same_time = and_(list_entries.c.taken_at == moment, list_entries.c.external_id > external_id)
        query = query.where(or_(list_entries.c.taken_at > moment, same_time))
    rows = scope.tx.execute(query.order_by(list_entries.c.taken_at, list_entries.c.external_id).limit(limit))
    return [(row.external_id, Taken(row.entry, row.active, row.taken_at)) for row in rows]


def lines(scope: Scope, feed_id: str, kind: str) -> dict[str, Taken]:
    """The same with its times, for people."""
    query = scope.select(list_entries).where(list_entries.c.feed_id == feed_id, list_entries.c.kind == kind)
    return {row.external_id: Taken(row.entry, row.active, row.taken_at) for row in scope.tx.execute(query)}


def active(tx: Transaction, feed_id: str, kind: str) -> dict[str, str]:
    """What Dext took of a list and has in use: external id → the entry's text."""
    rows = tx.execute(
        select(list_entries.c.external_id, list_entries.c.entry).where(
            list_entries.c.feed_id == feed_id, list_entries.c.kind == kind, list_entries.c.active
        )
    )
    return {row.external_id: row.entry for row in rows}

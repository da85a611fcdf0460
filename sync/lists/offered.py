"""Lists that Dext asks us for: the same entries, by the same memory, as those that we would push to it.

What Dext is offered counts as what it has: an entry is told anew when it differs from what was offered
before, and one that is no longer in use is told as inactive.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from connectors.dext import ListEntry
from store import feeds, list_entries
from store.database import Transaction
from store.list_entries import Taken
from store.organisations import Link
from sync.lists.mapping import SOURCES, Source, read, written
from sync.lists.plan import Batch, batches
from sync.lists.wanted import codes_now, read_whole, wanted_now
from sync.providers import LIST_PUSH
from sync.services import Services

KINDS = {source.kind: source for source in SOURCES}
"""The lists that there are."""
Place = tuple[datetime, str]
"""Where a page ended: the time and the id of its last entry."""


class NotReadYetError(Exception):
    """Xero's list was never read whole: what is there of it would take away the rest in Dext."""


@dataclass(frozen=True, slots=True)
class Offered:
    """An entry, and since when it is as it is."""

    entry: ListEntry
    since: datetime


def look(services: Services, link: Link, source: Source) -> None:
    """Bring what is offered up to what Xero has, as we last read it. Raises NotReadYetError."""
    with services.database.reading() as tx:
        scope = tx.scope(link.organisation_id)
        usable = read_whole(scope)
        if not usable.issuperset(source.resources):
            raise NotReadYetError
        wanted = wanted_now(services, scope, source, codes_now(services, scope, usable))
        told = list_entries.known(scope, _feed_id(tx, link), source.kind)
    changes = batches(wanted, {key: read(text) for key, text in told.items()}, full=False)
    if changes:
        with services.database.transaction() as tx:
            list_entries.take(
                tx,
                organisation_id=link.organisation_id,
                feed_id=_feed_id(tx, link),
                kind=source.kind,
                entries={entry.external_id: Taken(written(entry), entry.active) for entry in _all(changes)},
            )


def page(
    services: Services, link: Link, source: Source, *, since: datetime | None, after: Place | None, limit: int
) -> tuple[list[Offered], Place | None]:
    """Entries that are as they are since that time or later, and where the next page goes on, if one does.

    Whatever changes while somebody turns the pages is on a later one.
    """
    with services.database.reading() as tx:
        scope, feed_id = tx.scope(link.organisation_id), _feed_id(tx, link)
        rows = list_entries.page(scope, feed_id, source.kind, since=since, after=after, limit=limit + 1)
    found = [Offered(read(taken.text), taken.taken_at) for _, taken in rows[:limit] if taken.taken_at]
    if len(rows) <= limit:
        return found, None
    return found, (found[-1].since, found[-1].entry.external_id)


def _feed_id(tx: Transaction, link: Link) -> str:
    return str(feeds.of(tx, link.id, LIST_PUSH).id)


def _all(changes: tuple[Batch, ...]) -> Iterator[ListEntry]:
    for batch in changes:
        yield from batch.entries

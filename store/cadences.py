"""What every connection reads and how often, brought to what this program says."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy import select, update

from store import organisations
from store.database import Transaction
from store.feeds import next_due, phase_of
from store.models import feeds


def bring_up(tx: Transaction, cadences: Mapping[str, timedelta], off: Collection[str] = ()) -> list[str]:
    """Give every connection the feeds that it lacks, due at once, and every feed its resource's cadence.

    ``cadences``: resource, such as `xero.contacts` → how often it is read. A feed of a resource that is not
    named is left alone. New feeds of the resources in ``off`` are made switched off. Returns what was made,
    with the number of organisations.
    """
    rows = tx.execute(select(feeds.c.connection_id, feeds.c.resource))
    known = {(row.connection_id, row.resource) for row in rows}
    added: Counter[str] = Counter()
    for link in organisations.every_link(tx):
        wanted = {name: length for name, length in cadences.items() if name.startswith(f"{link.provider}.")}
        missing = [resource for resource in wanted if (link.id, resource) not in known]
        if missing and not link.calls_us:
            organisations.add_missing_feeds(tx, link.organisation_id, link.id, wanted, off=off)
            added.update(missing)
    _set_cadences(tx, cadences)
    return [f"feeds of {resource} ({number})" for resource, number in added.items()]


def _set_cadences(tx: Transaction, cadences: Mapping[str, timedelta]) -> None:
    for resource, cadence in cadences.items():
        seconds = int(cadence.total_seconds())
        changed = select(feeds.c.id, feeds.c.due_at).where(
            feeds.c.resource == resource, feeds.c.cadence_seconds != seconds
        )
        for feed in tx.execute(changed.order_by(feeds.c.id).with_for_update()).all():
            phase = phase_of(feed.id, cadence)
            # A shorter cadence counts from now on; a longer one from the due time that was promised.
            due_at = min(feed.due_at, next_due(tx.now, phase=phase, cadence=cadence))
            tx.execute(
                update(feeds)
                .where(feeds.c.id == feed.id)
                .values(cadence_seconds=seconds, phase_seconds=int(phase.total_seconds()), due_at=due_at)
            )

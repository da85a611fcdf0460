"""A connection turns to another of the provider's organisations: what was read of the first is over."""

from collections.abc import Iterable

from sqlalchemy import delete, select, update

from config.shapes import Shape
from store import events, records
from store.database import Transaction
from store.models import candidates, connections, feeds, files, publications, runs, seen
from store.tables import table_of


def change_over(tx: Transaction, shapes: Iterable[Shape], connection_id: str, tenant_id: str) -> None:
    """Begin anew with another tenant: the first one's records are gone, and lists are read from the start.

    Nobody who still reads the first may write any more: their claims are taken away. Records stay as rows
    that are marked gone, and their files on the shelf.
    """
    ours = runs.c.connection_id == connection_id
    tx.execute(
        update(runs)
        .where(ours, runs.c.ended_at.is_(None))
        .values(
            state="queued",
            slice=runs.c.slice + 1,
            lease_until=None,
            published_at=None,
            not_before=None,
            reason=None,
            pages=0,
            full=True,
        )
    )
    by_resource = {shape.resource: shape for shape in shapes}
    gone: list[tuple[str, str, str, list[str]]] = []
    for feed in tx.execute(select(feeds).where(feeds.c.connection_id == connection_id)).all():
        if shape := by_resource.get(feed.resource):
            live = table_of(shape)
            mine = select(live.c.id).where(live.c.connection_id == connection_id, live.c.gone_at.is_(None))
            ids = records.mark_gone(tx, shape, connection_id, list(tx.execute(mine).scalars()))
            gone.append((feed.organisation_id, feed.id, feed.resource, ids))
    of_feeds = select(feeds.c.id).where(feeds.c.connection_id == connection_id)
    for table in (candidates, seen):
        tx.execute(delete(table).where(table.c.feed_id.in_(of_feeds)))
    for table in (files, publications):
        tx.execute(delete(table).where(table.c.connection_id == connection_id))
    tx.execute(
        update(feeds)
        .where(feeds.c.connection_id == connection_id)
        .values(
            cursor=None,
            full_cursor=None,
            newest_at=None,
            last_full_read_at=None,
            full_due_at=None,
            full_started_at=None,
            full_announced=None,
            due_at=tx.now,
            failures=0,
            error_code=None,
            error_sentence=None,
            error_words=None,
        )
    )
    tx.execute(update(connections).where(connections.c.id == connection_id).values(tenant_id=tenant_id))
    for organisation_id, feed_id, resource, ids in gone:
        events.append(
            tx,
            organisation_id=organisation_id,
            feed_id=feed_id,
            resource=resource,
            run_id=None,
            changes={"gone": ids},
        )

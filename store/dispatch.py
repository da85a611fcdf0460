"""Which runs need a message: those whose lease ran out, whose wait is over, or whose message got lost."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, func, or_, select, update

from store.database import Transaction
from store.feeds import CLAIMS_PER_CONNECTION, busy_by_connection, due_beside, lateness
from store.models import connections, feeds, grants, runs
from store.runs import UNTIL_RECONNECTED, Message

# A message that nobody claimed for this long is taken for lost and sent again; the queueing lock, which
# would hold it back, has run out by then.
RESEND_AFTER = timedelta(seconds=50)
# What a snoozed run becomes when it may go on.
_AWAKE: dict[str, Any] = {"state": "queued", "not_before": None, "reason": None, "published_at": None}


def recover(tx: Transaction) -> int:
    """Runs whose lease ran out go on from their cursor, and snoozed ones whose time has come wake.

    A comparison that keeps failing wakes for the read that is due, to give way to it. A run that waits for
    a reconnect wakes when the connection is there: it may have come while the run was on its way to bed.
    """
    lost = tx.execute(
        update(runs)
        .where(_lockable(tx, and_(runs.c.state == "running", runs.c.lease_until < tx.now)))
        .values(state="queued", slice=runs.c.slice + 1, lease_until=None, published_at=None)
    )
    stands_in_the_way = and_(
        runs.c.full,
        runs.c.reason.in_(["back-off", "filter ignored"]),
        runs.c.feed_id.in_(
            select(feeds.c.id).where(feeds.c.newest_at.is_not(None), feeds.c.due_at <= tx.now)
        ),
    )
    is_reconnected = and_(
        runs.c.reason.in_(UNTIL_RECONNECTED),
        runs.c.feed_id.in_(
            select(feeds.c.id)
            .join(connections, connections.c.id == feeds.c.connection_id)
            .join(grants, grants.c.id == connections.c.grant_id)
            .where(connections.c.state == "connected", feeds.c.enabled, grants.c.dead_at.is_(None))
        ),
    )
    may_wake = or_(runs.c.not_before <= tx.now, stands_in_the_way, is_reconnected)
    woken = tx.execute(
        update(runs).where(_lockable(tx, and_(runs.c.state == "snoozed", may_wake))).values(**_AWAKE)
    )
    return int(lost.rowcount + woken.rowcount)


def _lockable(tx: Transaction, condition: Any) -> Any:
    """Rows that nobody works on at this moment: several beats share the work instead of waiting."""
    found = select(runs.c.id).where(runs.c.ended_at.is_(None), condition)
    return runs.c.id.in_(found if tx.is_sqlite else found.with_for_update(skip_locked=True))


def wake_connection(tx: Transaction, connection_id: str) -> None:
    """After a reconnect: whatever waited for it goes on from its cursor."""
    tx.execute(
        update(runs)
        .where(
            runs.c.connection_id == connection_id,
            runs.c.state == "snoozed",
            runs.c.reason.in_([*UNTIL_RECONNECTED, "permission missing"]),
        )
        .values(**_AWAKE)
    )


def wake_after(tx: Transaction, outages: Mapping[str, timedelta | None]) -> int:
    """Bring back runs that wait for their provider: all once its outage is over, one when it is time to look.

    `outages`: provider → how long until the next look at it; None: it is there.
    """
    return sum(
        wake(tx, "provider unavailable", provider=provider, limit=None if outage is None else 1)
        for provider, outage in outages.items()
        if not outage
    )


def wake(tx: Transaction, reason: str, *, provider: str, limit: int | None = None) -> int:
    """Bring back a provider's runs that wait for this reason before their time, the longest waiting first."""
    waiting = and_(
        runs.c.state == "snoozed", runs.c.reason == reason, runs.c.resource.startswith(f"{provider}.")
    )
    chosen = (
        select(runs.c.id).where(runs.c.ended_at.is_(None), waiting).order_by(runs.c.opened_at).limit(limit)
    )
    return int(
        tx.execute(
            update(runs).where(_lockable(tx, and_(waiting, runs.c.id.in_(chosen)))).values(**_AWAKE)
        ).rowcount
    )


def unpublished(
    tx: Transaction, lane: str, limit: int, *, resend_after: timedelta = RESEND_AFTER
) -> list[Message]:
    """Queued runs that no message is on its way for, latest first, organisations in turn."""
    lost = or_(runs.c.published_at.is_(None), runs.c.published_at < tx.now - resend_after)
    late = lateness(tx.now)
    turn = func.row_number().over(partition_by=runs.c.connection_id, order_by=late.desc())
    waiting = (
        select(
            runs.c.id,
            runs.c.connection_id,
            runs.c.pages,
            late.label("late"),
            turn.label("turn"),
        )
        .join(feeds, feeds.c.id == runs.c.feed_id)
        .where(runs.c.ended_at.is_(None), runs.c.state == "queued", runs.c.lane == lane, lost)
        .subquery()
    )
    # What could not be claimed would only be sent again; the lost ones are not in their own way.
    busy = busy_by_connection(sent_since=tx.now - resend_after)
    allowed = (
        CLAIMS_PER_CONNECTION + 1 if lane == "now" else CLAIMS_PER_CONNECTION - _kept_for_due(tx, waiting)
    )
    query = (
        select(waiting.c.id)
        .outerjoin(busy, busy.c.connection_id == waiting.c.connection_id)
        .where(waiting.c.turn + func.coalesce(busy.c.busy, 0) <= allowed)
        .order_by(waiting.c.turn, waiting.c.late.desc())
        .limit(limit)
    )
    chosen = list(tx.execute(query).scalars())
    if not chosen:
        return []
    # Marked and returned are only those that nobody works on at this moment.
    still_queued = _lockable(tx, and_(runs.c.id.in_(chosen), runs.c.state == "queued"))
    marked = tx.execute(update(runs).where(still_queued).values(published_at=tx.now).returning(runs)).all()
    found = {row.id: Message(row.id, row.slice, row.lane, row.feed_id) for row in marked}
    return [found[run_id] for run_id in chosen if run_id in found]


def _kept_for_due(tx: Transaction, waiting: Any) -> Any:
    """One of a connection's places, while others of its feeds are due: long runs must not shut them out."""
    return case((and_(waiting.c.pages > 0, due_beside(tx, waiting.c.connection_id)), 1), else_=0)


def mark_published(tx: Transaction, run_ids: Sequence[str], at: datetime | None) -> None:
    """Note that messages are on their way; with None, that they did not get there."""
    if run_ids:
        tx.execute(
            update(runs).where(runs.c.id.in_(run_ids), runs.c.state == "queued").values(published_at=at)
        )


def forget_messages(tx: Transaction) -> int:
    """The queue was wiped: every queued run is sent again."""
    queued = _lockable(tx, runs.c.state == "queued")
    return int(tx.execute(update(runs).where(queued).values(published_at=None)).rowcount)

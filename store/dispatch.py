"""Which runs and decisions need a message: their lease ran out, their wait is over, or it got lost."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Select, Table, Text, Update, and_, bindparam, case, false, func, or_, select, update

from store.database import NOW, Transaction, UtcDateTime
from store.feeds import busy_by_connection, due_beside, lateness
from store.models import connections, decisions, feeds, grants, runs
from store.runs import ALLOWED, CHANGES_TELL, UNTIL_RECONNECTED, Message

# A message that nobody claimed for this long is taken for lost and sent again; the queueing lock, which
# would hold it back, has run out by then.
RESEND_AFTER = timedelta(seconds=50)
# What a snoozed run becomes when it may go on.
_AWAKE: dict[str, Any] = {"state": "queued", "not_before": None, "reason": None, "published_at": None}
# What workers claim slice by slice: the same columns mean the same in both. What somebody waits for is first.
WORK = (decisions, runs)
_ALL = 2**31 - 1
_BEGAN = {"decisions": decisions.c.decided_at, "runs": runs.c.opened_at}


def recover(tx: Transaction) -> int:
    """What lost its lease goes on, and what is snoozed wakes when its time has come.

    A comparison that keeps failing wakes for the read that is due, to give way to it. What waits for a
    reconnect wakes when the connection is there: it may have come while that was on its way to bed, or while
    the old consent's refusal was.
    """
    statements = [statement for table in WORK for statement in _recovering(table, on_sqlite=tx.is_sqlite)]
    return sum(int(tx.execute(statement, {"now": tx.now}).rowcount) for statement in statements)


@cache
def _recovering(table: Table, *, on_sqlite: bool) -> tuple[Update, Update]:
    is_lost = and_(table.c.state == "running", table.c.lease_until < NOW)
    lost = (
        update(table)
        .where(lockable(table, is_lost, on_sqlite=on_sqlite))
        .values(state="queued", slice=table.c.slice + 1, lease_until=None, published_at=None)
    )
    is_reconnected = or_(
        and_(table.c.reason.in_(UNTIL_RECONNECTED), table.c.feed_id.in_(_reachable())),
        and_(table.c.reason == "permission missing", _agreed_since(table)),
    )
    stands = _stands_in_the_way() if table is runs else false()
    may_wake = and_(table.c.state == "snoozed", or_(table.c.not_before <= NOW, is_reconnected, stands))
    return lost, update(table).where(lockable(table, may_wake, on_sqlite=on_sqlite)).values(**_AWAKE)


def _reachable() -> Any:
    """The feeds that can be read, as far as their connections go."""
    return (
        select(feeds.c.id)
        .join(connections, connections.c.id == feeds.c.connection_id)
        .join(grants, grants.c.id == connections.c.grant_id)
        .where(connections.c.state == "connected", feeds.c.enabled, grants.c.dead_at.is_(None))
    )


def _agreed_since(table: Table) -> Any:
    """The organisation was connected anew after this was claimed: what was refused is the old consent."""
    anew = and_(connections.c.id == table.c.connection_id, connections.c.state_since > table.c.claimed_at)
    return select(connections.c.id).where(anew, connections.c.state == "connected").exists()


def _stands_in_the_way() -> Any:
    """A comparison that keeps failing while a read is due, and would make room for it."""
    return and_(
        runs.c.full,
        runs.c.reason.in_(["back-off", "filter ignored"]),
        runs.c.feed_id.in_(
            select(feeds.c.id).where(feeds.c.newest_at.is_not(None), feeds.c.due_at <= NOW, CHANGES_TELL)
        ),
    )


def lockable(table: Table, condition: Any, *, on_sqlite: bool) -> Any:
    """Rows that nobody works on at this moment: several beats share the work instead of waiting."""
    found = select(table.c.id).where(table.c.ended_at.is_(None), condition)
    return table.c.id.in_(found if on_sqlite else found.with_for_update(skip_locked=True))


def wake_connection(tx: Transaction, connection_id: str) -> None:
    """After a reconnect: whatever waited for it goes on from where it was."""
    for table in WORK:
        tx.execute(
            update(table)
            .where(
                table.c.connection_id == connection_id,
                table.c.state == "snoozed",
                table.c.reason.in_([*UNTIL_RECONNECTED, "permission missing"]),
            )
            .values(**_AWAKE)
        )


def wake_after(tx: Transaction, outages: Mapping[str, timedelta | None]) -> int:
    """Bring back what waits for its provider: all once its outage is over, one when it is time to look.

    `outages`: provider → how long until the next look at it; None: it is there.
    """
    return sum(
        wake(tx, "provider unavailable", provider=provider, limit=None if outage is None else 1)
        for provider, outage in outages.items()
        if not outage
    )


def wake(tx: Transaction, reason: str, *, provider: str, limit: int | None = None) -> int:
    """Bring back what of a provider's waits for this reason before its time, the longest waiting first."""
    left = _ALL if limit is None else limit
    for_this = {"waits_for": reason, "whose": f"{provider}."}
    woken = 0
    for table in WORK:
        statement = _waking(table, on_sqlite=tx.is_sqlite)
        woken += int(tx.execute(statement, for_this | {"most": left - woken}).rowcount)
    return woken


@cache
def _waking(table: Table, *, on_sqlite: bool) -> Update:
    its = table.c.resource.startswith(bindparam("whose", type_=Text))
    waiting = and_(table.c.state == "snoozed", table.c.reason == bindparam("waits_for"), its)
    chosen = (
        select(table.c.id)
        .where(table.c.ended_at.is_(None), waiting)
        .order_by(_BEGAN[table.name])
        .limit(bindparam("most"))
    )
    still = lockable(table, and_(waiting, table.c.id.in_(chosen)), on_sqlite=on_sqlite)
    return update(table).where(still).values(**_AWAKE)


def unpublished(
    tx: Transaction, lane: str, limit: int, *, resend_after: timedelta = RESEND_AFTER
) -> list[Message]:
    """Queued runs that no message is on its way for, latest first, organisations in turn."""
    asked = {"now": tx.now, "lost_before": tx.now - resend_after, "most": limit}
    chosen = list(tx.execute(_without_message(lane), asked).scalars())
    if not chosen:
        return []
    # Marked and returned are only those that nobody works on at this moment.
    mark = marking(runs, "lane", "feed_id", on_sqlite=tx.is_sqlite)
    marked = tx.execute(mark, {"chosen": chosen, "now": tx.now})
    found = {row.id: Message(row.id, row.slice, row.lane, row.feed_id) for row in marked}
    return [found[run_id] for run_id in chosen if run_id in found]


@cache
def _without_message(lane: str) -> Select[Any]:
    lost_before = bindparam("lost_before", type_=UtcDateTime)
    lost = or_(runs.c.published_at.is_(None), runs.c.published_at < lost_before)
    late = lateness()
    turn = func.row_number().over(partition_by=runs.c.connection_id, order_by=(ALLOWED.desc(), late.desc()))
    waiting = (
        select(
            runs.c.id,
            runs.c.connection_id,
            runs.c.pages,
            late.label("late"),
            turn.label("turn"),
            ALLOWED.label("allowed"),
        )
        .join(feeds, feeds.c.id == runs.c.feed_id)
        .where(runs.c.ended_at.is_(None), runs.c.state == "queued", runs.c.lane == lane, lost)
        .subquery()
    )
    # What could not be claimed would only be sent again; the lost ones are not in their own way.
    busy = busy_by_connection(sent_since=lost_before)
    kept = 0 if lane == "now" else _kept_for_due(waiting)
    return (
        select(waiting.c.id)
        .outerjoin(busy, busy.c.connection_id == waiting.c.connection_id)
        .where(waiting.c.turn + func.coalesce(busy.c.busy, 0) <= waiting.c.allowed - kept)
        .order_by(waiting.c.turn, waiting.c.late.desc())
        .limit(bindparam("most"))
    )


def _kept_for_due(waiting: Any) -> Any:
    """One of a connection's places, while others of its feeds are due: long runs must not shut them out."""
    return case((and_(waiting.c.pages > 0, due_beside(waiting.c.connection_id, NOW)), 1), else_=0)


@cache
def marking(table: Table, *wanted: str, on_sqlite: bool) -> Any:
    """A message for each of the chosen that is still queued is on its way NOW; gives id, slice, `wanted`."""
    is_chosen = and_(table.c.id.in_(bindparam("chosen", expanding=True)), table.c.state == "queued")
    still = lockable(table, is_chosen, on_sqlite=on_sqlite)
    return (
        update(table)
        .where(still)
        .values(published_at=NOW)
        .returning(*(table.c[name] for name in ("id", "slice", *wanted)))
    )


def mark_published(tx: Transaction, ids: Sequence[str], at: datetime | None) -> None:
    """Note that messages of runs or decisions are on their way; with None, that they did not get there."""
    for table in WORK if ids else ():
        named = and_(table.c.id.in_(ids), table.c.state == "queued")
        tx.execute(update(table).where(named).values(published_at=at))


def forget_messages(tx: Transaction) -> int:
    """The queue was wiped: all that is queued is sent again."""
    forgotten = 0
    for table in WORK:
        queued = lockable(table, table.c.state == "queued", on_sqlite=tx.is_sqlite)
        forgotten += int(tx.execute(update(table).where(queued).values(published_at=None)).rowcount)
    return forgotten

"""Feeds: when each is due, in which order they get their turn, and how far each has read."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Float, Select, and_, bindparam, case, extract, func, or_, select, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from config.cadence import COMPARISON
from store.database import NOW, Transaction
from store.models import connections, feeds, runs

# Open claims of one connection by scheduled work; what goes ahead has more (store/runs.py).
CLAIMS_PER_CONNECTION = 4

# A full read that somebody asked for and that could prove nothing is tried again after this.
UNPROVEN_AGAIN = timedelta(hours=1)

HANDED_IN = "handed in"
"""Why a feed is off whose provider calls us: what it has comes by itself."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DueFeed:
    """A feed whose turn it is: `full` when it is to be read whole."""

    id: str
    organisation_id: str
    connection_id: str
    resource: str
    full: bool
    full_asked_by: str | None


def phase_of(feed_id: str, cadence: timedelta) -> timedelta:
    """Where in its cadence a feed's slots lie: spread by hash, so that no hour begins with a storm."""
    digest = hashlib.sha256(feed_id.encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8]) % max(1, int(cadence.total_seconds())))


def next_due(after: datetime, *, phase: timedelta, cadence: timedelta) -> datetime:
    """The first slot (phase + k cadences, counted from 1970) later than `after`."""
    slots_gone = (after - _EPOCH - phase) // cadence
    return _EPOCH + phase + (slots_gone + 1) * cadence


class seconds_between(FunctionElement[float]):  # noqa: N801 - reads as the SQL function it is
    """Seconds from the first time to the second, on either database."""

    type = Float()
    inherit_cache = True


@compiles(seconds_between, "postgresql")
def _seconds_on_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    start, end = element.clauses
    return str(compiler.process(extract("epoch", end - start), **kw))


@compiles(seconds_between, "sqlite")
def _seconds_on_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    start, end = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"((julianday({end}) - julianday({start})) * 86400.0)"


def lateness() -> ColumnElement[float]:
    """How late a feed is NOW, in cadences: the order in which waiting feeds get their turn.

    What only waits for its comparison is measured by the comparison's own, much longer cadence.
    """
    by_due = seconds_between(feeds.c.due_at, NOW) / feeds.c.cadence_seconds
    full_due_at = func.coalesce(feeds.c.full_due_at, NOW)
    by_comparison = seconds_between(full_due_at, NOW) / COMPARISON.total_seconds()
    return case((feeds.c.due_at <= NOW, by_due), else_=by_comparison)


# Their columns are made once, not at each tick.
_DUE_FEEDS, _OPEN_RUNS = feeds.alias("due_feeds"), runs.alias("open_runs")


def due_beside(connection_id: Any, now: Any) -> ColumnElement[bool]:
    """Whether feeds of this connection are due at a time, or NOW, and have no run yet."""
    has_run = select(_OPEN_RUNS.c.id).where(
        _OPEN_RUNS.c.feed_id == _DUE_FEEDS.c.id, _OPEN_RUNS.c.ended_at.is_(None)
    )
    return (
        select(_DUE_FEEDS.c.id)
        .where(
            _DUE_FEEDS.c.connection_id == connection_id,
            _DUE_FEEDS.c.enabled,
            _DUE_FEEDS.c.due_at <= now,
            ~has_run.exists(),
        )
        .exists()
    )


def busy_by_connection(*, sent_since: Any = None) -> Any:
    """How many runs of each connection are running or on their way to a worker.

    With `sent_since`, a time or a parameter, a message older than that is on its way no more.
    """
    is_sent = runs.c.published_at.is_not(None) if sent_since is None else runs.c.published_at >= sent_since
    return (
        select(runs.c.connection_id, func.count().label("busy"))
        .where(
            runs.c.ended_at.is_(None),
            or_(runs.c.state == "running", and_(runs.c.state == "queued", is_sent)),
        )
        .group_by(runs.c.connection_id)
        .subquery()
    )


def due(tx: Transaction, limit: int) -> list[DueFeed]:
    """The feeds to open a run for: latest first, organisations in turn, within each connection's claims."""
    rows = tx.execute(_turns(), {"now": tx.now, "limit": limit, "candidates": limit * 8}).mappings()
    # Read as usual while that is due; a full read takes the moments between.
    return [
        DueFeed(
            id=row["id"],
            organisation_id=row["organisation_id"],
            connection_id=row["connection_id"],
            resource=row["resource"],
            full=row["newest_at"] is None or row["due_at"] > tx.now,
            full_asked_by=row["full_asked_by"],
        )
        for row in rows
    ]


@cache
def _turns() -> Select[Any]:
    """Whose turn it is NOW: built once, as beat asks at each tick."""
    is_due = or_(feeds.c.due_at <= NOW, feeds.c.full_due_at <= NOW)
    has_open_run = select(runs.c.id).where(runs.c.feed_id == feeds.c.id, runs.c.ended_at.is_(None)).exists()
    late = lateness().label("late")
    busy = busy_by_connection()
    free = CLAIMS_PER_CONNECTION - func.coalesce(busy.c.busy, 0)
    waiting = (
        select(feeds, late, free.label("free"))
        .join(connections, connections.c.id == feeds.c.connection_id)
        .outerjoin(busy, busy.c.connection_id == feeds.c.connection_id)
        # Whoever has its hands full does not stand in the way of those behind.
        .where(feeds.c.enabled, connections.c.state == "connected", is_due, ~has_open_run, free > 0)
        .order_by(late.desc())
        # Enough connections to take turns among, whatever the backlog's length.
        .limit(bindparam("candidates"))
        .subquery()
    )
    turn = (
        func.row_number()
        .over(partition_by=waiting.c.connection_id, order_by=waiting.c.late.desc())
        .label("turn")
    )
    turns = select(waiting, turn).subquery()
    return (
        select(turns)
        .where(turns.c.turn <= turns.c.free)
        .order_by(turns.c.turn, turns.c.late.desc())
        .limit(bindparam("limit"))
    )


def of(tx: Transaction, connection_id: str, resource: str) -> Any:
    """A connection's feed of a resource, as its row; None when it has none, or takes nothing in."""
    takes = or_(feeds.c.enabled, feeds.c.off_because == HANDED_IN)
    mine = and_(feeds.c.connection_id == connection_id, feeds.c.resource == resource, takes)
    return tx.execute(select(feeds).where(mine)).first()


def is_handed_in(tx: Transaction, feed_id: str) -> bool:
    """Whether the provider calls us for it, so that nothing can be read."""
    found = tx.execute(select(feeds.c.off_because).where(feeds.c.id == feed_id)).scalar_one()
    return bool(found == HANDED_IN)


def advance(
    tx: Transaction, feed_id: str, *, full: bool, cursor: dict[str, Any] | None, newest_at: datetime | None
) -> None:
    """Keep the cursor that follows the page stored in this same transaction.

    `newest_at`: up to when changed-since reading is complete; it only ever moves on.
    """
    values: dict[str, Any] = {
        "full_cursor" if full else "cursor": None if cursor is None else json.dumps(cursor)
    }
    if newest_at is not None:
        behind = or_(feeds.c.newest_at.is_(None), feeds.c.newest_at < newest_at)
        values["newest_at"] = case((behind, newest_at), else_=feeds.c.newest_at)
    tx.execute(update(feeds).where(feeds.c.id == feed_id).values(**values))


def switch_off(tx: Transaction, feed_id: str, because: str) -> None:
    """No more reads of this feed.

    `because`: "not offered" (by the provider, under the present agreement: until reconnected) or "by hand".
    What is off already keeps its reason.
    """
    on = and_(feeds.c.id == feed_id, feeds.c.enabled)
    tx.execute(update(feeds).where(on).values(enabled=False, off_because=because))


def switch_on(tx: Transaction, feed_id: str) -> None:
    """The feed is read again, and is due at once; it goes on from its cursor."""
    off = and_(feeds.c.id == feed_id, ~feeds.c.enabled)
    tx.execute(update(feeds).where(off).values(enabled=True, off_because=None, due_at=tx.now, stretch=1))


def put_off(tx: Transaction, feed_id: str) -> bool:
    """Where a full read is due, let it go first: changes are asked for again at the next slot.

    False when none is due.
    """
    feed = tx.execute(select(feeds).where(feeds.c.id == feed_id)).one()
    if feed.full_due_at is None or feed.full_due_at > tx.now:
        return False
    phase, cadence = timedelta(seconds=feed.phase_seconds), timedelta(seconds=feed.cadence_seconds)
    slot = next_due(tx.now, phase=phase, cadence=cadence)
    tx.execute(update(feeds).where(feeds.c.id == feed_id).values(due_at=slot))
    return True


def warn(tx: Transaction, feed_id: str, *, code: str, sentence: str) -> None:
    """The feed was read, but a person should know this about it; the next good run forgets it."""
    tx.execute(
        update(feeds)
        .where(feeds.c.id == feed_id)
        .values(error_code=code, error_sentence=sentence, error_words=None)
    )


def full_done(tx: Transaction, feed_id: str, began_at: datetime) -> None:
    """Everything was gone through, from a look at that time on."""
    tx.execute(update(feeds).where(feeds.c.id == feed_id).values(last_full_read_at=began_at))


def plan_comparison(
    tx: Transaction, feed_id: str, *, whole: bool, proven: bool, every: timedelta = COMPARISON
) -> None:
    """After a full read: when the next regular comparison is wanted (a list read whole each time needs none).

    A full read that somebody asked for after this one began is still owed, and stays due at once; one that
    could prove nothing is owed too, but not in a loop.
    """
    feed = tx.execute(select(feeds).where(feeds.c.id == feed_id)).one()
    owed = feed.full_asked_at is not None and (
        feed.last_full_read_at is None or feed.last_full_read_at < feed.full_asked_at
    )
    if owed:
        if not proven:
            again_at = tx.now + UNPROVEN_AGAIN
            tx.execute(update(feeds).where(feeds.c.id == feed_id).values(full_due_at=again_at))
        return
    phase = phase_of(feed.id, every)
    comparison_at = None if whole else next_due(tx.now, phase=phase, cadence=every)
    tx.execute(
        update(feeds)
        .where(feeds.c.id == feed_id)
        .values(full_due_at=comparison_at, full_asked_by=None, full_asked_at=None)
    )


def want_full(tx: Transaction, feed_id: str, *, by: str) -> None:
    """The provider wants or has the whole list anew: read or pushed whole once its changes are done."""
    asked = {"full_due_at": tx.now, "full_asked_at": tx.now, "full_asked_by": by}
    tx.execute(update(feeds).where(feeds.c.id == feed_id).values(**asked))

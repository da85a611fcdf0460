"""The database's clock was set back: what was planned by the wrong time is planned anew.

A clock that ran ahead, be it for a second, has pushed due times, leases and waits into a future that will not
come for as long as it was ahead. Each tick notes the time; one that finds an earlier time puts things right.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, and_, literal, select, update

from config.cadence import COMPARISON
from store.database import Transaction
from store.feeds import seconds_between
from store.models import decisions, duties, feeds, files, grants, markers, presses, runs

MARKER = "clock"
# Beats of several machines read one clock; a failover may change it by a moment without any harm.
LEAST_JUMP = timedelta(seconds=5)
# So that not each tick writes.
NOTED_EVERY = timedelta(seconds=2)
MOMENT = timedelta(microseconds=1)
# What was read by the wrong time was read by now, or long before: it answers nobody who asks from here on.
LONG_BEFORE = timedelta(days=1)


def set_back_by(tx: Transaction) -> timedelta | None:
    """By how much the clock was set back since the last tick; None: it was not."""
    text = tx.execute(select(markers.c.value).where(markers.c.name == MARKER)).scalar_one_or_none()
    known = None if text is None else datetime.fromisoformat(text)
    if known is None:
        tx.execute(markers.insert().values(name=MARKER, value=tx.now.isoformat()))
        return None
    jump = known - tx.now
    if jump > LEAST_JUMP or -jump > NOTED_EVERY:
        tx.execute(update(markers).where(markers.c.name == MARKER).values(value=tx.now.isoformat()))
    return jump if jump > LEAST_JUMP else None


def put_right(tx: Transaction, *, lease: timedelta) -> None:
    """Nothing lies farther ahead than it would if it had been planned now.

    A run that somebody works on this very moment may be taken from them: the fence keeps that safe.
    """
    now = tx.now
    moment = literal(now, feeds.c.due_at.type)
    too_far = seconds_between(moment, feeds.c.due_at) > feeds.c.cadence_seconds * feeds.c.stretch
    for table, condition, values in (
        *_work(runs, now, lease),
        *_work(decisions, now, lease),
        (feeds, too_far, {"due_at": now}),
        (feeds, feeds.c.last_start_at > now, {"last_start_at": now}),
        (feeds, feeds.c.full_due_at > now + COMPARISON, {"full_due_at": now}),
        (feeds, feeds.c.full_asked_at > now, {"full_asked_at": now}),
        (feeds, feeds.c.full_started_at > now, {"full_started_at": now - LONG_BEFORE}),
        (feeds, feeds.c.last_full_read_at > now, {"last_full_read_at": now - LONG_BEFORE}),
        (presses, presses.c.pressed_at > now, {"pressed_at": now}),
        (runs, and_(runs.c.ended_at.is_(None), runs.c.first_read_at > now), {"first_read_at": now}),
        (files, files.c.not_before > now, {"not_before": now}),
        (duties, duties.c.due_at > now, {"due_at": now}),
        # Whether a token lasts is not known any more: each is refreshed at its next use.
        (grants, grants.c.access_expires_at > now, {"access_expires_at": now}),
        (grants, grants.c.refresh_lease_until > now, {"refresh_lease_until": None}),
    ):
        tx.execute(update(table).where(condition).values(values))


def _work(table: Table, now: datetime, lease: timedelta) -> Iterator[tuple[Table, Any, dict[str, Any]]]:
    """What is claimed, sent and waited for alike: runs and decisions."""
    is_open = table.c.ended_at.is_(None)
    yield table, and_(is_open, table.c.lease_until > now + lease), {"lease_until": now - MOMENT}
    yield table, and_(is_open, table.c.published_at > now), {"published_at": None}
    # Whoever had to wait asks the limiter again, which goes by another clock.
    yield table, and_(is_open, table.c.not_before > now), {"not_before": now}

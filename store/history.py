"""What happened lately, for whoever watches: runs, presses and events, newest first."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, func, select

from store import usage
from store.database import Scope, Transaction
from store.events import Event, event_of
from store.models import events, feeds, organisations, presses, runs

COUNTED = (
    "pages",
    "seen",
    "added",
    "changed",
    "archived",
    "restored",
    "gone",
    "unchanged",
    "rejected",
    "calls",
)


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run as an operator sees it; its numbers grow while it goes on."""

    id: str
    organisation: str
    resource: str
    cause: str
    state: str
    reason: str | None
    asked_by: str | None
    opened_at: datetime
    first_read_at: datetime | None
    ended_at: datetime | None
    error: str | None
    bytes: int
    pages: int
    seen: int
    added: int
    changed: int
    archived: int
    restored: int
    gone: int
    unchanged: int
    rejected: int
    calls: int


@dataclass(frozen=True, slots=True)
class PressLine:
    """One press as an operator sees it."""

    id: str
    organisation: str
    resource: str
    generation: int
    pressed_by: str
    pressed_at: datetime
    served: bool


def run_lines(scope: Scope, limit: int = 50) -> list[RunLine]:
    """The latest runs of one organisation."""
    return _run_lines(scope.tx, _runs().where(runs.c.organisation_id == scope.organisation_id), limit)


def all_run_lines(tx: Transaction, limit: int = 50) -> list[RunLine]:
    """The latest runs of every organisation, for the operator."""
    return _run_lines(tx, _runs(), limit)


def all_press_lines(tx: Transaction, limit: int = 10) -> list[PressLine]:
    """The latest presses of every organisation, for the operator."""
    query = (
        select(presses, organisations.c.slug, feeds.c.resource, feeds.c.served.label("served_up_to"))
        .join(feeds, feeds.c.id == presses.c.feed_id)
        .join(organisations, organisations.c.id == presses.c.organisation_id)
        .order_by(presses.c.pressed_at.desc(), presses.c.id)
        .limit(limit)
    )
    return [
        PressLine(
            row.id,
            row.slug,
            row.resource,
            row.generation,
            row.pressed_by,
            row.pressed_at,
            served=row.served_up_to >= row.generation if row.record_id is None else bool(row.answered_at),
        )
        for row in tx.execute(query)
    ]


def all_events(tx: Transaction, limit: int = 10) -> list[tuple[str, Event]]:
    """The latest events of every organisation with its slug, for the operator."""
    query = (
        select(events, organisations.c.slug)
        .join(organisations, organisations.c.id == events.c.organisation_id)
        # The newest of each organisation, found by the primary key, however many events are kept.
        .where(events.c.sequence > organisations.c.event_sequence - limit)
        .order_by(events.c.happened_at.desc(), events.c.sequence.desc())
        .limit(limit)
    )
    return [(row.slug, event_of(row)) for row in tx.execute(query)]


def unclaimed(tx: Transaction, for_longer_than: timedelta) -> int:
    """Pressed runs that wait for a worker for so long that none can be taking messages."""
    waiting = select(func.count()).where(
        runs.c.ended_at.is_(None),
        runs.c.state == "queued",
        runs.c.lane == "now",
        runs.c.opened_at < tx.now - for_longer_than,
        func.coalesce(runs.c.claimed_at, runs.c.opened_at) < tx.now - for_longer_than,
    )
    return int(tx.execute(waiting).scalar_one())


def _runs() -> Select[Any]:
    return select(runs, organisations.c.slug).join(
        organisations, organisations.c.id == runs.c.organisation_id
    )


def _run_lines(tx: Transaction, query: Select[Any], limit: int) -> list[RunLine]:
    rows = tx.execute(query.order_by(runs.c.opened_at.desc(), runs.c.id).limit(limit))
    return [
        RunLine(
            id=row.id,
            organisation=row.slug,
            resource=row.resource,
            cause=row.cause,
            state=row.state,
            reason=row.reason,
            asked_by=row.asked_by,
            opened_at=row.opened_at,
            first_read_at=row.first_read_at,
            ended_at=row.ended_at,
            error=row.error_sentence,
            bytes=row.bytes,
            **{name: getattr(row, name) for name in COUNTED},
        )
        for row in rows
    ]


def prune(tx: Transaction, older_than: timedelta) -> int:
    """Ended runs are history; keep it for the retention time. What was used of the limits is kept longer."""
    usage.prune(tx)
    return int(
        tx.execute(delete(runs).where(runs.c.ended_at < tx.now - older_than)).rowcount
        + tx.execute(delete(presses).where(presses.c.pressed_at < tx.now - older_than)).rowcount
    )

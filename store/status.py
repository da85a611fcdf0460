"""What a feed's line says: its state and reason from the closed lists, its times, its progress."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, func, select

from store.database import Scope, Transaction
from store.expiry import is_expiring
from store.models import candidates, connections, feeds, organisations, presses, rejects, runs
from store.runs import FILTER_IGNORED

# Waits that end by themselves because the provider's or our own budget comes back.
RATE_REASONS = frozenset({"minute limit", "day reserve", "day limit", "app limit"})
# What the run waits for is under way: the lists that it lives on are read, or Dext works on what it was sent.
UNDER_WAY = frozenset({"xero first", "dext at work"})
# Waits that a person has to end.
ACTION_REASONS = frozenset({"permission missing", "filter ignored"})
# A waiting slot this much past its time is a backlog, not a tick's delay.
BACKLOG_AFTER = timedelta(seconds=60)
CONNECTION_REASONS = {"expired": "grant expired", "access removed": "access removed"}


@dataclass(frozen=True, slots=True)
class FeedLine:
    """One feed as an operator sees it. Times are UTC; `reason` says why it waits or is late."""

    organisation: str
    resource: str
    state: str
    reason: str | None
    last_synced_at: datetime | None
    last_attempt_at: datetime | None
    next_sync_at: datetime | None
    due_at: datetime  # the slot that is next, or was missed: how late it is counts from here
    cadence: timedelta
    stretch: int  # read only every so many cadences, because a day's calls do not carry more
    is_late: bool
    seen: int
    announced: int | None  # how many records the list has, while a full read knows
    error: str | None
    provider_words: str | None
    set_aside: int
    vanish_held: int
    asked: int
    served: int
    consent_ends_at: datetime | None = None
    """When its connection ends by itself, once it is time to renew it."""


@dataclass(frozen=True, slots=True)
class PressState:
    """What became of a press: waiting (and for what), syncing, or done; a single record's may be refused."""

    done: bool
    state: str
    reason: str | None
    until: datetime | None
    error: str | None


def lines(scope: Scope) -> list[FeedLine]:
    """Every feed of one organisation."""
    query = _query().where(feeds.c.organisation_id == scope.organisation_id)
    return _lines(scope.tx, query)


def all_lines(tx: Transaction) -> list[FeedLine]:
    """Every feed of every organisation, for the operator."""
    return _lines(tx, _query())


def press_state(scope: Scope, press_id: str) -> PressState:
    """How far a press has come; raises LookupError when this organisation has no such press."""
    row = scope.tx.execute(
        scope.select(
            presses,
            presses,
            feeds.c.served,
            feeds.c.last_full_read_at,
            feeds.c.full_due_at,
            feeds.c.error_sentence,
        )
        .join(feeds, feeds.c.id == presses.c.feed_id)
        .where(presses.c.id == press_id)
    ).first()
    if row is None:
        raise LookupError(f"There is no press {press_id} here.")
    done = row.served >= row.generation if row.record_id is None else row.answered_at is not None
    if row.full:
        done = done and row.last_full_read_at is not None and row.last_full_read_at >= row.pressed_at
    if done:
        return PressState(True, "refused" if row.answer else "done", None, None, row.answer)
    run = scope.tx.execute(
        scope.select(runs).where(runs.c.feed_id == row.feed_id, runs.c.ended_at.is_(None))
    ).first()
    if run is None:
        # A full read that could prove nothing is tried again later.
        later = row.full and row.full_due_at is not None and row.full_due_at > scope.tx.now
        if later:
            return PressState(False, "snoozed", "back-off", row.full_due_at, row.error_sentence)
        return PressState(False, "queued", None, None, None)
    return PressState(False, run.state, run.reason, run.not_before, run.error_sentence)


def _query() -> Select[Any]:
    set_aside = (
        select(rejects.c.feed_id, func.count().label("set_aside")).group_by(rejects.c.feed_id).subquery()
    )
    held = (
        select(candidates.c.feed_id, func.count().label("held"))
        .where(candidates.c.held_at.is_not(None))
        .group_by(candidates.c.feed_id)
        .subquery()
    )
    return (
        select(
            feeds,
            organisations.c.slug,
            connections.c.state.label("connection_state"),
            connections.c.expires_at.label("connection_expires_at"),
            runs.c.state.label("run_state"),
            runs.c.reason.label("run_reason"),
            runs.c.not_before.label("run_not_before"),
            runs.c.seen.label("run_seen"),
            runs.c.full.label("run_full"),
            func.coalesce(set_aside.c.set_aside, 0).label("set_aside"),
            func.coalesce(held.c.held, 0).label("held"),
        )
        .join(organisations, organisations.c.id == feeds.c.organisation_id)
        .join(connections, connections.c.id == feeds.c.connection_id)
        .outerjoin(runs, and_(runs.c.feed_id == feeds.c.id, runs.c.ended_at.is_(None)))
        .outerjoin(set_aside, set_aside.c.feed_id == feeds.c.id)
        .outerjoin(held, held.c.feed_id == feeds.c.id)
        .order_by(organisations.c.slug, feeds.c.resource)
    )


def _lines(tx: Transaction, query: Select[Any]) -> list[FeedLine]:
    return [_line(row, tx.now) for row in tx.execute(query)]


def _line(row: Any, now: datetime) -> FeedLine:
    state, reason = _state(row, now)
    waits_for_person = reason in (*CONNECTION_REASONS.values(), *ACTION_REASONS)
    return FeedLine(
        organisation=row.slug,
        resource=row.resource,
        state=state,
        reason=reason,
        last_synced_at=row.last_success_at,
        last_attempt_at=row.last_attempt_at,
        # Nobody knows when an outage ends: it goes on as soon as a look at the provider succeeds.
        next_sync_at=None
        if waits_for_person or state == "off" or reason == "provider unavailable"
        else row.run_not_before or row.due_at,
        due_at=_wanted_at(row),
        cadence=timedelta(seconds=row.cadence_seconds),
        stretch=row.stretch,
        is_late=row.enabled and _wanted_at(row) + BACKLOG_AFTER < now,
        seen=row.run_seen or 0,
        announced=row.full_announced if row.run_full else None,
        error=row.error_sentence,
        provider_words=row.error_words or None,
        set_aside=row.set_aside,
        vanish_held=row.held,
        asked=row.asked,
        served=row.served,
        consent_ends_at=row.connection_expires_at if is_expiring(row.connection_expires_at, now) else None,
    )


def _state(row: Any, now: datetime) -> tuple[str, str | None]:
    late = None
    if row.due_at + BACKLOG_AFTER < now:
        late = "backlog"
    elif _wanted_at(row) + BACKLOG_AFTER < now:
        late = "day reserve"  # its cadence is stretched
    has_warnings = row.set_aside or row.error_code
    settled = "up to date with warnings" if has_warnings else "up to date"
    if row.last_success_at is None:
        settled = "never synced"
    elif late:
        settled = "queued" if late == "backlog" else "waiting for rate limit"
    # The first that holds.
    cases = (
        (not row.enabled, ("off", "off")),
        (
            row.connection_state != "connected",
            ("disconnected", CONNECTION_REASONS.get(row.connection_state, row.connection_state)),
        ),
        (row.run_state == "running", ("syncing", late)),
        (row.run_state == "snoozed", (_waiting_state(row.run_reason), row.run_reason)),
        (row.run_state == "queued", ("queued", late)),
        (row.held, ("action needed", "vanish held")),
        (row.error_code == FILTER_IGNORED, ("action needed", "filter ignored")),
        (True, (settled, late)),
    )
    return next(said for holds, said in cases if holds)


def _wanted_at(row: Any) -> datetime:
    """When it would be due, or was, if its cadence were not stretched."""
    due_at: datetime = row.due_at
    left_out = timedelta(seconds=(row.stretch - 1) * row.cadence_seconds)
    return due_at - left_out


def _waiting_state(reason: str | None) -> str:
    if reason in RATE_REASONS:
        return "waiting for rate limit"
    if reason == "backlog":
        return "queued"
    if reason in UNDER_WAY:
        return "syncing"
    return "action needed" if reason in ACTION_REASONS else "retrying"

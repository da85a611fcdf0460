"""Presses: somebody's *Sync now*, on record before anything is sent, answered by a run that reads later.

A press for the feed raises its generation. A press for one record alone does not: the next slice of the open
run reads that record first, or a run of its own does and leaves the list alone.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select, update

from store import runs
from store.database import Transaction
from store.models import feeds
from store.models import presses as press_rows
from store.models import runs as run_rows
from store.organisations import UnknownResourceError
from store.runs import Message


class KeyUsedError(Exception):
    """The idempotency key belongs to a press that asked for something else."""


@dataclass(frozen=True, slots=True)
class Press:
    """The receipt of a *Sync now*: done when the feed has served its generation, or the record was read."""

    id: str
    feed_id: str
    resource: str
    generation: int
    waits_until: datetime | None = None
    reason: str | None = None
    messages: tuple[Message, ...] = ()


def press(
    tx: Transaction,
    feed_id: str,
    *,
    by: str,
    idempotency_key: str | None = None,
    full: bool = False,
    record_id: str | None = None,
) -> Press:
    """Ask for a run whose first read comes after now; joins the run that waits, or opens one.

    Idempotent by `idempotency_key`; KeyUsedError when that was used for something else. With `full` the whole
    list is read and compared as well, as soon as what changed has been read. With `record_id` only that one
    is asked for. UnknownResourceError when the feed is gone.
    """
    cause = "press" if record_id is None else "record"
    if idempotency_key and (known := _press_by_key(tx, feed_id, idempotency_key, record_id, full=full)):
        return known
    waiting = None
    while waiting is None:
        # Whoever changes the open run between our look and our update makes the update miss: look again.
        waiting = _join_open_run(tx, feed_id, by, cause) or _open_run(tx, feed_id, by, cause)
    # Only one gets past the open run's row at a time: the same press may have come through before us.
    if idempotency_key and (known := _press_by_key(tx, feed_id, idempotency_key, record_id, full=full)):
        return known
    values: dict[str, Any] = {"asked": feeds.c.asked + (0 if record_id else 1)}
    if full:
        values |= {"full_due_at": tx.now, "full_asked_at": tx.now, "full_asked_by": by}
    generation = tx.execute(
        update(feeds).where(feeds.c.id == feed_id).values(**values).returning(feeds.c.asked)
    ).scalar_one()
    press_id = str(uuid.uuid4())
    tx.execute(
        press_rows.insert().values(
            id=press_id,
            organisation_id=waiting["organisation_id"],
            feed_id=feed_id,
            generation=generation,
            pressed_by=by,
            pressed_at=tx.now,
            full=full,
            idempotency_key=idempotency_key,
            record_id=record_id,
        )
    )
    messages = (runs.message_of(waiting),) if waiting["state"] == "queued" else ()
    return Press(
        press_id,
        feed_id,
        waiting["resource"],
        generation,
        waiting["not_before"],
        waiting["reason"],
        messages,
    )


def answer(tx: Transaction, press_ids: Sequence[str], why_not: str | None = None) -> None:
    """The record that these asked for was read; or it could not be, and the sentence says why."""
    tx.execute(
        update(press_rows).where(press_rows.c.id.in_(press_ids)).values(answered_at=tx.now, answer=why_not)
    )


def _open_run(tx: Transaction, feed_id: str, by: str, cause: str) -> Any:
    # Whoever erases the organisation at this moment is waited for, or waits.
    held = select(feeds.c.id).where(feeds.c.id == feed_id).with_for_update(read=True, key_share=True)
    if tx.execute(held).first() is None:
        raise UnknownResourceError("This list is not here any more: its organisation was erased meanwhile.")
    return runs.open_run(tx, feed_id, cause=cause, lane="now", full=False, by=by)


def _press_by_key(
    tx: Transaction, feed_id: str, key: str, record_id: str | None, *, full: bool
) -> Press | None:
    open_run = and_(run_rows.c.feed_id == press_rows.c.feed_id, run_rows.c.ended_at.is_(None))
    row = tx.execute(
        select(
            press_rows.c.id,
            press_rows.c.generation,
            press_rows.c.record_id,
            press_rows.c.full,
            feeds.c.resource,
            run_rows.c.not_before,
            run_rows.c.reason,
        )
        .join(feeds, feeds.c.id == press_rows.c.feed_id)
        .outerjoin(run_rows, open_run)
        .where(press_rows.c.feed_id == feed_id, press_rows.c.idempotency_key == key)
    ).first()
    if row is None:
        return None
    if (row.record_id, row.full) != (record_id, full):
        raise KeyUsedError(
            f"The idempotency key {key!r} was used for another press of this feed. Give a new one."
        )
    return Press(row.id, feed_id, row.resource, row.generation, row.not_before, row.reason)


def _join_open_run(tx: Transaction, feed_id: str, by: str, cause: str) -> Any:
    """Raise the open run to a press; None when there is none, or it changed under our hands."""
    open_run = tx.execute(
        select(run_rows).where(run_rows.c.feed_id == feed_id, run_rows.c.ended_at.is_(None))
    ).first()
    if open_run is None:
        return None
    values: dict[str, Any] = {"lane": "now"}
    woken = open_run.state == "snoozed" and (
        open_run.reason in runs.OUR_REASONS or (open_run.not_before and open_run.not_before <= tx.now)
    )
    if woken:
        values |= {"state": "queued", "not_before": None, "reason": None}
    if woken or open_run.state == "queued":
        values |= {"published_at": tx.now}
        if cause == "press":  # a record alone does not change what the run is for
            values |= {"cause": cause, "asked_by": by}
    return (
        tx.execute(
            update(run_rows)
            .where(
                run_rows.c.id == open_run.id,
                run_rows.c.state == open_run.state,
                run_rows.c.slice == open_run.slice,
            )
            .values(**values)
            .returning(run_rows)
        )
        .mappings()
        .first()
    )

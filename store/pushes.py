"""The effort to bring a decision to Xero: claim, renew, what became of it, snooze, end.

The same states as a run's (`store.runs`), by the same means: each transition is one conditional UPDATE on the
decision's row, made first in its transaction, and every way out of *running* raises the slice. What was lost
or may wake is brought back by `store.dispatch`, for runs and decisions alike.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, func, or_, select, update

from config.points import reached
from store.database import Transaction, UtcDateTime
from store.decisions import OPEN, Push
from store.dispatch import RESEND_AFTER, marking
from store.models import decisions, feeds, steps
from store.records import Destination
from store.runs import LEASE, LeaseLostError

# Of the five calls that a connection may have in flight, so many are made for decisions at most.
PUSHES_PER_CONNECTION = 3


@dataclass(frozen=True, slots=True)
class PushClaim:
    """A decision that is ours to bring on while the lease lasts; `fence` proves it."""

    id: str
    slice: int
    fence: int
    lease: timedelta
    destination: Destination
    kind: str
    document_id: str
    decision: str
    wanted: str | None
    mark_reference: bool
    seen_status: str
    seen_modified_at: datetime | None
    seen_hash: str | None
    outcome: str
    sent_at: datetime | None
    claimed_at: datetime
    attempts: int

    @property
    def is_open(self) -> bool:
        """Whether it is still to be decided what becomes of it; else only notes and files are left."""
        return self.outcome in OPEN


@dataclass(frozen=True, slots=True)
class Step:
    """A note or a file that is still to be brought to the document."""

    position: int
    what: str
    name: str | None
    mime: str | None
    size: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a decision, and what the provider has."""

    outcome: str
    found_status: str | None = None
    found_modified_at: datetime | None = None
    written_modified_at: datetime | None = None
    error_code: str | None = None
    error_sentence: str | None = None
    error_words: str | None = None
    mended_by: str | None = None


def claim(
    tx: Transaction, decision_id: str, slice_number: int, *, lease: timedelta = LEASE
) -> PushClaim | None:
    """Take up a decision, if it is still there to take; else the message was late, double or forged."""
    if not tx.is_sqlite:
        # One after the other for each connection, so that they can be counted; 1: apart from its runs.
        lock = func.hashtextextended(decisions.c.connection_id, 1)
        connection = select(lock).where(decisions.c.id == decision_id)
        tx.execute(select(func.pg_advisory_xact_lock(connection.scalar_subquery())))
    others = decisions.alias("others")
    running = (
        select(func.count())
        .select_from(others)
        .where(
            others.c.connection_id == decisions.c.connection_id,
            others.c.state == "running",
            others.c.ended_at.is_(None),
        )
        .correlate(decisions)
        .scalar_subquery()
    )
    ours = and_(
        decisions.c.id == decision_id, decisions.c.state == "queued", decisions.c.slice == slice_number
    )
    taken = tx.execute(
        update(decisions)
        .where(ours, running < PUSHES_PER_CONNECTION)
        .values(
            state="running",
            fence=decisions.c.fence + 1,
            lease_until=tx.now + lease,
            claimed_at=tx.now,
            not_before=None,
            reason=None,
        )
        .returning(decisions)
    ).first()
    if taken is None:
        # The connection has its hands full: back to where beat sends it again.
        tx.execute(update(decisions).where(ours).values(published_at=None))
        return None
    fence = tx.execute(select(feeds.c.fence).where(feeds.c.id == taken.feed_id)).scalar_one()
    destination = Destination(
        taken.organisation_id, taken.connection_id, taken.feed_id, taken.resource, fence
    )
    reached("claim.taken")
    copied = {
        name: getattr(taken, name)
        for name in PushClaim.__dataclass_fields__
        if name not in {"lease", "destination"}
    }
    return PushClaim(lease=lease, destination=destination, **copied)


def renew(tx: Transaction, claim: PushClaim) -> None:
    """Prove that the claim is still ours and make it last; LeaseLostError when it is not."""
    _change(tx, claim, {"lease_until": tx.now + claim.lease})


def sending(tx: Transaction, claim: PushClaim, *, anew: bool) -> None:
    """It goes out now. `anew`: its key counts from now."""
    values: dict[str, Any] = {"outcome": "sent", "lease_until": tx.now + claim.lease}
    _change(tx, claim, values | ({"sent_at": tx.now} if anew else {}))


def unsent(tx: Transaction, claim: PushClaim) -> None:
    """It did not go out after all: as before it was tried."""
    _change(tx, claim, {"outcome": claim.outcome, "sent_at": claim.sent_at})


def settle(tx: Transaction, claim: PushClaim, settled: Settled, *, stored: bool) -> None:
    """What became of it. Only what is confirmed leaves notes and files to be brought.

    `stored`: the document as it is now is in the store.
    """
    values = {name: getattr(settled, name) for name in Settled.__dataclass_fields__}
    ends = settled.outcome != "confirmed"
    values |= {"settled_at": tx.now, "attempts": 0, "stored_at": tx.now if stored else None}
    values |= _ENDED | {"slice": decisions.c.slice + 1, "ended_at": tx.now} if ends else {}
    _change(tx, claim, values)
    if ends:
        waiting = and_(steps.c.decision_id == claim.id, steps.c.state == "waiting")
        tx.execute(update(steps).where(waiting).values(state="skipped", body=None))


def waiting_steps(tx: Transaction, claim: PushClaim) -> list[Step]:
    """What is still to be brought beside the decision, in order."""
    columns = [steps.c[name] for name in Step.__dataclass_fields__]
    waiting = and_(steps.c.decision_id == claim.id, steps.c.state == "waiting")
    return [Step(*row) for row in tx.execute(select(*columns).where(waiting).order_by(steps.c.position))]


def body_of(tx: Transaction, claim: PushClaim, step: Step) -> bytes:
    """A note's text or a file's bytes; one by one, for ten files are many megabytes."""
    this = and_(steps.c.decision_id == claim.id, steps.c.position == step.position)
    return bytes(tx.execute(select(steps.c.body).where(this)).scalar_one())


def step_done(tx: Transaction, claim: PushClaim, step: Step) -> None:
    """A note or a file is there. A file changed the document, which is to be stored anew."""
    done = {"state": "done", "done_at": tx.now, "body": None}
    _change_step(tx, claim, step, done | _NO_ERROR)
    if step.what == "file":
        _change(tx, claim, {"stored_at": None})


def step_failed(tx: Transaction, claim: PushClaim, step: Step, error: dict[str, str], *, ends: bool) -> None:
    """It could not be brought; `ends`: and never will."""
    _change_step(tx, claim, step, error | ({"state": "refused", "body": None} if ends else {}))


def is_stored(tx: Transaction, claim: PushClaim) -> bool:
    """Whether the store has the document as our last change left it."""
    row = tx.execute(select(decisions.c.stored_at).where(decisions.c.id == claim.id)).one()
    return row.stored_at is not None


def stored(tx: Transaction, claim: PushClaim, found: tuple[str | None, datetime | None] | None) -> None:
    """The document as our change left it is in the store: whoever reads it next finds it unchanged.

    `found`: its status and stamp, None when it is not there any more.
    """
    status, modified_at = found or (None, None)
    _change(tx, claim, {"stored_at": tx.now, "found_status": status, "found_modified_at": modified_at})


def snooze(
    tx: Transaction,
    claim: PushClaim,
    *,
    wait: timedelta | None,
    reason: str,
    error: dict[str, str] | None = None,
) -> None:
    """Not now: after this wait instead, for this reason; `wait` None: until somebody reconnects.

    With an `error`, even an empty one, it counts as a failed attempt.
    """
    values: dict[str, Any] = {
        "state": "snoozed",
        "slice": decisions.c.slice + 1,
        "lease_until": None,
        "published_at": None,
        "not_before": None if wait is None else tx.now + wait,
        "reason": reason,
        **(error or {}),
    }
    if error is not None:
        values["attempts"] = decisions.c.attempts + 1
    _change(tx, claim, values)


def end(tx: Transaction, claim: PushClaim) -> None:
    """All is done: the decision, its note and its files."""
    _change(tx, claim, _ENDED | _NO_ERROR | {"slice": decisions.c.slice + 1, "ended_at": tx.now})


def unpublished(
    tx: Transaction, limit: int, *, connection_id: str | None = None, resend_after: timedelta = RESEND_AFTER
) -> list[Push]:
    """Decisions that no message is on its way for, connections in turn, the oldest first.

    What only has notes and files to be brought comes after what is still to be decided.
    """
    asked: dict[str, Any] = {"lost_before": tx.now - resend_after, "most": limit}
    if connection_id is not None:
        asked["connection"] = connection_id
    chosen = list(tx.execute(_without_message(of_one=connection_id is not None), asked).scalars())
    if not chosen:
        return []
    marked = tx.execute(marking(decisions, on_sqlite=tx.is_sqlite), {"chosen": chosen, "now": tx.now})
    found = {row.id: Push(row.id, row.slice) for row in marked}
    return [found[decision_id] for decision_id in chosen if decision_id in found]


@cache
def _without_message(*, of_one: bool) -> Select[Any]:
    """Of all connections, or of one."""
    lost_before = bindparam("lost_before", type_=UtcDateTime)
    lost = or_(decisions.c.published_at.is_(None), decisions.c.published_at < lost_before)
    is_beside = case((decisions.c.outcome.in_(OPEN), 0), else_=1)
    by_age = [is_beside, decisions.c.decided_at, decisions.c.id]
    turn = func.row_number().over(partition_by=decisions.c.connection_id, order_by=by_age)
    queued = and_(decisions.c.ended_at.is_(None), decisions.c.state == "queued", lost)
    if of_one:
        queued = and_(queued, decisions.c.connection_id == bindparam("connection"))
    waiting = (
        select(
            decisions.c.id,
            decisions.c.connection_id,
            decisions.c.decided_at,
            is_beside.label("is_beside"),
            turn.label("turn"),
        )
        .where(queued)
        .subquery()
    )
    on_its_way = and_(decisions.c.state == "queued", decisions.c.published_at >= lost_before)
    busy = (
        select(decisions.c.connection_id, func.count().label("busy"))
        .where(decisions.c.ended_at.is_(None), or_(decisions.c.state == "running", on_its_way))
        .group_by(decisions.c.connection_id)
        .subquery()
    )
    return (
        select(waiting.c.id)
        .outerjoin(busy, busy.c.connection_id == waiting.c.connection_id)
        .where(waiting.c.turn + func.coalesce(busy.c.busy, 0) <= PUSHES_PER_CONNECTION)
        .order_by(waiting.c.turn, waiting.c.is_beside, waiting.c.decided_at)
        .limit(bindparam("most"))
    )


_ENDED: dict[str, Any] = {"state": "done", "lease_until": None, "not_before": None, "reason": None}
_NO_ERROR: dict[str, Any] = {"error_code": None, "error_sentence": None, "error_words": None}


def _change(tx: Transaction, claim: PushClaim, values: dict[str, Any]) -> None:
    ours = and_(decisions.c.id == claim.id, decisions.c.fence == claim.fence, decisions.c.state == "running")
    if tx.execute(update(decisions).where(ours).values(**values)).rowcount == 0:
        raise LeaseLostError(f"decision {claim.id} slice {claim.slice} went on without us")


def _change_step(tx: Transaction, claim: PushClaim, step: Step, values: dict[str, Any]) -> None:
    renew(tx, claim)
    this = and_(steps.c.decision_id == claim.id, steps.c.position == step.position)
    tx.execute(update(steps).where(this).values(**values))

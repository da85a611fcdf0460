"""The state table of a run: open, claim, renew, release, snooze, end.

             press, due slot, notice            claim                     end
    (no open run) ─────────────► queued ───────────────────► running ───────────► done · yielded
                                  ▲  ▲   slice used up, lease ran out │
                                  │  └────────────────────────────────┤
                                  │ not-before passed, press          │ not now
                                  └──────────────────────── snoozed ◄─┘

Every transition is one conditional UPDATE on the run's row, made before anything else in its
transaction: whoever comes second changes no row and stops. Locks are always taken in the order
run, records, feed, organisation. A (run, slice) pair is claimed at most once, since every way
out of *running* raises the slice.
"""

import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, case, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from config.points import reached
from store.database import Transaction
from store.feeds import CLAIMS_PER_CONNECTION, due_beside, next_due
from store.models import feeds, presses, runs

# How long a claim is good for without being renewed. Longer than one call's total deadline of 30 s.
LEASE = timedelta(seconds=45)
# Waits of our own making, which a press may cut short; the provider's stay.
OUR_REASONS = frozenset({"day reserve", "back-off", "backlog", "filter ignored", "permission missing"})
# A feed's error code: the provider does not obey what changed-since reads ask for.
FILTER_IGNORED = "filter_ignored"
# Where the provider does obey, so that a read of what changed is of use.
CHANGES_TELL = func.coalesce(feeds.c.error_code, "") != FILTER_IGNORED
# Somebody waits for what these runs read.
PRESSED = ("press", "follow-up")
# A run that a webhook opened goes ahead of scheduled work for so many slices, enough for thousands of
# changes. A list that takes longer was not read for long, and takes its turn.
WEBHOOK_SLICES = 4
# So many single records are read before the list has its turn.
HANDFUL = 10
# Waits that only a person ends, by reconnecting.
UNTIL_RECONNECTED = frozenset({"grant expired", "access removed", "off"})
# How many of its connection's runs are running. Built once: each claim asks.
_OTHERS = runs.alias("others")
_RUNNING = (
    select(func.count())
    .select_from(_OTHERS)
    .where(
        _OTHERS.c.connection_id == runs.c.connection_id,
        _OTHERS.c.state == "running",
        _OTHERS.c.ended_at.is_(None),
    )
    .correlate(runs)
    .scalar_subquery()
)
# Somebody asked for one record alone, and it was not read yet.
_IS_UNANSWERED = and_(presses.c.record_id.is_not(None), presses.c.answered_at.is_(None))
_ITS_FEED = feeds.alias("its_feed")
# Whether somebody waits for a run, or pressed since it began.
_WAITED_FOR = or_(
    runs.c.cause.in_([*PRESSED, "record"]),
    runs.c.asked_by.is_not(None),
    select(_ITS_FEED.c.id)
    .where(_ITS_FEED.c.id == runs.c.feed_id, _ITS_FEED.c.asked > _ITS_FEED.c.served)
    .correlate(runs)
    .exists(),
    select(presses.c.id).where(presses.c.feed_id == runs.c.feed_id, _IS_UNANSWERED).correlate(runs).exists(),
)
# How many of its connection's runs may run, it among them: the fifth goes ahead, the sixth is waited for.
ALLOWED = case(
    (runs.c.lane != "now", CLAIMS_PER_CONNECTION),
    (_WAITED_FOR, CLAIMS_PER_CONNECTION + 2),
    else_=CLAIMS_PER_CONNECTION + 1,
)


class LeaseLostError(Exception):
    """This claim is no longer ours: its lease ran out and somebody else goes on. Write nothing."""


@dataclass(frozen=True, slots=True)
class Message:
    """What goes to a queue: a run and the slice to work through."""

    run_id: str
    slice: int
    lane: str
    feed_id: str

    @property
    def id(self) -> str:
        """Whose message it is."""
        return self.run_id


@dataclass(frozen=True, slots=True)
class RecordPress:
    """Somebody asked for one record alone."""

    id: str
    record_id: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A slice that is ours to work through while the lease lasts; `fence` proves it."""

    run_id: str
    slice: int
    fence: int
    lane: str
    cause: str
    full: bool
    asked_by: str | None
    generation: int
    pages: int
    feed_id: str
    organisation_id: str
    connection_id: str
    resource: str
    claimed_at: datetime
    first_read_at: datetime
    lease: timedelta
    cursor: dict[str, Any] | None
    full_cursor: dict[str, Any] | None
    newest_at: datetime | None
    last_full_read_at: datetime | None
    failures: int
    cadence: timedelta
    due_at: datetime
    is_press: bool
    """Whether a person or program waits for the list, not only for a record of it."""
    records: tuple[RecordPress, ...] = ()
    """Single records that were asked for before this slice was claimed, a handful at most."""

    @property
    def is_for_records_alone(self) -> bool:
        """Whether only single records were asked for, not the list."""
        return self.cause == "record"


@dataclass(frozen=True, slots=True)
class Ending:
    """What a run's end leaves to do: one follow-up when somebody pressed meanwhile."""

    follow_up: Message | None = None


@dataclass(slots=True)
class Tally:
    """What one page did, added to the run's row."""

    pages: int = 0
    calls: int = 0
    bytes: int = 0
    waited_ms: int = 0


def open_due(tx: Transaction, feed_id: str, *, full: bool, asked_by: str | None = None) -> Message | None:
    """Open a run for a due slot, or for a full read; None when one is open already."""
    lane = "now" if asked_by else "sync"
    row = open_run(tx, feed_id, cause="full" if full else "schedule", lane=lane, full=full, by=asked_by)
    return message_of(row) if row else None


def open_run(tx: Transaction, feed_id: str, *, cause: str, lane: str, full: bool, by: str | None) -> Any:
    """Open a run, as its row; None when one is open already: the unique index decides."""
    insert = sqlite_insert if tx.is_sqlite else postgresql_insert
    source = select(
        *_literals(
            id=str(uuid.uuid4()),
            cause=cause,
            lane=lane,
            state="queued",
            asked_by=by,
            opened_at=tx.now,
            published_at=tx.now,
        ),
        feeds.c.organisation_id,
        feeds.c.connection_id,
        feeds.c.id.label("feed_id"),
        feeds.c.resource,
        # Nothing was ever read: the first read is a full one, whoever asks.
        or_(feeds.c.newest_at.is_(None), literal(full, runs.c.full.type)).label("full"),
    ).where(feeds.c.id == feed_id)
    statement = insert(runs).from_select([column.name for column in source.selected_columns], source)
    return tx.execute(statement.on_conflict_do_nothing().returning(runs)).mappings().first()


def message_of(row: Any) -> Message:
    """What to send for a run's row."""
    return Message(row["id"], row["slice"], row["lane"], row["feed_id"])


def claim(tx: Transaction, run_id: str, slice_number: int, *, lease: timedelta = LEASE) -> Claim | None:
    """Take a slice, if it is still there to take; otherwise the message was late, double or forged."""
    if not tx.is_sqlite:
        # Claims of one connection come one after the other, so that they can be counted.
        connection = select(func.hashtextextended(runs.c.connection_id, 0)).where(runs.c.id == run_id)
        tx.execute(select(func.pg_advisory_xact_lock(connection.scalar_subquery())))
    ours = and_(runs.c.id == run_id, runs.c.state == "queued", runs.c.slice == slice_number)
    taken = tx.execute(
        update(runs)
        .where(ours, _RUNNING < ALLOWED)
        .values(
            state="running",
            lease_until=tx.now + lease,
            claimed_at=tx.now,
            not_before=None,
            reason=None,
            first_read_at=case((runs.c.pages == 0, tx.now), else_=runs.c.first_read_at),
        )
        .returning(runs)
    ).first()
    if taken is None:
        # The connection has its hands full: back to where beat sends it again.
        tx.execute(update(runs).where(ours).values(published_at=None))
        return None
    return _claim_feed(tx, taken, lease)


def _claim_feed(tx: Transaction, run: Any, lease: timedelta) -> Claim | None:
    started = {"last_start_at": tx.now} if run.pages == 0 and not run.full and run.cause != "record" else {}
    feed = tx.execute(
        update(feeds)
        .where(feeds.c.id == run.feed_id)
        .values(fence=feeds.c.fence + 1, last_attempt_at=tx.now, **started)
        .returning(feeds)
    ).one()
    if not feed.enabled:
        # Switched off while this was on its way: it waits until somebody switches it on again.
        asleep = {"state": "snoozed", "reason": "off", "lease_until": None, "published_at": None}
        tx.execute(update(runs).where(runs.c.id == run.id).values(slice=runs.c.slice + 1, **asleep))
        return None
    # Copied while nothing has been read: a press that comes later asks for more than this run can give.
    generation = feed.asked if run.pages == 0 else run.generation
    tx.execute(update(runs).where(runs.c.id == run.id).values(fence=feed.fence, generation=generation))
    reached("claim.taken")
    return Claim(
        run_id=run.id,
        slice=run.slice,
        fence=feed.fence,
        lane=run.lane,
        cause=run.cause,
        full=run.full,
        asked_by=run.asked_by,
        generation=generation,
        pages=run.pages,
        feed_id=feed.id,
        organisation_id=feed.organisation_id,
        connection_id=feed.connection_id,
        resource=feed.resource,
        claimed_at=tx.now,
        first_read_at=run.first_read_at,
        lease=lease,
        cursor=_load(feed.cursor),
        full_cursor=_load(feed.full_cursor),
        newest_at=feed.newest_at,
        last_full_read_at=feed.last_full_read_at,
        failures=feed.failures,
        cadence=timedelta(seconds=feed.cadence_seconds),
        due_at=feed.due_at,
        is_press=run.cause in PRESSED or run.asked_by is not None or feed.asked > feed.served,
        records=tuple(RecordPress(*row) for row in tx.execute(_waiting_records(feed.id).limit(HANDFUL))),
    )


def renew(tx: Transaction, claim: Claim, tally: Tally | None = None) -> None:
    """Prove that the claim is still ours and make it last; first in every transaction of a run.

    Raises LeaseLostError when it is not; the transaction must then roll back.
    """
    values: dict[str, Any] = {"lease_until": tx.now + claim.lease}
    if tally:
        values |= {
            name: runs.c[name] + amount
            for name, amount in {
                "pages": tally.pages,
                "calls": tally.calls,
                "bytes": tally.bytes,
                "waited_ms": tally.waited_ms,
            }.items()
            if amount
        }
    _change(tx, claim, values)


def count(tx: Transaction, claim: Claim, counts: dict[str, int]) -> None:
    """Add what a page did to the run's row."""
    if counts:
        values = {name: runs.c[name] + number for name, number in counts.items()}
        tx.execute(update(runs).where(_still_ours(claim)).values(**values))


def release(tx: Transaction, claim: Claim) -> Message | None:
    """The slice is used up: the rest is for the next one.

    None when others of the connection's feeds are due: they go first, and beat sends this one again.
    """
    gives_way = and_(_lane() == "sync", due_beside(runs.c.connection_id, tx.now))
    row = tx.execute(
        update(runs)
        .where(_still_ours(claim))
        .values(
            state="queued",
            slice=runs.c.slice + 1,
            lane=_lane(),
            lease_until=None,
            published_at=case((gives_way, None), else_=tx.now),
        )
        .returning(runs)
    ).mappings()
    if released := row.first():
        return message_of(released) if released["published_at"] else None
    raise LeaseLostError(f"run {claim.run_id} slice {claim.slice} went on without us")


def snooze(
    tx: Transaction,
    claim: Claim,
    *,
    wait: timedelta | None,
    reason: str,
    error: dict[str, str] | None = None,
    calls: int = 0,
) -> None:
    """Not now: at this time instead, for this reason; `wait` None: until somebody reconnects or presses.

    Holds no slot and no message. Only with an `error` it counts as a failed attempt. `calls`: what was spent
    in vain.
    """
    values: dict[str, Any] = {
        "state": "snoozed",
        "slice": runs.c.slice + 1,
        "lane": _lane(),
        "lease_until": None,
        "published_at": None,
        "not_before": None if wait is None else tx.now + wait,
        "reason": reason,
        "calls": runs.c.calls + calls,
        **(error or {}),
    }
    if error:
        values["attempts"] = runs.c.attempts + 1
    _change(tx, claim, values)
    if error:
        tx.execute(
            update(feeds).where(feeds.c.id == claim.feed_id).values(failures=feeds.c.failures + 1, **error)
        )


def end(tx: Transaction, claim: Claim) -> Ending:
    """The feed is up to date: serve the generation, set the next due time, follow up on a later press.

    A stretched cadence leaves slots out.
    """
    _end_row(tx, claim, "done")
    feed = tx.execute(select(feeds).where(feeds.c.id == claim.feed_id)).one()
    # The clock may have been set back since that read.
    slot = next_due(
        min(claim.first_read_at, tx.now) + (feed.stretch - 1) * claim.cadence,
        phase=timedelta(seconds=feed.phase_seconds),
        cadence=claim.cadence,
    )
    asked = tx.execute(
        update(feeds)
        .where(feeds.c.id == claim.feed_id)
        .values(
            served=case((feeds.c.served < claim.generation, claim.generation), else_=feeds.c.served),
            due_at=slot,
            last_success_at=tx.now,
            failures=0,
            error_code=None,
            error_sentence=None,
            error_words=None,
        )
        .returning(feeds.c.asked)
    ).scalar_one()
    return _what_follows(tx, claim, pressed=asked > claim.generation)


def end_alone(tx: Transaction, claim: Claim) -> Ending:
    """The records that were asked for alone are read; of the feed's list nothing is said by that."""
    _end_row(tx, claim, "done")
    feed = tx.execute(select(feeds.c.asked, feeds.c.served).where(feeds.c.id == claim.feed_id)).one()
    return _what_follows(tx, claim, pressed=feed.asked > feed.served)


def yield_(tx: Transaction, claim: Claim, *, again_in: timedelta = timedelta(0)) -> Ending:
    """A full read makes room for a read that somebody waits for; it goes on later from its cursor."""
    _end_row(tx, claim, "yielded")
    feed = tx.execute(
        update(feeds)
        .where(feeds.c.id == claim.feed_id)
        # What a person asked for is not put off: its next slices need not live on spare budget.
        .values(full_due_at=case((feeds.c.full_asked_at.is_not(None), tx.now), else_=tx.now + again_in))
        .returning(feeds.c.asked, feeds.c.served)
    ).one()
    return _what_follows(tx, claim, pressed=feed.asked > feed.served)


def give_up(tx: Transaction, claim: Claim) -> None:
    """This run cannot answer anybody, and the full read that is due next will."""
    _end_row(tx, claim, "yielded")


def _end_row(tx: Transaction, claim: Claim, state: str) -> None:
    ended = {"state": state, "ended_at": tx.now, "lease_until": None, "reason": None, "not_before": None}
    _change(tx, claim, ended)


def _change(tx: Transaction, claim: Claim, values: dict[str, Any]) -> None:
    """Change the run's row while it is ours; LeaseLostError when it is not."""
    if tx.execute(update(runs).where(_still_ours(claim)).values(**values)).rowcount == 0:
        raise LeaseLostError(f"run {claim.run_id} slice {claim.slice} went on without us")


def _what_follows(tx: Transaction, claim: Claim, *, pressed: bool) -> Ending:
    """Somebody pressed after this run's first read, or for a record alone: one more run answers them all."""
    if not pressed and tx.execute(_waiting_records(claim.feed_id).limit(1)).first() is None:
        return Ending()
    cause = "follow-up" if pressed else "record"
    if not pressed and tx.execute(select(feeds.c.due_at <= tx.now).where(_of(claim))).scalar_one():
        cause = "schedule"  # the list's turn has come: however many records wait, it is read as well
    row = open_run(tx, claim.feed_id, cause=cause, lane="now", full=False, by=None)
    return Ending(message_of(row) if row else None)


def _of(claim: Claim) -> Any:
    return feeds.c.id == claim.feed_id


def _lane() -> Any:
    """The lane of a run's next slice: a run that went ahead for a single record goes back to where it was."""
    is_told_of = and_(runs.c.cause == "webhook", or_(runs.c.slice < WEBHOOK_SLICES, runs.c.pages == 0))
    return case((or_(_WAITED_FOR, is_told_of), runs.c.lane), else_="sync")


def _waiting_records(feed_id: str) -> Select[Any]:
    waiting = and_(presses.c.feed_id == feed_id, _IS_UNANSWERED)
    return select(presses.c.id, presses.c.record_id).where(waiting).order_by(presses.c.pressed_at)


def must_yield(tx: Transaction, claim: Claim) -> bool:
    """Whether somebody waits for a changed-since read while this full read goes on.

    Nobody does where such reads are of no use, because the provider ignores what they ask.
    """
    waits = or_(feeds.c.asked > feeds.c.served, feeds.c.due_at <= tx.now)
    return bool(tx.execute(select(and_(waits, CHANGES_TELL)).where(_of(claim))).scalar_one())


def _load(cursor: str | None) -> dict[str, Any] | None:
    return json.loads(cursor) if cursor else None


def _still_ours(claim: Claim) -> Any:
    return and_(runs.c.id == claim.run_id, runs.c.fence == claim.fence, runs.c.state == "running")


def _literals(**values: Any) -> list[Any]:
    return [literal(value, runs.c[name].type).label(name) for name, value in values.items()]

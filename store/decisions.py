"""Decisions: what somebody decided about a document, on record before anything is sent, and its outcome.

    waiting ──► sent ──► confirmed        Xero has it as decided
       │          ├────► refused          Xero's rules say no, until a person mends it
       ├──────────┴────► conflict         the document is not what the approver saw
       └───────────────► withdrawn        a person took it back before anything went out

A decision is open while it waits or was sent; a document has at most one open decision. The effort to bring
it there is in `store.pushes`.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, insert
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from config.decisions import KINDS, Kind
from config.shapes import Shape
from store import audit
from store.database import Scope, Transaction
from store.models import decisions, feeds, organisations, steps
from store.tables import table_of

OPEN = ("waiting", "sent")


class CannotDecideError(Exception):
    """This cannot be decided; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the approver saw of the document."""

    status: str
    modified_at: datetime | None
    hash: str | None = None
    """Of the content; counts only where there is no modified time."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to be attached to the document once the decision stands."""

    name: str
    mime: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody decides. `seen` None, or without a modified time: what is stored of the document."""

    kind: str
    document_id: str
    decision: str
    by: str
    idempotency_key: str | None = None
    seen: Seen | None = None
    mark_reference: bool = False
    note: str | None = None
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Push:
    """What goes to the queue: a decision and the slice of its effort."""

    id: str
    slice: int
    lane: str = "push"


@dataclass(frozen=True, slots=True)
class StepLine:
    """A note or a file: waiting, done, refused, or skipped with a decision that did not stand."""

    what: str
    name: str | None
    state: str
    error: str | None
    provider_words: str | None


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """A decision as people see it; its sentences say what to do, `mended_by` says who does it.

    `found_…` is what the provider had when it was last looked at, `reason` and `until` what it waits for.
    """

    id: str
    organisation: str
    kind: str
    document_id: str
    decision: str
    wanted: str | None
    decided_by: str
    decided_at: datetime
    outcome: str
    settled_at: datetime | None
    seen_status: str
    seen_modified_at: datetime | None
    found_status: str | None
    found_modified_at: datetime | None
    reason: str | None
    until: datetime | None
    error_code: str | None
    error: str | None
    provider_words: str | None
    mended_by: str | None
    attempts: int
    steps: tuple[StepLine, ...]
    finished: bool
    """Nothing is left to do: neither of the decision nor of its note and files."""


def decide(tx: Transaction, shape: Shape, organisation_id: str, wish: Wish) -> tuple[str, Push | None]:
    """Put a decision on record; its id, and what to send: None when it was on record already, by its key.

    Raises CannotDecideError when it makes no sense, or another one about the document is on its way.
    """
    scope = tx.scope(organisation_id)
    if known := _by_key(scope, wish):
        return known, None
    kind = KINDS[wish.kind]
    feed = tx.execute(scope.select(feeds).where(feeds.c.resource == kind.resource)).first()
    if feed is None:
        raise CannotDecideError("This organisation is not connected to Xero. Connect it first.")
    seen = _seen(scope, shape, kind, wish)
    _check(kind, wish, seen)
    decision_id = _insert(tx, feed, wish, kind, seen)
    if decision_id is None:
        # Whoever was faster holds the key, or the document.
        if known := _by_key(scope, wish):
            return known, None
        raise CannotDecideError(
            "A decision about this document is on its way to Xero already. Wait until it has settled:"
            " `ledgertide decisions` shows it."
        )
    _insert_steps(tx, organisation_id, decision_id, wish)
    audit.note(
        tx,
        actor=wish.by,
        action="decided",
        organisation_id=organisation_id,
        decision_id=decision_id,
        kind=wish.kind,
        document_id=wish.document_id,
        decision=wish.decision,
    )
    return decision_id, Push(decision_id, 1)


def line(scope: Scope, decision_id: str) -> DecisionLine:
    """One decision; LookupError when this organisation has no such one."""
    found = _lines(scope, decisions.c.id == decision_id, 1)
    if not found:
        raise LookupError(f"There is no decision {decision_id} here.")
    return found[0]


def lines(scope: Scope, limit: int = 50) -> list[DecisionLine]:
    """The latest decisions of one organisation, newest first."""
    return _lines(scope, True, limit)


def _by_key(scope: Scope, wish: Wish) -> str | None:
    if not wish.idempotency_key:
        return None
    by_key = decisions.c.idempotency_key == wish.idempotency_key
    row = scope.tx.execute(scope.select(decisions).where(by_key)).first()
    if row is None:
        return None
    if (row.kind, row.document_id, row.decision) != (wish.kind, wish.document_id, wish.decision):
        raise CannotDecideError(
            f"The idempotency key {wish.idempotency_key!r} was used for another decision. Give a new one."
        )
    return str(row.id)


def _seen(scope: Scope, shape: Shape, kind: Kind, wish: Wish) -> Seen:
    """What the approver saw. A status alone would be true of any edit: it is what is stored that has it."""
    if wish.seen and wish.seen.modified_at:
        return wish.seen
    stored = _stored(scope, shape, kind, wish.document_id)
    if wish.seen and wish.seen.status != stored.status:
        raise CannotDecideError(
            f"What is stored of this {_plain(kind.name)} is {stored.status}, not {wish.seen.status}."
            " Look at it again, or tell when what you saw was modified, beside its status."
        )
    return stored


def _stored(scope: Scope, shape: Shape, kind: Kind, document_id: str) -> Seen:
    table = table_of(shape)
    there = and_(table.c.id == document_id, table.c.gone_at.is_(None))
    row = scope.tx.execute(scope.select(table).where(there)).first()
    if row is None:
        raise CannotDecideError(
            f"No {_plain(kind.name)} {document_id} is stored here, so nobody can have seen it. Check the id,"
            " or read it first: `ledgertide refresh`."
        )
    if kind.type and row.type != kind.type:
        raise CannotDecideError(f"{document_id} is no {_plain(kind.name)}: its type is {row.type}.")
    return Seen(row.status or "", row.modified_at, row.hash)


def _check(kind: Kind, wish: Wish, seen: Seen) -> None:
    way = kind.ways[wish.decision]
    if seen.status not in way.allowed_from | way.done:
        allowed = ", ".join(sorted(way.allowed_from))
        raise CannotDecideError(
            f"A {_plain(kind.name)} that is {seen.status or 'of no status'} cannot be decided on so:"
            f" to {_plain(wish.decision)} it, it has to be {allowed}."
        )
    if wish.mark_reference and way.status is not None:
        raise CannotDecideError(
            f"The reference is marked only where Xero has no status for it; here it has {way.status}."
        )


def _insert(tx: Transaction, feed: Any, wish: Wish, kind: Kind, seen: Seen) -> str | None:
    build = sqlite_insert if tx.is_sqlite else postgresql_insert
    row = build(decisions).values(
        id=str(uuid.uuid4()),
        organisation_id=feed.organisation_id,
        connection_id=feed.connection_id,
        feed_id=feed.id,
        resource=kind.resource,
        kind=kind.name,
        document_id=wish.document_id,
        decision=wish.decision,
        wanted=kind.ways[wish.decision].status,
        mark_reference=wish.mark_reference,
        seen_status=seen.status,
        seen_modified_at=seen.modified_at,
        seen_hash=seen.hash,
        decided_by=wish.by,
        decided_at=tx.now,
        idempotency_key=wish.idempotency_key,
        outcome="waiting",
        state="queued",
        published_at=tx.now,
    )
    made = tx.execute(row.on_conflict_do_nothing().returning(decisions.c.id)).scalar_one_or_none()
    return None if made is None else str(made)


def _insert_steps(tx: Transaction, organisation_id: str, decision_id: str, wish: Wish) -> None:
    wanted: list[dict[str, Any]] = []
    if wish.note is not None:
        wanted.append({"what": "note", "body": wish.note.encode()})
    wanted += [
        {"what": "file", "name": file.name, "mime": file.mime, "body": file.body} for file in wish.files
    ]
    for position, step in enumerate(wanted):
        row = {"organisation_id": organisation_id, "decision_id": decision_id, "position": position, **step}
        tx.execute(insert(steps).values(state="waiting", size=len(step["body"]), **row))


def _lines(scope: Scope, condition: Any, limit: int) -> list[DecisionLine]:
    query = (
        scope.select(decisions, decisions, organisations.c.slug)
        .join(organisations, organisations.c.id == decisions.c.organisation_id)
        .where(condition)
        .order_by(decisions.c.decided_at.desc(), decisions.c.id)
        .limit(limit)
    )
    rows = scope.tx.execute(query).all()
    wanted = steps.c.decision_id.in_([row.id for row in rows])
    columns = [column for column in steps.c if column.name != "body"]
    beside: dict[str, list[Any]] = {}
    for step in scope.tx.execute(
        scope.select(steps, *columns).where(wanted).order_by(steps.c.decision_id, steps.c.position)
    ):
        beside.setdefault(step.decision_id, []).append(step)
    return [_line(row, beside.get(row.id, ())) for row in rows]


def _line(row: Any, beside: Sequence[Any]) -> DecisionLine:
    return DecisionLine(
        id=row.id,
        organisation=row.slug,
        kind=row.kind,
        document_id=row.document_id,
        decision=row.decision,
        wanted=row.wanted,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        outcome=row.outcome,
        settled_at=row.settled_at,
        seen_status=row.seen_status,
        seen_modified_at=row.seen_modified_at,
        found_status=row.found_status,
        found_modified_at=row.found_modified_at,
        reason=row.reason,
        until=row.not_before,
        error_code=row.error_code,
        error=row.error_sentence,
        provider_words=row.error_words or None,
        mended_by=row.mended_by,
        attempts=row.attempts,
        steps=tuple(
            StepLine(step.what, step.name, step.state, step.error_sentence, step.error_words or None)
            for step in beside
        ),
        finished=row.ended_at is not None,
    )


def _plain(name: str) -> str:
    return name.replace("_", " ")

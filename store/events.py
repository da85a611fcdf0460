"""The feed of changes for the application: one row per stored page and kind, in order per organisation."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from store.database import Scope, Transaction
from store.models import events, organisations


class EventsGoneError(Exception):
    """Some of the events asked for are not kept: going on would skip them.

    `goes_on_after`: the number after which to go on, once the records were compared or copied anew.
    """

    def __init__(self, after: int, oldest: int, newest: int) -> None:
        why = (
            f"Events {after + 1} to {oldest - 1} are no longer kept; going on after {after} would skip them."
            if after < oldest
            else f"There is no event {after}, the newest is {newest}: the database is an older one, restored."
        )
        super().__init__(f"{why} Copy the records anew, and then go on after {newest}.")
        self.goes_on_after = newest


KINDS = ("added", "changed", "archived", "restored", "gone")


@dataclass(frozen=True, slots=True)
class Event:
    """Records of one feed that were added, changed, archived, restored, or are gone."""

    organisation_id: str
    sequence: int
    resource: str
    kind: str
    ids: tuple[str, ...]
    happened_at: datetime
    decision: str | None = None
    """The decision of ours that did it; None: somebody else did."""


def append(
    tx: Transaction,
    *,
    organisation_id: str,
    feed_id: str,
    resource: str,
    run_id: str | None,
    changes: Mapping[str, Sequence[str]],
    ours: Mapping[str, str] = MappingProxyType({}),
) -> int | None:
    """Add one event per kind; the last thing in a transaction. Returns the newest sequence, if any.

    `ours`: records that are as a decision of ours left them, each with the decision: told for themselves.

    The organisation's row stays locked from here to the commit, so that sequences are committed
    in order and no reader that asks for "after N" skips one.
    """
    told = [part for kind in KINDS for part in _parts(kind, changes.get(kind, ()), ours)]
    if not told:
        return None
    newest: int = tx.execute(
        update(organisations)
        .where(organisations.c.id == organisation_id)
        .values(event_sequence=organisations.c.event_sequence + len(told))
        .returning(organisations.c.event_sequence)
    ).scalar_one()
    tx.execute(
        insert(events),
        [
            {
                "organisation_id": organisation_id,
                "sequence": newest - len(told) + position,
                "feed_id": feed_id,
                "resource": resource,
                "kind": kind,
                "ids": json.dumps(ids),
                "run_id": run_id,
                "decision_id": decision_id,
                "happened_at": tx.now,
            }
            for position, (kind, decision_id, ids) in enumerate(told, start=1)
        ],
    )
    return newest


def _parts(
    kind: str, ids: Sequence[str], ours: Mapping[str, str]
) -> Iterator[tuple[str, str | None, list[str]]]:
    """What others did to records together, and what each decision of ours did for itself."""
    others = [record_id for record_id in ids if record_id not in ours]
    if others:
        yield kind, None, others
    for record_id in ids:
        if record_id in ours:
            yield kind, ours[record_id], [record_id]


def read(scope: Scope, *, after: int | None = None, limit: int = 1000) -> Iterator[Event]:
    """This organisation's events after a sequence, in order; None: from the oldest that is kept.

    Raises EventsGoneError, never skips, when events after that one are no longer kept, or that one is not
    known here.
    """
    last, oldest = newest(scope), _oldest(scope)
    if after is None:
        after = oldest - 1
    elif not oldest - 1 <= after <= last:
        raise EventsGoneError(after, oldest, last)
    query = scope.select(events).where(events.c.sequence > after).order_by(events.c.sequence).limit(limit)
    for row in scope.tx.execute(query):
        yield event_of(row)


def event_of(row: Any) -> Event:
    """An event from its row."""
    return Event(
        row.organisation_id,
        row.sequence,
        row.resource,
        row.kind,
        tuple(json.loads(row.ids)),
        row.happened_at,
        row.decision_id,
    )


def latest(tx: Transaction, since: timedelta) -> dict[str, int]:
    """The organisations that something happened to lately: id → its newest sequence. For the doorbell."""
    query = select(events.c.organisation_id, func.max(events.c.sequence).label("newest"))
    rows = tx.execute(query.where(events.c.happened_at > tx.now - since).group_by(events.c.organisation_id))
    return {row.organisation_id: row.newest for row in rows}


def prune(tx: Transaction, older_than: timedelta) -> int:
    """Forget what is older than the retention time: of each organisation the first ones, none between."""
    old = select(events.c.organisation_id, func.max(events.c.sequence))
    rows = tx.execute(
        old.where(events.c.happened_at < tx.now - older_than).group_by(events.c.organisation_id)
    ).all()
    return sum(
        tx.execute(
            delete(events).where(events.c.organisation_id == organisation_id, events.c.sequence <= last)
        ).rowcount
        for organisation_id, last in rows
    )


def newest(scope: Scope) -> int:
    """The last sequence this organisation has handed out."""
    found: int = scope.tx.execute(
        select(organisations.c.event_sequence).where(organisations.c.id == scope.organisation_id)
    ).scalar_one()
    return found


def _oldest(scope: Scope) -> int:
    """The first sequence that is kept, or the next one to come: they are without a gap."""
    first = scope.tx.execute(scope.select(events, func.min(events.c.sequence))).scalar_one()
    return newest(scope) + 1 if first is None else int(first)

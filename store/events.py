"""The feed of changes for the application: one row per stored page and kind, in order per organisation."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from store.database import Scope, Transaction
from store.models import events, organisations

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


def append(
    tx: Transaction,
    *,
    organisation_id: str,
    feed_id: str,
    resource: str,
    run_id: str | None,
    changes: Mapping[str, Sequence[str]],
) -> int | None:
    """Add one event per kind; the last thing in a transaction. Returns the newest sequence, if any.

    The organisation's row stays locked from here to the commit, so that sequences are committed
    in order and no reader that asks for "after N" skips one.
    """
    kinds = [kind for kind in KINDS if changes.get(kind)]
    if not kinds:
        return None
    newest: int = tx.execute(
        update(organisations)
        .where(organisations.c.id == organisation_id)
        .values(event_sequence=organisations.c.event_sequence + len(kinds))
        .returning(organisations.c.event_sequence)
    ).scalar_one()
    tx.execute(
        insert(events),
        [
            {
                "organisation_id": organisation_id,
                "sequence": newest - len(kinds) + position,
                "feed_id": feed_id,
                "resource": resource,
                "kind": kind,
                "ids": json.dumps(list(changes[kind])),
                "run_id": run_id,
                "happened_at": tx.now,
            }
            for position, kind in enumerate(kinds, start=1)
        ],
    )
    return newest


def read(scope: Scope, *, after: int = 0, limit: int = 1000) -> Iterator[Event]:
    """This organisation's events after a sequence, in order."""
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
    )


def newest(scope: Scope) -> int:
    """The last sequence this organisation has handed out."""
    found: int = scope.tx.execute(
        select(organisations.c.event_sequence).where(organisations.c.id == scope.organisation_id)
    ).scalar_one()
    return found

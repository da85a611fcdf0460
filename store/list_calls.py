"""Calls that carry entries into Dext: on record before they are sent, until it is known what became of them.

    planned ──► in doubt ──► taken in (has a job) ──► settled (gone from here)
                 │   ▲ sent again: the same text under the same key
                 └───┘

A call that was never sent may be forgotten and planned anew; one that was in doubt may not.
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from store.database import Transaction
from store.models import list_calls


@dataclass(frozen=True, slots=True)
class Planned:
    """A call to be made: `texts` are its entries."""

    kind: str
    mode: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListCall:
    """A call on its way. `id` is its idempotency key."""

    id: str
    kind: str
    mode: str
    texts: tuple[str, ...]
    snapshot_at: datetime
    sent_at: datetime | None
    job_id: str | None


def plan(
    tx: Transaction,
    *,
    organisation_id: str,
    feed_id: str,
    snapshot_at: datetime,
    calls: Sequence[Planned],
) -> None:
    """Put calls on record, in their order."""
    if calls:
        tx.execute(
            insert(list_calls),
            [
                {
                    "id": str(uuid.uuid4()),
                    "feed_id": feed_id,
                    "organisation_id": organisation_id,
                    "place": place,
                    "kind": call.kind,
                    "mode": call.mode,
                    "entries": json.dumps(call.texts, ensure_ascii=False),
                    "snapshot_at": snapshot_at,
                }
                for place, call in enumerate(calls)
            ],
        )


def on_their_way(tx: Transaction, feed_id: str) -> list[ListCall]:
    """A feed's calls whose end is not known yet, in their order."""
    query = select(list_calls).where(list_calls.c.feed_id == feed_id)
    rows = tx.execute(query.order_by(list_calls.c.snapshot_at, list_calls.c.place))
    return [
        ListCall(
            row.id,
            row.kind,
            row.mode,
            tuple(json.loads(row.entries)),
            row.snapshot_at,
            row.sent_at,
            row.job_id,
        )
        for row in rows
    ]


def sending(tx: Transaction, call_id: str) -> None:
    """It is sent now: from here on only Dext knows whether it has come through."""
    never = (list_calls.c.id == call_id, list_calls.c.sent_at.is_(None))
    tx.execute(update(list_calls).where(*never).values(sent_at=tx.now))


def taken_in(tx: Transaction, call_id: str, job_id: str) -> None:
    """Dext has it and works on it, under this name."""
    tx.execute(update(list_calls).where(list_calls.c.id == call_id).values(job_id=job_id))


def forget(tx: Transaction, call_ids: Iterable[str]) -> None:
    """What became of these is known, and stored in this transaction."""
    tx.execute(delete(list_calls).where(list_calls.c.id.in_(list(call_ids))))


def forget_unsent(tx: Transaction, feed_id: str) -> None:
    """What was planned and never sent is planned anew: Xero may have changed since."""
    unsent = (list_calls.c.feed_id == feed_id, list_calls.c.sent_at.is_(None))
    tx.execute(delete(list_calls).where(*unsent))

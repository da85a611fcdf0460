"""Rejects: records that cannot be stored are set aside with a sentence, and their page goes on."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from sqlalchemy import delete, func, insert, select

from store.database import Scope, Transaction
from store.models import rejects


class RejectedRecord(Protocol):
    """What the store keeps of a record it cannot store."""

    @property
    def id(self) -> str | None: ...
    @property
    def raw(self) -> str: ...
    @property
    def sentence(self) -> str: ...


def keep(
    tx: Transaction, found: Iterable[RejectedRecord], *, feed_id: str, organisation_id: str, run_id: str
) -> int:
    """Set records aside; the same record again replaces what was kept of it."""
    kept = 0
    for reject in found:
        record_id = (reject.id or "(no id)")[:255].encode("ascii", "backslashreplace").decode()[:255]
        ours = (rejects.c.feed_id == feed_id, rejects.c.record_id == record_id)
        tx.execute(delete(rejects).where(*ours))
        tx.execute(
            insert(rejects).values(
                feed_id=feed_id,
                record_id=record_id.replace("\x00", "\\x00"),
                organisation_id=organisation_id,
                run_id=run_id,
                sentence=reject.sentence,
                raw=reject.raw.encode("ascii", "backslashreplace").decode().replace("\x00", "\\x00"),
                rejected_at=tx.now,
            )
        )
        kept += 1
    return kept


def accept(tx: Transaction, feed_id: str, ids: Iterable[str]) -> None:
    """These records could be stored after all: forget what was set aside of them."""
    if tx.execute(select(func.count()).select_from(rejects).where(rejects.c.feed_id == feed_id)).scalar_one():
        set_aside = tx.execute(select(rejects.c.record_id).where(rejects.c.feed_id == feed_id)).scalars()
        stored = set(ids) & set(set_aside)
        for record_id in stored:
            tx.execute(delete(rejects).where(rejects.c.feed_id == feed_id, rejects.c.record_id == record_id))


def forget(tx: Transaction, feed_id: str, *, before: datetime) -> None:
    """A full read began then and met them no more: mended without an id, or gone at the provider."""
    tx.execute(delete(rejects).where(rejects.c.feed_id == feed_id, rejects.c.rejected_at < before))


def of_feed(scope: Scope, feed_id: str) -> list[tuple[str, str]]:
    """(record id, sentence) of what this feed has set aside."""
    query = scope.select(rejects, rejects.c.record_id, rejects.c.sentence).where(rejects.c.feed_id == feed_id)
    return [(row.record_id, row.sentence) for row in scope.tx.execute(query)]

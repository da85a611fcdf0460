"""Full reads: which ids were seen, which may be gone, and when a person must say so.

Only a complete and proven full read names candidates; only a second one that agrees makes them
gone; and a mass vanish waits for a person. A failed, partial or unproven read deletes nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, func, insert, select, text, update

from config.shapes import Shape
from store import audit, events, records, rejects
from store.database import Scope, Transaction
from store.models import candidates, feeds, seen
from store.tables import table_of

# A vanish of more than this many records, or of this share of them, or of all, waits for a person.
HOLD_ABOVE = 10
HOLD_ABOVE_SHARE = 0.20


@dataclass(frozen=True, slots=True)
class FullRead:
    """A full read that is under way: since when, and how many records the provider announced."""

    started_at: datetime
    announced: int | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a complete full read concluded."""

    proven: bool
    gone: tuple[str, ...] = ()
    held: int = 0


def begin(tx: Transaction, feed_id: str, started_at: datetime) -> None:
    """A full read starts from the list's beginning; whatever an earlier one saw is forgotten."""
    tx.execute(delete(seen).where(seen.c.feed_id == feed_id))
    tx.execute(
        update(feeds)
        .where(feeds.c.id == feed_id)
        .values(full_started_at=started_at, full_cursor=None, full_announced=None)
    )


def under_way(tx: Transaction, feed_id: str) -> FullRead | None:
    """The feed's open full read, if there is one."""
    row = tx.execute(
        select(feeds.c.full_started_at, feeds.c.full_announced).where(feeds.c.id == feed_id)
    ).one()
    return FullRead(row.full_started_at, row.full_announced) if row.full_started_at else None


def saw(tx: Transaction, feed_id: str, ids: Sequence[str]) -> None:
    """Note what any read of this feed met: an open full read has seen it, and it is no candidate any more."""
    if not ids:
        return
    given = {"feed_id": feed_id, "ids": json.dumps(list(ids))}
    listed = (
        "value FROM json_each(:ids)"
        if tx.is_sqlite
        else "value FROM jsonb_array_elements_text(CAST(:ids AS jsonb))"
    )
    if under_way(tx, feed_id):
        tx.execute(
            text(
                f"INSERT INTO seen (feed_id, record_id) SELECT :feed_id, {listed} WHERE true "
                "ON CONFLICT DO NOTHING"
            ),
            given,
        )
    if tx.execute(select(candidates.c.feed_id).where(candidates.c.feed_id == feed_id).limit(1)).first():
        tx.execute(
            text(f"DELETE FROM candidates WHERE feed_id = :feed_id AND record_id IN (SELECT {listed})"),  # noqa: S608
            given,
        )


def announce(tx: Transaction, feed_id: str, announced: int) -> None:
    """Keep the number of records that the provider says the whole list has."""
    tx.execute(update(feeds).where(feeds.c.id == feed_id).values(full_announced=announced))


def conclude(
    tx: Transaction, shape: Shape, *, feed_id: str, organisation_id: str, connection_id: str, run_id: str
) -> Verdict:
    """The whole list was read: compare it with the store, and close the full read."""
    full_read = under_way(tx, feed_id)
    if full_read is None:
        return Verdict(proven=False)
    seen_ids = select(seen.c.record_id).where(seen.c.feed_id == feed_id)
    seen_count = tx.execute(select(func.count()).select_from(seen_ids.subquery())).scalar_one()
    proven = full_read.announced is None or seen_count >= full_read.announced
    verdict = Verdict(proven=False)
    if proven:
        unseen = records.live_before(shape, connection_id, full_read.started_at)
        is_seen = seen_ids.where(seen.c.record_id == table_of(shape).c.id).exists()
        missing = list(tx.execute(unseen.where(~is_seen)).scalars())
        verdict = _agree(tx, shape, feed_id, organisation_id, connection_id, run_id, missing)
        rejects.forget(tx, feed_id, before=full_read.started_at)
    tx.execute(delete(seen).where(seen.c.feed_id == feed_id))
    tx.execute(
        update(feeds)
        .where(feeds.c.id == feed_id)
        .values(
            full_started_at=None,
            full_cursor=None,
            full_announced=None,
            **({"last_full_read_at": full_read.started_at} if proven else {}),
        )
    )
    return verdict


def _agree(
    tx: Transaction,
    shape: Shape,
    feed_id: str,
    organisation_id: str,
    connection_id: str,
    run_id: str,
    missing: list[str],
) -> Verdict:
    """Records missing from two complete reads are gone; missing for the first time makes a candidate."""
    earlier = dict(
        tx.execute(
            select(candidates.c.record_id, candidates.c.run_id).where(candidates.c.feed_id == feed_id)
        ).all()
    )
    agreed = [record_id for record_id in missing if earlier.get(record_id, run_id) != run_id]
    _drop(tx, feed_id, list(earlier.keys() - set(missing)))
    if first_time := [record_id for record_id in missing if record_id not in earlier]:
        tx.execute(
            insert(candidates),
            [
                {
                    "feed_id": feed_id,
                    "record_id": record_id,
                    "organisation_id": organisation_id,
                    "run_id": run_id,
                    "found_at": tx.now,
                }
                for record_id in first_time
            ],
        )
    if not agreed:
        return Verdict(proven=True)
    if _is_mass_vanish(len(agreed), records.count_live(tx, shape, connection_id)):
        _hold(tx, feed_id, run_id)
        return Verdict(proven=True, held=len(agreed))
    gone = records.mark_gone(tx, shape, connection_id, agreed)
    _drop(tx, feed_id, agreed)
    return Verdict(proven=True, gone=tuple(gone))


def _hold(tx: Transaction, feed_id: str, run_id: str) -> None:
    """Whatever an earlier run missed and this one misses too; those found again were dropped just now."""
    agreed = and_(candidates.c.feed_id == feed_id, candidates.c.run_id != run_id)
    tx.execute(update(candidates).where(agreed, candidates.c.held_at.is_(None)).values(held_at=tx.now))


def _is_mass_vanish(vanishing: int, live: int) -> bool:
    return vanishing >= live or vanishing > max(HOLD_ABOVE, HOLD_ABOVE_SHARE * live)


def _drop(tx: Transaction, feed_id: str, ids: Sequence[str]) -> None:
    for start in range(0, len(ids), 500):
        tx.execute(
            delete(candidates).where(
                candidates.c.feed_id == feed_id, candidates.c.record_id.in_(ids[start : start + 500])
            )
        )


def held(scope: Scope, feed_id: str) -> list[str]:
    """The ids of a feed that vanished in a mass and wait for a person."""
    return list(
        scope.tx.execute(
            scope.select(candidates, candidates.c.record_id)
            .where(candidates.c.feed_id == feed_id, candidates.c.held_at.is_not(None))
            .order_by(candidates.c.record_id)
        ).scalars()
    )


def apply(scope: Scope, shape: Shape, *, feed_id: str, connection_id: str, actor: str) -> list[str]:
    """A person says that the held records are gone indeed; those that a read met meanwhile stay."""
    # The rows first: whoever reads this feed now ends before us, and what it met is held no more.
    records.lock(scope.tx, shape, connection_id, held(scope, feed_id))
    ids = held(scope, feed_id)
    gone = records.mark_gone(scope.tx, shape, connection_id, ids)
    _drop(scope.tx, feed_id, ids)
    _record(scope, "vanish applied", feed_id, shape, actor, ids)
    events.append(
        scope.tx,
        organisation_id=scope.organisation_id,
        feed_id=feed_id,
        resource=shape.resource,
        run_id=None,
        changes={"gone": gone},
    )
    return gone


def dismiss(scope: Scope, shape: Shape, *, feed_id: str, actor: str) -> list[str]:
    """A person says that the provider's answer was wrong: the records stay."""
    ids = held(scope, feed_id)
    _drop(scope.tx, feed_id, ids)
    _record(scope, "vanish dismissed", feed_id, shape, actor, ids)
    return ids


def _record(scope: Scope, action: str, feed_id: str, shape: Shape, actor: str, ids: list[str]) -> None:
    detail: dict[str, Any] = {"feed": feed_id, "resource": shape.resource, "records": len(ids)}
    audit.note(scope.tx, actor=actor, action=action, organisation_id=scope.organisation_id, **detail)

"""Notices: what the providers' webhooks told, each kept once, and handed to one run that reads after it came.

    kept ──► waits until its feed may be read again ──► handed to a run that has not read yet

A notice is only a reason to read: what the run finds is what counts. One that comes while its feed is being
read waits for the next run, and a feed that is told of without end is read once in `APART`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol

from sqlalchemy import Insert, Select, Text, and_, bindparam, case, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.types import TypeEngine

from store import batch, runs
from store.database import NOW, Transaction, UtcDateTime
from store.models import connections, feeds, notices
from store.models import runs as run_rows
from store.runs import Message

# From one start of a feed's run to the next that webhooks ask for.
APART = timedelta(seconds=15)
# Xero keeps what it could not deliver for 31 days, and then sends it again.
KEPT = timedelta(days=32)
# So many feeds are handed their notices at once, the longest waiting first.
AT_ONCE = 500
# The feeds that are read, beside their connections: the others read all that they missed once they are again.
IS_READ = and_(feeds.c.enabled, connections.c.state == "connected")
# The kind of a notice that we give ourselves, where one of the provider's did not arrive.
MISSED = "missed"


class ToldNotice(Protocol):
    """What the store needs of a provider's notice."""

    @property
    def tenant_id(self) -> str: ...
    @property
    def resource(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def record_id(self) -> str | None: ...
    @property
    def happened_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class NewNotice:
    """A notice that nobody had kept yet."""

    feed_id: str
    kind: str


def keep(tx: Transaction, provider: str, told: Iterable[ToldNotice]) -> list[NewNotice]:
    """Keep notices, each once; those of tenants or lists that we do not read are dropped."""
    kept = tx.execute(KEEP[tx.is_sqlite], parameters(tx, provider, told))
    return [NewNotice(row.feed_id, row.kind) for row in kept]


def parameters(tx: Transaction, provider: str, told: Iterable[ToldNotice]) -> dict[str, Any]:
    """What `KEEP` is executed with."""
    rows = [{name: getattr(notice, name) for name in _TOLD} for notice in told]
    return batch.parameters(tx, rows) | {"provider": provider}


def hand_over(tx: Transaction, limit: int = AT_ONCE) -> list[Message]:
    """Give each feed's waiting notices to a run that has not read yet: the open one, or a new one.

    Returns what is to be sent. A feed whose run reads at this moment, or began less than `APART` ago, keeps
    its notices waiting; its comparison is told to make way.
    """
    if tx.execute(select(notices.c.feed_id).where(notices.c.handed_at.is_(None)).limit(1)).first() is None:
        return []  # as at most ticks
    messages: list[Message] = []
    asked = {"now": tx.now, "long_ago": tx.now - APART, "most": limit}
    for feed in tx.execute(_told(), asked).all():
        if feed.run_id and feed.run_full:
            _make_due(tx, feed.id)
            continue
        run = _join(tx, feed) if feed.run_id else _open(tx, feed)
        if run is None:  # it changed under our hands: at the next tick
            continue
        waiting = and_(notices.c.feed_id == feed.id, notices.c.handed_at.is_(None))
        tx.execute(update(notices).where(waiting).values(handed_at=tx.now, run_id=run["id"]))
        if run["state"] == "queued" and run["published_at"]:
            messages.append(runs.message_of(run))
    return messages


def waiting(tx: Transaction) -> tuple[int, timedelta]:
    """How many notices wait for a run of a feed that is read, and for how long the first of them has."""
    row = tx.execute(
        select(func.count().label("count"), func.min(notices.c.received_at).label("since"))
        .select_from(notices)
        .join(feeds, feeds.c.id == notices.c.feed_id)
        .join(connections, connections.c.id == feeds.c.connection_id)
        .where(notices.c.handed_at.is_(None), IS_READ)
    ).one()
    return int(row.count), tx.now - row.since if row.since else timedelta(0)


def prune(tx: Transaction) -> int:
    """Forget what no provider delivers again, and what waits for a feed that is not read any more."""
    its_feed = and_(feeds.c.id == notices.c.feed_id, connections.c.id == feeds.c.connection_id)
    is_in_vain = and_(notices.c.handed_at.is_(None), ~exists().where(its_feed, IS_READ))
    old = notices.c.received_at < tx.now - KEPT
    return int(tx.execute(delete(notices).where(or_(old, is_in_vain))).rowcount)


_TOLD: dict[str, TypeEngine[Any]] = {
    "tenant_id": Text(),
    "resource": Text(),
    "key": Text(),
    "kind": Text(),
    "record_id": Text(),
    "happened_at": UtcDateTime(),
}


def _keeping(*, on_sqlite: bool) -> Insert:
    """The statement that keeps what is new of what is given."""
    told = batch.table(_TOLD, on_sqlite=on_sqlite)
    known = exists().where(notices.c.connection_id == connections.c.id, notices.c.key == told.c.key)
    new = (
        select(
            feeds.c.connection_id,
            told.c.key,
            feeds.c.organisation_id,
            feeds.c.id.label("feed_id"),
            told.c.kind,
            told.c.record_id,
            told.c.happened_at,
            batch.now(on_sqlite=on_sqlite).label("received_at"),
        )
        .join(connections, connections.c.tenant_id == told.c.tenant_id)
        .join(feeds, and_(feeds.c.connection_id == connections.c.id, feeds.c.resource == told.c.resource))
        # What came before needs no insert, which would wait for whoever hands it over at this moment.
        .where(connections.c.provider == bindparam("provider", type_=Text), IS_READ, ~known)
        # In one order for all: whoever keeps the same ones at the same time waits, and does not deadlock.
        .order_by(feeds.c.connection_id, told.c.key)
    )
    insert = sqlite_insert if on_sqlite else postgresql_insert
    columns = [column.name for column in new.selected_columns]
    return (
        insert(notices)
        .from_select(columns, new)
        .on_conflict_do_nothing()
        .returning(notices.c.feed_id, notices.c.kind)
    )


# By whether it is for SQLite. Built once: in a storm it runs many times a second.
KEEP = {on_sqlite: _keeping(on_sqlite=on_sqlite) for on_sqlite in (False, True)}


@cache
def _told() -> Select[Any]:
    """Feeds with waiting notices that something can be done about now, with their open runs."""
    told = (
        select(
            notices.c.feed_id,
            func.min(notices.c.received_at).label("since"),
            func.max(case((notices.c.kind == MISSED, 0), else_=1)).label("is_urgent"),
        )
        .where(notices.c.handed_at.is_(None))
        .group_by(notices.c.feed_id)
        .subquery()
    )
    long_ago = bindparam("long_ago", type_=UtcDateTime)
    is_unread = and_(run_rows.c.state.in_(["queued", "snoozed"]), run_rows.c.pages == 0)
    may_start = or_(feeds.c.last_start_at.is_(None), feeds.c.last_start_at <= long_ago)
    # What is due already, and a first import, which makes way for nothing, would only keep others waiting.
    may_make_way = and_(feeds.c.newest_at.is_not(None), feeds.c.due_at > NOW)
    return (
        select(
            feeds.c.id,
            told.c.is_urgent,
            run_rows.c.id.label("run_id"),
            run_rows.c.state,
            run_rows.c.slice,
            run_rows.c.full.label("run_full"),
        )
        .join(told, told.c.feed_id == feeds.c.id)
        .join(connections, connections.c.id == feeds.c.connection_id)
        .outerjoin(run_rows, and_(run_rows.c.feed_id == feeds.c.id, run_rows.c.ended_at.is_(None)))
        .where(
            IS_READ,
            or_(
                and_(run_rows.c.id.is_(None), may_start),
                and_(run_rows.c.full, may_start, may_make_way),
                and_(~run_rows.c.full, is_unread),
            ),
        )
        .order_by(told.c.is_urgent.desc(), told.c.since)
        .limit(bindparam("most"))
    )


def _join(tx: Transaction, feed: Any) -> Any:
    """The open run, which has not read yet: ahead of scheduled work from now on, if it is not asleep."""
    values: dict[str, Any] = {
        "cause": case((run_rows.c.cause == "record", "webhook"), else_=run_rows.c.cause)
    }
    if feed.is_urgent:
        values["lane"] = "now"
        if feed.state == "queued":
            values["published_at"] = tx.now
    unchanged = (run_rows.c.id == feed.run_id, run_rows.c.state == feed.state, run_rows.c.slice == feed.slice)
    return (
        tx.execute(update(run_rows).where(*unchanged).values(**values).returning(run_rows)).mappings().first()
    )


def _open(tx: Transaction, feed: Any) -> Any:
    """A run of its own; one for what was only missed takes its turn among scheduled work."""
    lane = "now" if feed.is_urgent else "sync"
    run = runs.open_run(tx, feed.id, cause="webhook", lane=lane, full=False, by=None)
    if run is None or feed.is_urgent:
        return run
    # Beat sends it when its turn has come: thousands may have missed something at the same time.
    tx.execute(update(run_rows).where(run_rows.c.id == run["id"]).values(published_at=None))
    return {**run, "published_at": None}


def _make_due(tx: Transaction, feed_id: str) -> None:
    """Its full read makes way for what is due."""
    tx.execute(update(feeds).where(feeds.c.id == feed_id, feeds.c.due_at > tx.now).values(due_at=tx.now))

"""The feeds that another feed lives on: how fresh they are, and what keeps them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, update

from store.database import Scope, Transaction
from store.models import feeds, runs


@dataclass(frozen=True, slots=True)
class Source:
    """A feed that is read before another can go on."""

    id: str
    resource: str
    enabled: bool
    last_success_at: datetime | None


@dataclass(frozen=True, slots=True)
class Behind:
    """A feed that has not been read since it was asked to be; `reason` is its run's, if that waits."""

    resource: str
    reason: str | None
    waits_for_person: bool


def sources(scope: Scope, resources: Collection[str]) -> list[Source]:
    """The organisation's feeds of these resources."""
    query = scope.select(feeds, feeds.c.id, feeds.c.resource, feeds.c.enabled, feeds.c.last_success_at)
    rows = scope.tx.execute(query.where(feeds.c.resource.in_(resources)).order_by(feeds.c.resource))
    return [Source(*row) for row in rows]


def behind(scope: Scope, generations: Mapping[str, int]) -> list[Behind]:
    """Which feeds have not served these generations yet (feed id → generation).

    One that is switched off is not waited for.
    """
    query = (
        scope.select(
            feeds,
            feeds.c.id,
            feeds.c.resource,
            feeds.c.served,
            runs.c.state,
            runs.c.reason,
            runs.c.not_before,
        )
        .outerjoin(runs, and_(runs.c.feed_id == feeds.c.id, runs.c.ended_at.is_(None)))
        .where(feeds.c.id.in_(list(generations)), feeds.c.enabled)
        .order_by(feeds.c.resource)
    )
    return [
        Behind(row.resource, row.reason, row.state == "snoozed" and row.not_before is None)
        for row in scope.tx.execute(query)
        if row.served < generations[row.id]
    ]


def want(tx: Transaction, connection_id: str, resource: str) -> None:
    """What is stored of a resource is out of date: it is read once more, beginning after now."""
    of_it = (feeds.c.connection_id == connection_id, feeds.c.resource == resource, feeds.c.enabled)
    soon = case((feeds.c.due_at < tx.now, feeds.c.due_at), else_=tx.now)
    tx.execute(update(feeds).where(*of_it).values(asked=feeds.c.asked + 1, due_at=soon))

"""Consents that the provider ends by itself: announced while there is time to renew them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from store import audit
from store.database import Transaction
from store.models import connections, organisations

# So many days before the end people are told, once each.
STAGES = (30, 7, 1)
EXPIRING = timedelta(days=STAGES[0])


@dataclass(frozen=True, slots=True)
class Announcement:
    """A consent that ends within so many days."""

    slug: str
    provider: str
    expires_at: datetime
    days: int


def is_expiring(expires_at: datetime | None, now: datetime) -> bool:
    """Whether it is time to renew a consent. That it has ended only the provider says."""
    return expires_at is not None and expires_at - now <= EXPIRING


def announce(tx: Transaction) -> list[Announcement]:
    """Put each stage that a living connection has reached on record, once; returns those that are new."""
    query = (
        select(connections, organisations.c.slug)
        .join(organisations, organisations.c.id == connections.c.organisation_id)
        .where(connections.c.state == "connected", connections.c.expires_at <= tx.now + EXPIRING)
        .order_by(organisations.c.slug, connections.c.provider)
    )
    return [
        Announcement(row.slug, row.provider, row.expires_at, days)
        for row in tx.execute(query).all()
        if (days := _reached(row.expires_at - tx.now)) and _is_news(tx, row, days)
    ]


def _reached(left: timedelta) -> int | None:
    return min((days for days in STAGES if left <= timedelta(days=days)), default=None)


def _is_news(tx: Transaction, row: object, days: int) -> bool:
    earlier = or_(connections.c.expiry_told_days.is_(None), connections.c.expiry_told_days > days)
    mine = connections.c.id == row.id  # type: ignore[attr-defined]
    told = tx.execute(update(connections).where(mine, earlier).values(expiry_told_days=days)).rowcount
    if told:
        audit.note(
            tx,
            actor="ledgertide",
            action="expiring",
            organisation_id=row.organisation_id,  # type: ignore[attr-defined]
            provider=row.provider,  # type: ignore[attr-defined]
            days=days,
            expires_at=row.expires_at.isoformat(),  # type: ignore[attr-defined]
        )
    return bool(told)

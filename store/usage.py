"""Calls and bytes, counted per organisation and day: what the provider limits and what it bills."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from store.database import Scope, Transaction
from store.models import connections, organisations, usage

# Longer than any bill is argued about.
KEPT = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class DayLine:
    """One organisation's calls to one provider on one day (UTC); `bytes` of answers, unpacked."""

    organisation: str
    provider: str
    day: date
    calls: int
    bytes: int
    day_limit: int | None  # None: the provider's usual number


def count(tx: Transaction, *, organisation_id: str, connection_id: str, calls: int, size: int = 0) -> None:
    """Add calls, and the bytes of their answers, to today.

    The row is shared by all of a connection's runs: add to it last in a transaction.
    """
    if not calls:
        return
    insert = sqlite_insert if tx.is_sqlite else postgresql_insert
    row = insert(usage).values(
        connection_id=connection_id,
        day=tx.now.date(),
        organisation_id=organisation_id,
        calls=calls,
        bytes=size,
    )
    more = {"calls": usage.c.calls + row.excluded.calls, "bytes": usage.c.bytes + row.excluded.bytes}
    tx.execute(row.on_conflict_do_update(index_elements=["connection_id", "day"], set_=more))


def lines(scope: Scope, days: int) -> list[DayLine]:
    """One organisation's last days, newest first."""
    return _lines(scope.tx, _query().where(usage.c.organisation_id == scope.organisation_id), days)


def all_lines(tx: Transaction, days: int) -> list[DayLine]:
    """Every organisation's last days, newest first, for the operator."""
    return _lines(tx, _query(), days)


def calls_today(tx: Transaction) -> int:
    """All organisations' calls since midnight, UTC."""
    today = select(func.coalesce(func.sum(usage.c.calls), 0)).where(usage.c.day == tx.now.date())
    return int(tx.execute(today).scalar_one())


def prune(tx: Transaction) -> int:
    """Forget the days that nobody asks for any more."""
    return int(tx.execute(delete(usage).where(usage.c.day < (tx.now - KEPT).date())).rowcount)


def _query() -> Select[Any]:
    return (
        select(
            organisations.c.slug,
            connections.c.provider,
            usage.c.day,
            usage.c.calls,
            usage.c.bytes,
            connections.c.day_limit,
        )
        .join(connections, connections.c.id == usage.c.connection_id)
        .join(organisations, organisations.c.id == usage.c.organisation_id)
        .order_by(usage.c.day.desc(), organisations.c.slug, connections.c.provider)
    )


def _lines(tx: Transaction, query: Select[Any], days: int) -> list[DayLine]:
    since = (tx.now - timedelta(days=days - 1)).date()
    return [DayLine(*row) for row in tx.execute(query.where(usage.c.day >= since))]

"""Publications of items: an item that is published anew joins what it was before, under a new publication."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from store.database import Scope, Transaction
from store.models import publications
from store.records import StorableRecord


@dataclass(frozen=True, slots=True)
class Publication:
    """One publishing of an item, in the order in which we heard of them."""

    id: str
    heard_at: datetime


def keep(
    tx: Transaction, records: Sequence[StorableRecord], *, organisation_id: str, connection_id: str
) -> None:
    """Note under which publications these items have come; each is noted once."""
    rows = [
        {
            "organisation_id": organisation_id,
            "connection_id": connection_id,
            "record_id": record.id,
            "publication_id": str(publication),
            "heard_at": tx.now,
        }
        for record in sorted(records, key=lambda record: record.id)
        if (publication := record.columns.get("publication_id"))
    ]
    if rows:
        insert = sqlite_insert if tx.is_sqlite else postgresql_insert
        tx.execute(insert(publications).on_conflict_do_nothing(), rows)


def holders(scope: Scope, connection_id: str, publication_id: str) -> set[str]:
    """The items of one connection of this organisation that have come under this publication."""
    query = scope.select(publications, publications.c.record_id).where(
        publications.c.connection_id == connection_id, publications.c.publication_id == publication_id
    )
    return set(scope.tx.execute(query).scalars())


def of(scope: Scope, connection_id: str) -> dict[str, tuple[Publication, ...]]:
    """Every publication of each item of one connection of this organisation, the earliest first."""
    rows = scope.tx.execute(
        scope.select(publications)
        .where(publications.c.connection_id == connection_id)
        .order_by(publications.c.heard_at, publications.c.publication_id)
    )
    found: dict[str, list[Publication]] = defaultdict(list)
    for row in rows:
        found[row.record_id].append(Publication(row.publication_id, row.heard_at))
    return {record_id: tuple(them) for record_id, them in found.items()}

"""Erasing an organisation: every row that is its own, in every table, in one transaction."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, delete, select

from config.shapes import Shape
from store import audit
from store.database import Transaction
from store.models import connections, feeds, grants, metadata, organisations, runs
from store.organisations import Link, Organisation, links
from store.tables import table_of


@dataclass(frozen=True, slots=True)
class Erased:
    """What was its own, for whoever cleans up elsewhere: connections, open runs; and how many rows went."""

    links: tuple[Link, ...]
    open_runs: tuple[str, ...]
    rows: int


def erase(tx: Transaction, organisation: Organisation, shapes: Iterable[Shape], *, actor: str) -> Erased:
    """Delete the organisation and all that is its own; a grant that others live on stays.

    A worker in the middle of one of its runs finds the run gone at its next write, and writes nothing. What
    remains is one line of the audit: who erased how many rows, and when; not whose they were.
    """
    scope = tx.scope(organisation.id)
    open_runs = tuple(tx.execute(scope.select(runs, runs.c.id).where(runs.c.ended_at.is_(None))).scalars())
    own_links = tuple(links(tx, organisation.id))
    # Runs first, as everybody locks them first; then the records; then whatever points to feeds, feeds, and
    # on to the organisation itself.
    in_order = [runs, *map(table_of, shapes), *reversed(metadata.sorted_tables)]
    rows = sum(_delete(tx, table, organisation.id) for table in in_order)
    rows += _drop_grants(tx, {link.grant_id for link in own_links})
    audit.note(tx, actor=actor, action="organisation_erased", rows=rows)
    return Erased(own_links, open_runs, rows)


def _delete(tx: Transaction, table: Table, organisation_id: str) -> int:
    own = _own(table, organisation_id)
    return 0 if own is None else int(tx.execute(delete(table).where(own)).rowcount)


def _own(table: Table, organisation_id: str) -> Any:
    """Which rows of a table are the organisation's; None where no row is anybody's."""
    if table is organisations:
        return table.c.id == organisation_id
    if "organisation_id" in table.c:
        return table.c.organisation_id == organisation_id
    if "feed_id" in table.c:
        return table.c.feed_id.in_(select(feeds.c.id).where(feeds.c.organisation_id == organisation_id))
    return None


def _drop_grants(tx: Transaction, grant_ids: Collection[str]) -> int:
    used = select(connections.c.id).where(connections.c.grant_id == grants.c.id).exists()
    return int(tx.execute(delete(grants).where(grants.c.id.in_(grant_ids), ~used)).rowcount)

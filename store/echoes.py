"""Our own changes as they come back with what is read: which decision a record's change came from.

Xero stamps a record when it is changed, so the stamp of a write's answer tells our own change from anybody
else's. Where no answer told it, the change is known by what it did: it brought the document to what a
decision on its way asks for, or changed nothing but its files. Whoever changes it afterwards is not us.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Text, and_, cast, exists, select

from config.decisions import KINDS, OF_FILES
from config.shapes import Shape
from store import batch
from store.database import Transaction
from store.models import decisions, steps
from store.records import StorableRecord
from store.tables import table_of


@dataclass(frozen=True, slots=True)
class Awaited:
    """A decision on its way that may have changed its document, and the document as it is stored."""

    id: str
    kind: str
    decision: str
    mark_reference: bool
    has_files: bool
    status: str | None
    reference: str | None
    record: str | None
    """Its JSON text; None: it is not stored."""

    def made(self, found: StorableRecord) -> bool:
        """Whether what is stored became what was found by this decision."""
        way, columns = KINDS[self.kind].ways[self.decision], found.columns
        now = way.is_shown_by(columns.get("status"), columns.get("reference"), marks=self.mark_reference)
        if now and not way.is_shown_by(self.status, self.reference, marks=self.mark_reference):
            return True
        return self.has_files and self.record is not None and _differ_by_files(self.record, found.raw)


def awaited(tx: Transaction, shape: Shape, connection_id: str, ids: Collection[str]) -> dict[str, Awaited]:
    """What decisions on their way may have done to these records; asked before those are stored."""
    if not ids:
        return {}
    table = table_of(shape)
    has_files = exists().where(steps.c.decision_id == decisions.c.id, steps.c.what == "file")
    there = and_(table.c.connection_id == decisions.c.connection_id, table.c.id == decisions.c.document_id)
    columns = [decisions.c[name] for name in ("id", "kind", "decision", "mark_reference")]
    named = batch.table({"id": Text()}, on_sqlite=tx.is_sqlite)
    rows = tx.execute(
        select(
            decisions.c.document_id,
            *columns,
            has_files.label("has_files"),
            table.c.status,
            table.c.reference,
            cast(table.c.record, Text),
        )
        .outerjoin(table, there)
        .where(
            decisions.c.connection_id == connection_id,
            decisions.c.resource == shape.resource,
            # A thousand names as one text: as values of their own they took 6 % of the page's time.
            decisions.c.document_id.in_(select(named.c.id)),
            decisions.c.outcome.in_(["sent", "confirmed"]),
            decisions.c.ended_at.is_(None),
        )
        .order_by(decisions.c.decided_at),
        batch.parameters(tx, [{"id": each} for each in ids]),
    )
    return {document_id: Awaited(*its) for document_id, *its in rows}


def ours(
    tx: Transaction,
    shape: Shape,
    connection_id: str,
    touched: Sequence[StorableRecord],
    awaiting: Mapping[str, Awaited],
) -> dict[str, str]:
    """Which of these changed records are as a decision of ours left them: record → decision."""
    if not touched:
        return {}
    found = {record.id: record for record in touched}
    by_effect = {id_: each.id for id_, each in awaiting.items() if id_ in found and each.made(found[id_])}
    rows = tx.execute(
        select(decisions.c.document_id, decisions.c.id, decisions.c.written_modified_at).where(
            decisions.c.connection_id == connection_id,
            decisions.c.resource == shape.resource,
            decisions.c.document_id.in_(list(found)),
            decisions.c.written_modified_at.is_not(None),
        )
    )
    by_stamp = {
        row.document_id: row.id
        for row in rows
        if found[row.document_id].modified_at == row.written_modified_at
    }
    return by_effect | by_stamp


def _differ_by_files(before: str, after: str) -> bool:
    """Alone a document tells a little more than in a list: what only one of them tells says nothing."""
    stored, found = json.loads(before), json.loads(after)
    both = (stored.keys() & found.keys()) - OF_FILES
    return all(stored[name] == found[name] for name in both)

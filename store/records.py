"""Records: one typed table per resource; newer wins, and twice is the same as once.

A page is stored by one statement with one JSON parameter that the database unpacks itself
(measured: lists through `unnest` cost 20 times the CPU). A record's JSON text goes in as text and
is never parsed into floats on the way, so its numbers come out digit for digit.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Protocol

from sqlalchemy import Table, Text, and_, func, select, text, update

from config.shapes import Shape
from store.database import Scope, Transaction, sqlite_time
from store.tables import table_of


class StorableRecord(Protocol):
    """What the store needs of a provider's record."""

    @property
    def id(self) -> str: ...
    @property
    def modified_at(self) -> datetime | None: ...
    @property
    def archived(self) -> bool: ...
    @property
    def raw(self) -> str: ...
    @property
    def hash(self) -> str: ...
    @property
    def columns(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Destination:
    """Where records go that no run has read: like a claim, but no lease can be lost."""

    organisation_id: str
    connection_id: str
    feed_id: str
    resource: str
    fence: int
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a page did to the store: ids by kind."""

    ids: dict[str, list[str]] = field(default_factory=dict)
    seen: int = 0

    def counts(self) -> dict[str, int]:
        """How many of each, with those that stayed as they were."""
        counts = {kind: len(ids) for kind, ids in self.ids.items()}
        return {**counts, "seen": self.seen, "unchanged": self.seen - sum(counts.values())}


_POSTGRESQL = {
    "text": "text",
    "integer": "bigint",
    "numeric": "numeric",
    "boolean": "boolean",
    "timestamp": "timestamptz",
    "date": "date",
}


def upsert(
    tx: Transaction,
    shape: Shape,
    records: Sequence[StorableRecord],
    *,
    organisation_id: str,
    connection_id: str,
    fence: int,
) -> Changes:
    """Store a page: a record is written when it is newer, or as old and different, or was gone.

    Idempotent; an older copy never replaces a newer one. The caller has proven the fence first.
    """
    if not records:
        return Changes()
    before = _before(tx, shape, connection_id, [record.id for record in records])
    written = set(
        tx.execute(
            text(_upsert_sql(shape, tx.is_sqlite)),
            {
                "page": _page(shape, records, sqlite=tx.is_sqlite),
                "organisation_id": organisation_id,
                "connection_id": connection_id,
                "fence": fence,
                "now": sqlite_time(tx.now) if tx.is_sqlite else tx.now,
            },
        ).scalars()
    )
    ids: dict[str, list[str]] = {}
    for record in records:
        if record.id in written:
            ids.setdefault(_kind(before.get(record.id), record), []).append(record.id)
    return Changes(ids, seen=len(records))


def _kind(before: Any, record: StorableRecord) -> str:
    if before is None:
        return "added"
    if before.gone_at is not None or (before.archived and not record.archived):
        return "restored"
    if record.archived and not before.archived:
        return "archived"
    return "changed"


def _before(tx: Transaction, shape: Shape, connection_id: str, ids: list[str]) -> dict[str, Any]:
    listed = (
        "SELECT value FROM json_each(:ids)"
        if tx.is_sqlite
        else "SELECT jsonb_array_elements_text(CAST(:ids AS jsonb))"
    )
    rows = tx.execute(
        text(
            f'SELECT id, archived, gone_at FROM "{shape.table}" '  # noqa: S608 - the name is ours
            f"WHERE connection_id = :connection_id AND id IN ({listed})"
        ),
        {"connection_id": connection_id, "ids": json.dumps(ids)},
    )
    return {row.id: row for row in rows}


def _page(shape: Shape, records: Sequence[StorableRecord], *, sqlite: bool) -> str:
    def moment(value: datetime | str | None) -> str | None:
        if value is None:
            return None
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else value
        return sqlite_time(parsed) if sqlite else parsed.isoformat()

    def columns_of(record: StorableRecord) -> dict[str, Any]:
        return {
            column.name: moment(record.columns.get(column.name))
            if column.kind == "timestamp"
            else record.columns.get(column.name)
            for column in shape.columns
        }

    return json.dumps(
        [
            {
                "id": record.id,
                "modified_at": moment(record.modified_at),
                "hash": record.hash,
                "archived": record.archived,
                "record": record.raw,
                **columns_of(record),
            }
            for record in records
        ],
        ensure_ascii=False,
    )


# Without a modified time only equality can be judged, and the fence orders the reads.
_NEWER = "excluded.modified_at > stored.modified_at"
_EQUALLY_NEW = "(excluded.modified_at = stored.modified_at AND excluded.hash <> stored.hash)"
_DIFFERENT = "(excluded.fence >= stored.fence AND excluded.hash <> stored.hash)"
_WAS_GONE = "stored.gone_at IS NOT NULL"


@cache
def _upsert_sql(shape: Shape, sqlite: bool) -> str:
    """The upsert of a page; it differs between the databases only in how the page is unpacked."""
    fields = {
        "id": "text",
        "modified_at": "timestamp",
        "hash": "text",
        "archived": "boolean",
        "record": "text",
        **{column.name: column.kind for column in shape.columns},
    }
    if sqlite:
        source = "json_each(:page) AS incoming"
        picked = {name: f"json_extract(incoming.value, '$.{name}')" for name in fields}
    else:
        columns = ", ".join(f"{name} {_POSTGRESQL[kind]}" for name, kind in fields.items())
        source = f"jsonb_to_recordset(CAST(:page AS jsonb)) AS incoming({columns})"
        picked = {name: f"incoming.{name}" for name in fields} | {"record": "CAST(incoming.record AS json)"}
    own = {
        "organisation_id": ":organisation_id",
        "connection_id": ":connection_id",
        "added_at": ":now",
        "changed_at": ":now",
        "fence": ":fence",
    }
    picked |= (
        own
        if sqlite
        else own | {"added_at": "CAST(:now AS timestamptz)", "changed_at": "CAST(:now AS timestamptz)"}
    )
    replaced = [name for name in picked if name not in ("organisation_id", "connection_id", "id", "added_at")]
    rule = " OR ".join([_NEWER, _EQUALLY_NEW, _WAS_GONE] if shape.timed else [_DIFFERENT, _WAS_GONE])
    return (
        f'INSERT INTO "{shape.table}" AS stored ({", ".join(picked)}) '  # noqa: S608 - names are ours
        f"SELECT {', '.join(picked.values())} FROM {source} WHERE true "
        f"ON CONFLICT (connection_id, id) DO UPDATE SET gone_at = NULL, "
        f"{', '.join(f'{name} = excluded.{name}' for name in replaced)} "
        f"WHERE {rule} RETURNING id"
    )


def read(scope: Scope, shape: Shape, *, gone: bool = False, batch: int = 500) -> Iterator[tuple[str, str]]:
    """This organisation's records of a resource as (id, JSON text), in the order of their ids."""
    table = table_of(shape)
    last = ""
    while True:
        query = (
            scope.select(table, table.c.id, _as_text(table, scope.tx))
            .where(table.c.id > last)
            .order_by(table.c.id)
            .limit(batch)
        )
        if not gone:
            query = query.where(table.c.gone_at.is_(None))
        rows = scope.tx.execute(query).all()
        yield from ((row[0], row[1]) for row in rows)
        if len(rows) < batch:
            return
        last = rows[-1][0]


def one(scope: Scope, shape: Shape, record_id: str) -> str | None:
    """One of this organisation's records as JSON text; None when it is not here."""
    table = table_of(shape)
    found = scope.select(table, _as_text(table, scope.tx)).where(table.c.id == record_id)
    text: str | None = scope.tx.execute(found).scalars().first()
    return text


def _as_text(table: Table, tx: Transaction) -> Any:
    return table.c.record if tx.is_sqlite else table.c.record.cast(Text)


def lock(tx: Transaction, shape: Shape, connection_id: str, ids: Sequence[str]) -> None:
    """Keep these rows for this transaction, in the order of their ids; waits for whoever writes them."""
    if tx.is_sqlite:
        return  # one writer at a time
    table = table_of(shape)
    for start in range(0, len(ids), 500):
        tx.execute(
            select(table.c.id)
            .where(table.c.connection_id == connection_id, table.c.id.in_(sorted(ids)[start : start + 500]))
            .order_by(table.c.id)
            .with_for_update()
        )


def mark_gone(tx: Transaction, shape: Shape, connection_id: str, ids: Sequence[str]) -> list[str]:
    """Note that the provider has these no longer; the rows stay."""
    table = table_of(shape)
    marked = []
    for start in range(0, len(ids), 500):
        marked += tx.execute(
            update(table)
            .where(
                table.c.connection_id == connection_id,
                table.c.id.in_(ids[start : start + 500]),
                table.c.gone_at.is_(None),
            )
            .values(gone_at=tx.now, changed_at=tx.now)
            .returning(table.c.id)
        ).scalars()
    return marked


def live_before(shape: Shape, connection_id: str, moment: datetime) -> Any:
    """A SELECT of the ids that were there before a moment and are not gone."""
    table = table_of(shape)
    return select(table.c.id).where(
        table.c.connection_id == connection_id, table.c.gone_at.is_(None), table.c.added_at < moment
    )


def count_live(tx: Transaction, shape: Shape, connection_id: str) -> int:
    """How many records of a connection are there now."""
    table = table_of(shape)
    live = and_(table.c.connection_id == connection_id, table.c.gone_at.is_(None))
    counted: int = tx.execute(select(func.count()).select_from(table).where(live)).scalar_one()
    return counted

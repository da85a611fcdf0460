"""One typed table per resource, made from the endpoint table's shapes."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Inspector,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
    inspect,
    text,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateColumn

from config.shapes import Column as RecordColumn
from config.shapes import Shape
from store.database import Transaction, UtcDateTime
from store.models import feeds


class _RecordJson(TypeDecorator[str]):
    """The record's own text: `json` on PostgreSQL (which keeps it as written), text on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        # A JSON type that hands the text through untouched in both directions.
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else JSON(none_as_null=True))


_TYPES: dict[str, Any] = {
    "text": Text(),
    "integer": BigInteger(),
    "numeric": Numeric(asdecimal=True),
    "boolean": Boolean(),
    "timestamp": UtcDateTime(),
    "date": Date(),
}
_record_tables = MetaData()


def table_of(shape: Shape) -> Table:
    """The typed table that holds a resource, however its list is read."""
    return _table(shape.table, shape.columns)


@cache
def _table(name: str, columns: tuple[RecordColumn, ...]) -> Table:
    return Table(
        name,
        _record_tables,
        Column("organisation_id", String(36), nullable=False),
        Column("connection_id", String(36), primary_key=True),
        Column("id", String(255), primary_key=True),
        Column("modified_at", UtcDateTime),
        Column("hash", String(64), nullable=False),
        Column("archived", Boolean, nullable=False, server_default=text("false")),
        Column("gone_at", UtcDateTime),
        Column("added_at", UtcDateTime, nullable=False),
        Column("changed_at", UtcDateTime, nullable=False),
        Column("fence", BigInteger, nullable=False),
        Column("record", _RecordJson(), nullable=False),
        *[Column(column.name, _TYPES[column.kind]) for column in columns],
        Index(f"ix_{name}_organisation", "organisation_id", "modified_at"),
    )


def column_types(shape: Shape) -> dict[str, str]:
    """The columns of a resource's table, in their order, and their types as PostgreSQL names them."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return {column.name: column.type.compile(dialect).lower() for column in table_of(shape).columns}


def create_tables(tx: Transaction, shapes: Iterable[Shape]) -> list[str]:
    """Make the tables and columns that the endpoint table asks for and the database lacks.

    A new column is filled by a full read of its feeds, which is due at once. Nothing is ever dropped.
    Returns what was made.
    """
    made = []
    inspector = inspect(tx.connection)
    for shape in shapes:
        table = table_of(shape)
        if not inspector.has_table(table.name):
            table.create(tx.connection)
            made.append(table.name)
        else:
            made += _add_columns(tx, inspector, shape, table)
    return made


def missing_from(tx: Transaction, shapes: Iterable[Shape]) -> list[str]:
    """The tables, and the columns as `table.column`, that the endpoint table asks for and are not there."""
    tables = [table_of(shape) for shape in shapes]
    found = inspect(tx.connection).get_multi_columns(filter_names=[table.name for table in tables])
    there = {name: {column["name"] for column in columns} for (_, name), columns in found.items()}
    missing = []
    for table in tables:
        if table.name not in there:
            missing.append(table.name)
        else:
            names = [column.name for column in table.columns if column.name not in there[table.name]]
            missing += [f"{table.name}.{name}" for name in names]
    return missing


def _add_columns(tx: Transaction, inspector: Inspector, shape: Shape, table: Table) -> list[str]:
    known = {column["name"] for column in inspector.get_columns(table.name)}
    missing = [column for column in table.columns if column.name not in known]
    for column in missing:
        definition = CreateColumn(column).compile(dialect=tx.connection.dialect)
        tx.execute(text(f'ALTER TABLE "{table.name}" ADD COLUMN {definition}'))
    if missing:
        tx.execute(update(table).values(hash=""))
        # A full read that is under way begins anew: what it has passed lacks the column.
        refilled = update(feeds).where(feeds.c.resource == shape.resource)
        tx.execute(refilled.values(full_due_at=tx.now, full_cursor=None))
    return [f"{table.name}.{column.name}" for column in missing]

"""All that a database holds, for tests that must show that nothing was written."""

from typing import Any

from sqlalchemy import MetaData, Text, cast, select

from store.database import Database


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in an order that depends on the rows alone."""
    tables = MetaData()
    with database.reading() as tx:
        tables.reflect(tx.connection)
        return {
            table.name: sorted(
                tuple(row) for row in tx.execute(select(*[cast(column, Text) for column in table.columns]))
            )
            for table in tables.sorted_tables
        }

"""Many rows for one statement, as one text, and the time as the database reads it while it runs.

Such a statement is built once for any number of rows, and on PostgreSQL asks nothing before it: where others
wait for each way to the database, that is one instead of three. Texts hold no NUL and no half surrogates:
SQLite's JSON would not refuse them.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Interval, Subquery, Text, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from store.database import Transaction, UtcDateTime

ROWS = "rows"
CLOCK = "clock"


def table(columns: Mapping[str, TypeEngine[Any]], *, on_sqlite: bool, name: str = ROWS) -> Subquery:
    """The rows of `parameters` with this name, as a table with these columns."""
    text: ColumnElement[str] = bindparam(name, type_=Text)
    made = func.json_each(text) if on_sqlite else func.jsonb_array_elements(cast(text, JSONB))
    row = made.table_valued("value").c.value
    return select(
        *(
            cast(func.json_extract(row, f"$.{column}") if on_sqlite else row.op("->>")(column), kind).label(
                column
            )
            for column, kind in columns.items()
        )
    ).subquery(f"the_{name}")


def now(*, on_sqlite: bool) -> ColumnElement[datetime]:
    """The database's time; by `parameters`, as moved as `Transaction.now` is."""
    if on_sqlite:  # no way to save
        return bindparam(CLOCK, type_=UtcDateTime)
    moved: ColumnElement[timedelta] = bindparam(CLOCK, type_=Interval)
    return func.clock_timestamp() + moved


def parameters(tx: Transaction, rows: Iterable[Mapping[str, Any]], name: str = ROWS) -> dict[str, Any]:
    """What `table` and `now` are executed with; times of rows are aware."""
    dialect, time = tx.connection.dialect, UtcDateTime()
    text = json.dumps(list(rows), default=lambda value: str(time.process_bind_param(value, dialect)))
    return {name: text, CLOCK: tx.now if tx.is_sqlite else tx.clock_offset}

"""The engine, its transactions, and the one clock that due times and leases go by."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Dialect,
    Engine,
    ExceptionContext,
    bindparam,
    create_engine,
    event,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.expression import Executable, FromClause, Select
from sqlalchemy.types import DateTime, String, TypeDecorator

# Writers of the embedded database wait for one another this long before they give up.
BUSY_TIMEOUT = timedelta(seconds=30)
# Built once: every transaction asks.
_SQLITE_CLOCK = text("SELECT strftime('%Y-%m-%d %H:%M:%f000', 'now')")
_POSTGRESQL_CLOCK = text("SELECT clock_timestamp()")


class DatabaseUnavailableError(Exception):
    """The database cannot be reached or written; nothing was stored."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC: `timestamptz` on PostgreSQL, sortable text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Text of fixed width on SQLite, so that it compares and sorts as time does."""
        return dialect.type_descriptor(String(26) if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse naive times: a time without a zone is a guess."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        utc = value.astimezone(UTC)
        return sqlite_time(utc) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Aware, in UTC, from either database."""
        if value is None:
            return None
        if isinstance(value, str):
            return _from_sqlite(value)
        return value.astimezone(UTC)  # type: ignore[no-any-return]


def sqlite_time(value: datetime) -> str:
    """The text that SQLite holds for an aware time."""
    # Not strftime: it does not pad a year before 1000, and text must sort as time does.
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def _from_sqlite(value: str) -> datetime:
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


# The time, in a statement that is built once and executed with `{"now": tx.now}`.
NOW = bindparam("now", type_=UtcDateTime)


class Transaction:
    """One open transaction; `now` is the database's clock, read once."""

    def __init__(self, connection: Connection, clock_offset: timedelta) -> None:
        self.connection = connection
        self.clock_offset = clock_offset
        self._now: datetime | None = None

    @property
    def now(self) -> datetime:
        """The database's time at the first use in this transaction."""
        if self._now is None:
            self._now = _clock(self.connection) + self.clock_offset
        return self._now

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.connection.dialect.name == "sqlite"

    def execute(self, statement: Executable, parameters: Any = None) -> Any:
        """Run one statement."""
        return self.connection.execute(statement, parameters)

    def scope(self, organisation_id: str) -> "Scope":
        """The same transaction, able to see one organisation's rows only."""
        return Scope(self, organisation_id)


class Scope:
    """A view of one organisation: every SELECT it makes names the organisation.

    Whatever answers a person or an application goes through here; only the engine's own
    duties (due slots, leases) look across organisations.
    """

    def __init__(self, tx: Transaction, organisation_id: str) -> None:
        if not organisation_id:
            raise ValueError("a scope needs an organisation")
        self.tx = tx
        self.organisation_id = organisation_id

    def select(self, table: FromClause, *columns: Any) -> Select[Any]:
        """A SELECT from a table that belongs to organisations, already narrowed to this one."""
        return select(*(columns or (table,))).where(table.c.organisation_id == self.organisation_id)


class Database:
    """One engine per process. `transaction()` writes, `reading()` only reads."""

    def __init__(
        self, url: str, *, pool_size: int = 5, clock_offset: timedelta = timedelta(0), echo: bool = False
    ) -> None:
        self.clock_offset = clock_offset  # tests move it; time is the database's otherwise
        self.engine = _make_engine(url, pool_size=pool_size, echo=echo)
        self._closed = False
        event.listen(self.engine, "checkin", self._end_when_closed)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit at the end, roll back on an error. On SQLite the write lock is taken at once."""
        with _plain_errors(self.engine), self.engine.connect() as connection, connection.begin():
            yield Transaction(connection, self.clock_offset)

    @contextmanager
    def statement(self) -> Iterator[Transaction]:
        """For one statement, a transaction by itself: PostgreSQL is asked once instead of three times.

        On SQLite the same as `transaction()`.
        """
        if self.engine.dialect.name == "sqlite":
            with self.transaction() as tx:
                yield tx
            return
        with _plain_errors(self.engine), self.engine.connect() as fresh:
            yield Transaction(fresh.execution_options(isolation_level="AUTOCOMMIT"), self.clock_offset)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """One consistent look; takes no write lock."""
        with _plain_errors(self.engine), self.engine.connect() as fresh:
            connection = fresh.execution_options(ledgertide_reading=True)
            if self.engine.dialect.name == "postgresql":
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
                yield Transaction(connection, self.clock_offset)

    def close(self) -> None:
        """End every connection: those at rest now, those at work once they are given back."""
        self._closed = True
        self.engine.dispose()

    def _end_when_closed(self, _connection: object, record: ConnectionPoolEntry) -> None:
        if self._closed:
            record.invalidate()


# PostgreSQL's class of errors about a value, such as a text that is no number.
_DATA_EXCEPTION = "22"
# PostgreSQL: deadlock, lock not had in time, serialisation failed. Nothing is wrong; it was just crowded.
_CROWDED = frozenset({"40P01", "55P03", "40001"})
# PostgreSQL, as a replica: a transaction may not write, or may not even say that it will. psycopg counts
# these among the program's own errors.
_TAKES_NO_WRITES = (("25006", ""), ("0A000", "during recovery"))


@contextmanager
def _plain_errors(engine: Engine) -> Iterator[None]:
    """Turn "cannot reach" and "cannot write" into one sentence; the rest stays as it is."""
    try:
        yield
    except (OperationalError, DBAPIError) as error:
        state = getattr(error.orig, "sqlstate", None)
        crowded = state in _CROWDED
        takes_no_writes = any(state == code and words in str(error.orig) for code, words in _TAKES_NO_WRITES)
        away = isinstance(error, OperationalError) or error.connection_invalidated
        if not (crowded or takes_no_writes or away):
            raise
        where = engine.url.render_as_string(hide_password=True)
        reason = str(error.orig).strip().splitlines()[0] if error.orig else "no reason given"
        todo = "check that it runs, has room, and that LEDGERTIDE_DATABASE_URL is right."
        if crowded:
            todo = "others worked on the same rows; try again."
        if takes_no_writes:
            todo = "it takes no writes: make it the primary, or let LEDGERTIDE_DATABASE_URL lead there."
        raise DatabaseUnavailableError(
            f"The database {where} did not do what was asked ({reason}). Nothing was stored; {todo}"
        ) from error


def _clock(connection: Connection) -> datetime:
    if connection.dialect.name == "sqlite":
        return _from_sqlite(str(connection.scalar(_SQLITE_CLOCK)))
    now: datetime = connection.scalar(_POSTGRESQL_CLOCK)
    return now.astimezone(UTC)


def _make_engine(url: str, *, pool_size: int, echo: bool) -> Engine:
    engine = _bare_engine(url, pool_size=pool_size, echo=echo)
    event.listen(engine, "handle_error", _leave_data_out)
    return engine


def _leave_data_out(context: ExceptionContext) -> None:
    """PostgreSQL's own words quote the row that it refuses, and errors are logged: keep their first line.

    Of a value that it cannot take, even the first line quotes it.
    """
    error, wrapped = context.original_exception, context.sqlalchemy_exception
    state = getattr(error, "sqlstate", None)
    if not state:
        return
    said = str(error).partition("\n")[0]
    if state.startswith(_DATA_EXCEPTION):
        said = f"a value was refused (SQLSTATE {state})"
    error.args = (said,)
    if wrapped is not None:
        wrapped.args = (f"({type(error).__module__}.{type(error).__name__}) {said}",)


def _bare_engine(url: str, *, pool_size: int, echo: bool) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, pool_size=pool_size, max_overflow=20, echo=echo, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    return create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        echo=echo,
        hide_parameters=True,  # statements carry records and sealed tokens; errors are logged
        connect_args={
            "connect_timeout": 5,
            "application_name": "ledgertide",
            # Whoever freezes or vanishes inside a transaction must not keep its rows from everybody else.
            "options": "-c idle_in_transaction_session_timeout=30000 -c lock_timeout=10000",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30000,
        },
    )


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin_sqlite
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT.total_seconds() * 1000)}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail when another wrote between:
    # writers take the lock at the start and wait their turn.
    reading = connection.get_execution_options().get("ledgertide_reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

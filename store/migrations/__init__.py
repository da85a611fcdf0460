"""Bring a database to this version: Alembic for tables written by hand, the endpoint table for the rest."""

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from config.shapes import Shape
from store import cadences
from store.database import Database, Transaction
from store.tables import create_tables, missing_from

# Two migrations at once would trip over each other; PostgreSQL lets one wait for the other.
_MIGRATION_LOCK = 7_314_159
# So many missing tables and columns are named; the sentence stays one.
_NAMED = 5


class NotMigratedError(Exception):
    """The database is not at the version that this code needs."""


def upgrade(
    database_url: str, shapes: Collection[Shape] = (), every: Mapping[str, timedelta] | None = None
) -> list[str]:
    """Migrate; safe to run again and by several at once. Returns the record tables, columns and feeds made.

    ``every``: how often each resource is read; organisations that are connected get the feeds they lack.

    Raises NotMigratedError for a database of a later version: there is no way back that keeps its data.
    """
    database = Database(database_url, pool_size=1)
    try:
        with database.transaction() as tx:
            if not tx.is_sqlite:
                tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            config = _config()
            _require_known(_version_of(tx), ScriptDirectory.from_config(config))
            config.attributes["connection"] = tx.connection
            command.upgrade(config, "head")
            off = {shape.resource for shape in shapes if shape.off}
            return create_tables(tx, shapes) + cadences.bring_up(tx, every or {}, off)
    finally:
        database.close()


def check(database: Database, shapes: Iterable[Shape] = ()) -> None:
    """Raise NotMigratedError, with what to do, unless the database has all that this code needs."""
    with database.reading() as tx:
        current = _version_of(tx)
        missing = missing_from(tx, shapes)
    scripts = ScriptDirectory.from_config(_config())
    _require_known(current, scripts)
    wanted = scripts.get_current_head()
    if current != wanted:
        raise NotMigratedError(
            f"The database is at version {current or 'none'}, this program needs {wanted}. "
            "Run `ledgertide migrate` and start again."
        )
    if missing:
        named = ", ".join(missing[:_NAMED]) + (" and more" if len(missing) > _NAMED else "")
        raise NotMigratedError(f"The database lacks {named}. Run `ledgertide migrate` and start again.")


def _version_of(tx: Transaction) -> str | None:
    return MigrationContext.configure(tx.connection).get_current_revision()


def _require_known(version: str | None, scripts: ScriptDirectory) -> None:
    if version and version not in {script.revision for script in scripts.walk_revisions()}:
        raise NotMigratedError(
            f"The database is at version {version}, which this program does not know: "
            "a later program migrated it. Start that one, or use another database."
        )


def _config() -> Config:
    config = Config()
    # The option is read as a template, in which a path's own % would begin a name.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config

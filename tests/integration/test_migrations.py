"""A database is brought to this version from whatever it was, and says so when it was not."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text, update

from config.shapes import Shape
from ledgertide.migrate import migrate
from store import migrations
from store.database import Database
from store.models import feeds, metadata
from store.tables import table_of
from sync.services import SHAPES
from tests.integration.engine import CADENCES, Engine
from tests.integration.snapshots import everything

TABLES = {table_of(shape).name for shape in SHAPES.values()}


def test_an_empty_database_gets_every_table(empty_database_url: str) -> None:
    made = migrations.upgrade(empty_database_url, SHAPES.values())

    assert set(made) == TABLES
    assert tables_of(empty_database_url) == TABLES | set(metadata.tables) | {"alembic_version"}
    assert current(empty_database_url)


def test_migrating_twice_is_the_same_as_once(empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url, SHAPES.values())
    before = columns_of(empty_database_url)

    assert migrations.upgrade(empty_database_url, SHAPES.values()) == []

    assert columns_of(empty_database_url) == before


def test_two_that_migrate_at_once_do_not_trip_over_each_other(empty_database_url: str) -> None:
    with ThreadPoolExecutor(3) as threads:
        migrating = [
            threads.submit(migrations.upgrade, empty_database_url, SHAPES.values()) for _ in range(3)
        ]
        made = [one.result() for one in migrating]

    # One made them all, the others found nothing left to do.
    assert sorted(map(len, made)) == [0, 0, len(TABLES)]
    assert current(empty_database_url)


def test_the_tables_in_code_and_the_migrations_agree(empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url)

    database = Database(empty_database_url)
    with database.reading() as tx:
        context = MigrationContext.configure(
            tx.connection, opts={"compare_type": True, "compare_server_default": _differs}
        )
        differences = compare_metadata(context, metadata)
    database.close()

    assert differences == []


def test_the_one_open_run_index_is_partial_and_unique_in_the_database(empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url)

    database = Database(empty_database_url)
    with database.reading() as tx:
        kind = (
            "SELECT sql FROM sqlite_master WHERE name = 'uq_runs_open_feed'"
            if tx.is_sqlite
            else "SELECT indexdef FROM pg_indexes WHERE indexname = 'uq_runs_open_feed'"
        )
        definition = str(tx.execute(text(kind)).scalar_one()).upper()
    database.close()

    assert "UNIQUE" in definition
    assert "ENDED_AT IS NULL" in definition


def test_going_back_leaves_nothing_and_forward_again_everything(empty_database_url: str) -> None:
    from alembic import command  # noqa: PLC0415

    migrations.upgrade(empty_database_url)
    database = Database(empty_database_url)
    with database.transaction() as tx:
        config = migrations._config()
        config.attributes["connection"] = tx.connection
        command.downgrade(config, "base")
    database.close()
    assert tables_of(empty_database_url) == {"alembic_version"}

    migrations.upgrade(empty_database_url, SHAPES.values())

    assert tables_of(empty_database_url) == TABLES | set(metadata.tables) | {"alembic_version"}


def test_a_database_that_was_not_migrated_is_refused_with_what_to_do(empty_database_url: str) -> None:
    database = Database(empty_database_url)

    with pytest.raises(migrations.NotMigratedError) as refused:
        migrations.check(database)

    assert "at version none" in str(refused.value)
    assert "Run `ledgertide migrate`" in str(refused.value)
    database.close()


def test_a_database_of_a_later_program_is_refused_and_left_alone(database_url: str) -> None:
    database = Database(database_url)
    with database.transaction() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = everything(database)

    for act in (lambda: migrations.check(database), lambda: migrations.upgrade(database_url)):
        with pytest.raises(migrations.NotMigratedError, match=r"version 9999.*a later program"):
            act()

    assert everything(database) == before
    database.close()


def test_a_migrated_database_passes_and_checking_writes_nothing(database_url: str) -> None:
    database = Database(database_url)
    before = everything(database)

    migrations.check(database)

    assert everything(database) == before
    database.close()


def test_a_new_resource_gets_its_table_in_a_database_that_is_in_use(database_url: str) -> None:
    shape = Shape("xero.gadgets", "xero_gadgets", (), timed=False, whole=True, reference=True)

    assert migrations.upgrade(database_url, [*SHAPES.values(), shape]) == ["xero_gadgets"]

    assert "xero_gadgets" in tables_of(database_url)


def test_a_table_or_a_column_that_is_missing_is_refused_with_what_to_do(database_url: str) -> None:
    database = Database(database_url)
    contacts, quotes = SHAPES["xero.contacts"], SHAPES["xero.quotes"]
    with database.transaction() as tx:
        tx.execute(text(f"DROP TABLE {quotes.table}"))
        tx.execute(text(f"ALTER TABLE {contacts.table} DROP COLUMN {contacts.columns[0].name}"))

    with pytest.raises(migrations.NotMigratedError) as refused:
        migrations.check(database, SHAPES.values())
    said = str(refused.value)
    migrations.upgrade(database_url, SHAPES.values())
    migrations.check(database, SHAPES.values())
    database.close()

    assert (
        f"lacks {contacts.table}.{contacts.columns[0].name}, {quotes.table}. Run `ledgertide migrate`" in said
    )


def test_who_is_connected_already_gets_new_feeds_and_new_cadences(whole_engine: Engine) -> None:
    slugs = whole_engine.connect(resources=["xero.contacts", "xero.invoices"])
    url = whole_engine.services.settings.database_url.get_secret_value()
    whole_engine.settle()
    before = {slug: whole_engine.feed(slug, "xero.invoices") for slug in slugs}
    with whole_engine.services.database.transaction() as tx:
        week = int(timedelta(days=7).total_seconds())
        tx.execute(
            update(feeds)
            .where(feeds.c.resource == "xero.contacts")
            .values(cadence_seconds=week, phase_seconds=0, due_at=tx.now + timedelta(days=7))
        )

    made = [migrate(url, {}), migrate(url, {})]

    with whole_engine.services.database.reading() as tx:
        now = tx.now
    assert "feeds of xero.quotes (2)" in made[0]
    assert made[1] == []
    for slug in slugs:
        assert {line.resource for line in whole_engine.lines(slug)} == {
            name for name in CADENCES if name.startswith("xero.")
        }
        contacts = whole_engine.feed(slug, "xero.contacts")
        cadence = CADENCES["xero.contacts"]
        assert contacts.cadence_seconds == cadence.total_seconds()
        assert now < contacts.due_at <= now + cadence
        assert whole_engine.feed(slug, "xero.invoices") == before[slug]
    whole_engine.settle()
    assert all(whole_engine.stored(slug, "xero.quotes") for slug in slugs)


# --- what the tests above say in their own words ------------------------------------------------------


def _differs(
    _context: Any, _inspected: Any, column: Any, inspected_default: str | None, _default: Any, rendered: Any
) -> bool | None:
    """Whether two defaults differ, whatever brackets, quotes and casts a database writes around them."""

    def plain(default: Any) -> str | None:
        if default is None:
            return None
        return str(default).split("::")[0].strip("()'\"").replace("'", "").lower()

    return plain(inspected_default) != plain(rendered)


def tables_of(database_url: str) -> set[str]:
    return set(columns_of(database_url))


def columns_of(database_url: str) -> dict[str, list[str]]:
    """Table → its columns, in their order."""
    database = Database(database_url)
    with database.reading() as tx:
        inspector = inspect(tx.connection)
        found = {
            table: [f"{column['name']} {column['type']!r}" for column in inspector.get_columns(table)]
            for table in inspector.get_table_names()
        }
    database.close()
    return found


def current(database_url: str) -> bool:
    """The check lets the program start."""
    database = Database(database_url)
    migrations.check(database)
    database.close()
    return True

"""P13: what a database refuses is told in a log and in a task's result, and its content in neither."""

import io
import logging
import traceback
from collections.abc import Iterator

import pytest
import structlog
from celery import Celery
from cryptography.fernet import Fernet
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from config.logging import configure
from store.database import DatabaseUnavailableError
from tests.integration.engine import KEYS, Engine
from tests.integration.test_grants import grant_id_of, opened, row_of
from tests.integration.workers import WORKER_MARK, app_of

pytestmark = WORKER_MARK

PLANTED = "words of a record"
REFUSE = {
    "sqlite": "CREATE TRIGGER refuse_{table} BEFORE {act} ON {table} "
    "BEGIN SELECT RAISE(ABORT, 'refused'); END",
    "postgresql": "ALTER TABLE {table} ADD CONSTRAINT refuse_{table} CHECK ({column} < 0) NOT VALID",
}


@pytest.fixture
def app(whole_engine: Engine) -> Iterator[Celery]:
    with app_of(whole_engine) as made:
        yield made


@pytest.fixture
def told() -> Iterator[io.StringIO]:
    """What our processes would write to their log."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure("DEBUG", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def refuse(engine: Engine, kind: str, table: str, act: str, column: str) -> None:
    """From now on the database itself refuses what is written to a table."""
    with engine.services.database.transaction() as tx:
        tx.execute(text(REFUSE[kind].format(table=table, act=act, column=column)))


def test_a_record_that_the_database_refuses_is_in_no_log_and_in_no_result(
    whole_engine: Engine, app: Celery, told: io.StringIO, database_kind: str
) -> None:
    one, other = whole_engine.connect(resources=["xero.contacts"])
    refuse(whole_engine, database_kind, "xero_contacts", "INSERT", "fence")

    for slug in (one, other):
        message = whole_engine.press(slug, "xero.contacts").messages[0]
        result = app.tasks["sync.slice"].apply((message.run_id, message.slice))
        told.write(f"{result.result!r} {result.traceback} {whole_engine.line(slug, 'xero.contacts')!r}")

    contacts = [
        contact
        for slug in (one, other)
        for contact in whole_engine.at_provider(slug, "xero.contacts").values()
    ]
    content = [contact[field] for contact in contacts for field in ("ContactID", "Name")]
    assert "refuse" in told.getvalue()
    assert [found for found in content if found in told.getvalue()] == []


def test_a_grant_that_the_database_refuses_is_in_no_log_and_in_no_result(
    whole_engine: Engine, app: Celery, told: io.StringIO, database_kind: str
) -> None:
    one, _, other = whole_engine.connect(resources=["xero.contacts"], organisations_wanted=3)
    refuse(whole_engine, database_kind, "grants", "UPDATE", "version")
    sealed = [row_of(whole_engine, grant_id_of(whole_engine, slug)).sealed_pair for slug in (one, other)]

    with opened(whole_engine.services, secret_keys=f"{Fernet.generate_key().decode()},{KEYS}") as rotated:
        app.services = rotated
        result = app.tasks["upkeep.grants"].apply()
    app.services = whole_engine.services
    told.write(f"{result.result!r} {result.traceback}")

    assert isinstance(result.result, DBAPIError)
    assert "refuse" in told.getvalue()
    # Whatever Fernet sealed begins like this, the pair sealed anew as well.
    assert [found for found in [*sealed, "gAAAA"] if found in told.getvalue()] == []


def test_a_value_that_the_database_cannot_read_is_not_quoted(whole_engine: Engine) -> None:
    database = whole_engine.services.database
    on_sqlite = database.engine.dialect.name == "sqlite"
    unreadable = "SELECT json(:value)" if on_sqlite else "SELECT CAST(CAST(:value AS text) AS integer)"

    with pytest.raises((DBAPIError, DatabaseUnavailableError)) as refused, database.transaction() as tx:
        tx.execute(text(unreadable), {"value": PLANTED})

    assert PLANTED not in "".join(traceback.format_exception(refused.value)) + repr(refused.value)

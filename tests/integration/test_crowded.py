"""Whoever freezes, takes long, or works on the same rows stands in nobody's way."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select, text

from store import dispatch, feeds, grants, organisations, presses, runs
from store.database import Database, Transaction
from store.models import connections
from tests.integration.workers import wait_until
from tests.integration.worlds import VAULT, connect_organisation
from tests.services.migrated import migrated
from tests.services.postgres import PostgresServer

HOUR = timedelta(hours=1)
SEVEN = {f"xero.list_{number}": HOUR for number in range(7)}


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[Database]:
    """A migrated PostgreSQL: rows are locked one by one only there."""
    with migrated(postgres_server) as url, closing(Database(url)) as database:
        yield database


@contextmanager
def held_open(database: Database) -> Iterator[Transaction]:
    """A transaction that stays open in the middle, as a frozen worker's does."""
    with database.transaction() as tx:
        yield tx


def test_long_reads_leave_a_place_to_feeds_that_are_due(database_url: str) -> None:
    with closing(Database(database_url)) as database:
        feed_ids = connect_organisation(database, "acme", SEVEN)
        connect_organisation(database, "globex", {})
        with database.transaction() as tx:
            opened = [runs.open_due(tx, feed_id, full=True) for feed_id in feed_ids[:4]]
            claims = [runs.claim(tx, message.run_id, message.slice) for message in opened if message]
            assert feeds.due(tx, 100) == []  # all four places are taken, three feeds wait

        with database.transaction() as tx:
            long = claims[0]
            assert long
            runs.renew(tx, long, runs.Tally(pages=1))
            rest = runs.release(tx, long)
        with database.transaction() as tx:
            resent = dispatch.unpublished(tx, "sync", 100)
            due = feeds.due(tx, 100)

        assert rest is None
        assert resent == []
        assert [feed.id in feed_ids[4:] for feed in due] == [True]


def test_a_worker_frozen_inside_its_claim_keeps_beat_from_nobody_else(postgres: Database) -> None:
    frozen_feed = connect_organisation(postgres, "acme", {"xero.contacts": HOUR})[0]
    other_feed = connect_organisation(postgres, "globex", {"xero.contacts": HOUR})[0]
    with postgres.transaction() as tx:
        frozen, other = runs.open_due(tx, frozen_feed, full=True), runs.open_due(tx, other_feed, full=True)
        assert frozen
        assert other
    with held_open(postgres) as freezing:
        assert runs.claim(freezing, frozen.run_id, frozen.slice)

        # If it had to wait for the frozen one, the server's lock timeout would refuse it.
        sent = _resend_all(postgres)

        assert [message.run_id for message in sent] == [other.run_id]


def _resend_all(database: Database) -> list[runs.Message]:
    with database.transaction() as tx:
        dispatch.forget_messages(tx)
        return dispatch.unpublished(tx, "sync", 100)


def test_a_server_ends_a_transaction_that_stands_still(postgres: Database) -> None:
    with postgres.reading() as tx:
        idle = tx.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one()
        lock = tx.execute(text("SHOW lock_timeout")).scalar_one()

    assert (idle, lock) == ("30s", "10s")


def test_a_reconnect_waits_for_a_press_without_holding_what_the_press_needs(postgres: Database) -> None:
    feed_id = connect_organisation(postgres, "acme", {"xero.contacts": HOUR})[0]
    connect_organisation(postgres, "globex", {"xero.contacts": HOUR})
    with postgres.transaction() as tx:
        link = tx.execute(select(connections)).first()
        assert link
        message = presses.press(tx, feed_id, by="somebody").messages[0]
        claim = runs.claim(tx, message.run_id, message.slice)
        assert claim
        runs.snooze(tx, claim, wait=None, reason="grant expired")
    done = threading.Event()

    with ThreadPoolExecutor(1) as pool:
        with postgres.transaction() as pressing:
            presses.press(pressing, feed_id, by="somebody else")
            reconnecting = pool.submit(_reconnect, postgres, link.tenant_id, done)
            _wait_until_somebody_waits_for_a_lock(postgres)
            # Not even the connection's row is taken while the run's is waited for.
            pressing.execute(
                select(connections).where(connections.c.id == link.id).with_for_update(nowait=True)
            )
        reconnecting.result()

    assert done.is_set()


def _reconnect(database: Database, tenant_id: str, done: threading.Event) -> None:
    with database.transaction() as tx:
        grant_id = grants.add(
            tx,
            VAULT,
            provider="xero",
            access_token=SecretStr("another access token"),
            refresh_token=SecretStr("another refresh token"),
            expires_in=timedelta(minutes=30),
        )
        organisations.connect(
            tx,
            provider="xero",
            name="acme",
            tenant_id=tenant_id,
            grant_id=grant_id,
            cadences={"xero.contacts": HOUR},
            actor="test",
        )
    done.set()


def _wait_until_somebody_waits_for_a_lock(database: Database) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")

    def somebody_waits() -> bool:
        with database.reading() as tx:
            return bool(tx.execute(waiting).scalar_one())

    wait_until(somebody_waits, "somebody waits for a lock")

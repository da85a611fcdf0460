"""P8: newer wins, and whoever lost a run writes nothing: fences, leases, slice numbers, the version rule."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from sqlalchemy import func, select, update

from connectors.pages import Record
from sandbox.testing import Sandbox
from store import dispatch, presses, records, runs
from store.database import Database
from store.models import feeds as feed_rows
from store.models import presses as press_rows
from store.models import runs as run_rows
from store.runs import LeaseLostError, Message
from store.tables import table_of
from sync.run import run_slice
from sync.services import SHAPES, Pace
from tests.integration.engine import PATIENT, ROOMY, Engine, engine
from tests.integration.snapshots import everything
from tests.integration.worlds import connect_organisation

CONTACTS = "xero.contacts"
HOUR = timedelta(hours=1)
T = TypeVar("T")


@pytest.fixture
def halting_engine(sandbox: Sandbox, database_url: str, redis_url: str) -> Iterator[Engine]:
    """Each slice is used up after its first page."""
    with engine(sandbox, database_url, redis_url, pace=Pace(slice=timedelta(0)), limits=ROOMY) as made:
        yield made


# --- fence and lease ----------------------------------------------------------------------------------


def test_a_stopped_worker_that_wakes_after_its_successor_ended_writes_nothing(whole_engine: Engine) -> None:
    slug, other = whole_engine.connect(resources=[CONTACTS])
    whole_engine.settle()
    stopped = take(whole_engine, slug)
    whole_engine.pass_time(runs.LEASE + timedelta(seconds=1))
    whole_engine.settle()
    # Even what is newer than all that is stored is not for it to write.
    whole_engine.sandbox.edit(whole_engine.tenants[slug], CONTACTS, "edit", count=5)
    before = everything(whole_engine.services.database)

    with pytest.raises(LeaseLostError):
        run_slice(whole_engine.services, stopped)

    assert everything(whole_engine.services.database) == before
    assert whole_engine.runs(slug, CONTACTS)[-1].state == "done"
    assert len(whole_engine.runs(other, CONTACTS)) == 1


def test_a_stopped_worker_that_wakes_while_its_successor_works_writes_nothing(whole_engine: Engine) -> None:
    slug, _ = whole_engine.connect(resources=[CONTACTS])
    stopped = take(whole_engine, slug)
    whole_engine.pass_time(runs.LEASE + timedelta(seconds=1))
    successor = next(claim for message in whole_engine.tick() if (claim := whole_engine.claim(message)))
    assert successor.run_id == stopped.run_id
    before = everything(whole_engine.services.database)

    with pytest.raises(LeaseLostError):
        run_slice(whole_engine.services, stopped)

    assert everything(whole_engine.services.database) == before
    assert run_slice(whole_engine.services, successor).state == "done"
    assert whole_engine.parsed(slug, CONTACTS) == whole_engine.at_provider(slug, CONTACTS)


@pytest.mark.parametrize("act", ["release", "snooze", "end", "yield_", "count"])
def test_a_lost_run_can_be_neither_ended_nor_put_off_by_who_lost_it(database_url: str, act: str) -> None:
    database, feed_id, _ = small_world(database_url)
    with database.transaction() as tx:
        message = presses.press(tx, feed_id, by="somebody").messages[0]
        lost = runs.claim(tx, message.run_id, message.slice)
    database.clock_offset += runs.LEASE + timedelta(seconds=1)
    with database.transaction() as tx:
        dispatch.recover(tx)
        held = runs.claim(tx, message.run_id, message.slice + 1)
    assert lost
    assert held
    before = everything(database)

    ends: dict[str, Callable[[Any], object]] = {
        "release": lambda tx: runs.release(tx, lost),
        "snooze": lambda tx: runs.snooze(tx, lost, wait=HOUR, reason="back-off"),
        "end": lambda tx: runs.end(tx, lost),
        "yield_": lambda tx: runs.yield_(tx, lost),
        "count": lambda tx: (runs.renew(tx, lost), runs.count(tx, lost, {"seen": 1})),
    }
    with pytest.raises(LeaseLostError), database.transaction() as tx:
        ends[act](tx)

    assert everything(database) == before
    database.close()


def test_a_lease_renewed_before_each_attempt_keeps_a_slow_slice_alive(
    start_sandbox: Callable[..., Sandbox], database_url: str, redis_url: str
) -> None:
    # Three attempts of 2.5 s each: without being renewed the lease of 6.5 s would be over during the last
    # one. Being renewed, it leaves each attempt 4 s to stall in.
    slow = start_sandbox(organisations=2, seed=11, latency_ms=2500)
    pace = replace(PATIENT, lease=timedelta(seconds=6.5))
    with engine(slow, database_url, redis_url, pace=pace, limits=ROOMY) as made:
        slug, _ = made.connect(resources=[CONTACTS])
        slow.faults("status", status=503, endpoint="Contacts", count=2)
        claim = take(made, slug)

        with ThreadPoolExecutor(1) as worker:
            slice_ = worker.submit(run_slice, made.services, claim)
            given_away = []
            while not slice_.done():
                given_away += [message for message in made.tick() if message.run_id == claim.run_id]
                threading.Event().wait(0.05)

        assert given_away == []
        assert slice_.result().state == "done"
        run = made.runs(slug, CONTACTS)[0]
        assert (run.slice, run.calls) == (1, 3)
        assert made.parsed(slug, CONTACTS) == made.at_provider(slug, CONTACTS)


# --- slice numbers and the one open run ---------------------------------------------------------------


def test_an_old_a_repeated_or_a_forged_message_claims_nothing(halting_engine: Engine) -> None:
    slug, _ = halting_engine.connect(resources=[CONTACTS])
    halting_engine.pages_of(CONTACTS, 100)
    first = next(
        one for one in halting_engine.tick() if one.feed_id == halting_engine.feed_id(slug, CONTACTS)
    )
    claim = halting_engine.claim(first)
    assert claim
    (second,) = run_slice(halting_engine.services, claim).messages
    before = everything(halting_engine.services.database)

    refused = [
        halting_engine.claim(message)
        for message in (
            first,
            replace(second, slice=second.slice + 1),
            replace(second, slice=0),
            Message("no such run", 1, "sync", "no such feed"),
        )
    ]

    assert refused == [None] * 4
    assert everything(halting_engine.services.database) == before
    taken = halting_engine.claim(second)
    assert taken
    before = everything(halting_engine.services.database)
    assert halting_engine.claim(second) is None
    assert everything(halting_engine.services.database) == before
    assert run_slice(halting_engine.services, taken).state == "done"
    assert halting_engine.claim(second) is None


def test_two_who_open_a_run_at_the_same_moment_open_one(database_url: str) -> None:
    database, feed_id, other_feed_id = small_world(database_url)

    for _ in range(10):
        opened = at_once(
            lambda: in_transaction(database, lambda tx: runs.open_due(tx, feed_id, full=False)), times=4
        )
        assert len([message for message in opened if message]) == 1
        assert open_runs(database, feed_id) == 1
        with database.transaction() as tx:
            tx.execute(update(run_rows).values(state="done", ended_at=tx.now))

    with database.transaction() as tx:
        assert runs.open_due(tx, feed_id, full=False)
        assert runs.open_due(tx, other_feed_id, full=False)
    database.close()


def test_presses_of_one_moment_share_a_run_and_one_key_gives_one_receipt(database_url: str) -> None:
    database, feed_id, other_feed_id = small_world(database_url)

    def press(key: str | None) -> presses.Press:
        return in_transaction(database, lambda tx: presses.press(tx, feed_id, by="test", idempotency_key=key))

    keyed = at_once(lambda: press("the same button"), times=4)
    free = at_once(lambda: press(None), times=4)

    assert len({receipt.id for receipt in keyed}) == 1
    assert {receipt.generation for receipt in keyed} == {1}
    assert sorted(receipt.generation for receipt in free) == [2, 3, 4, 5]
    assert open_runs(database, feed_id) == 1
    with database.reading() as tx:
        asked = dict(tx.execute(select(feed_rows.c.id, feed_rows.c.asked)).all())
        assert asked == {feed_id: 5, other_feed_id: 0}
        assert tx.execute(select(func.count()).select_from(press_rows)).scalar_one() == 5
    database.close()


# --- the version rule ---------------------------------------------------------------------------------

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(milliseconds=1)
EARLIER = NOON - timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("stored_gone", "modified_at", "content", "becomes"),
    [
        (False, EARLIER, "other", None),
        (False, EARLIER, "same", None),
        (False, NOON, "same", None),
        (False, NOON, "other", "changed"),
        (False, LATER, "other", "changed"),
        (False, LATER, "same", "changed"),
        (True, NOON, "same", "restored"),
        (True, EARLIER, "other", "restored"),
        (True, LATER, "other", "restored"),
    ],
)
def test_a_timed_record_is_written_when_newer_or_as_old_and_different_or_gone(
    database_url: str, stored_gone: bool, modified_at: datetime, content: str, becomes: str | None
) -> None:
    database, feed_id, other_feed_id = small_world(database_url)
    for feed in (feed_id, other_feed_id):
        store(database, feed, CONTACTS, [record("1", NOON, "same")])
    if stored_gone:
        mark_gone(database, feed_id, CONTACTS, ["1"])

    incoming = record("1", modified_at, content)
    changes = store(database, feed_id, CONTACTS, [incoming])

    assert changes.ids == ({becomes: ["1"]} if becomes else {})
    assert changes.counts()["unchanged"] == (0 if becomes else 1)
    expected = incoming if becomes else record("1", NOON, "same")
    assert row_of(database, feed_id, CONTACTS, "1") == (expected.modified_at, expected.raw, None)
    assert row_of(database, other_feed_id, CONTACTS, "1") == (NOON, record("1", NOON, "same").raw, None)
    database.close()


@pytest.mark.parametrize(
    ("stored_gone", "fence", "content", "becomes"),
    [
        (False, 4, "other", None),
        (False, 4, "same", None),
        (False, 5, "same", None),
        (False, 5, "other", "changed"),
        (False, 6, "other", "changed"),
        (False, 6, "same", None),
        (True, 6, "same", "restored"),
    ],
)
def test_an_untimed_record_is_written_when_different_by_the_order_of_its_reads(
    database_url: str, stored_gone: bool, fence: int, content: str, becomes: str | None
) -> None:
    database, feed_id, other_feed_id = small_world(database_url, "xero.tax_rates")
    for feed in (feed_id, other_feed_id):
        store(database, feed, "xero.tax_rates", [record("1", None, "same")], fence=5)
    if stored_gone:
        mark_gone(database, feed_id, "xero.tax_rates", ["1"])

    changes = store(database, feed_id, "xero.tax_rates", [record("1", None, content)], fence=fence)

    assert changes.ids == ({becomes: ["1"]} if becomes else {})
    expected = record("1", None, content if becomes else "same").raw
    assert row_of(database, feed_id, "xero.tax_rates", "1") == (None, expected, None)
    assert row_of(database, other_feed_id, "xero.tax_rates", "1")[1] == record("1", None, "same").raw
    database.close()


def test_an_older_page_stored_later_changes_nothing(database_url: str) -> None:
    database, feed_id, other_feed_id = small_world(database_url)
    ids = [str(number) for number in range(40)]
    older = [record(key, NOON, f"old {key}") for key in ids]
    newer = [record(key, NOON + timedelta(seconds=int(key) + 1), f"new {key}") for key in ids]
    store(database, feed_id, CONTACTS, newer)
    store(database, other_feed_id, CONTACTS, older)
    before = everything(database)

    changes = store(database, feed_id, CONTACTS, older, fence=99)

    assert changes.ids == {}
    assert everything(database) == before
    database.close()


def test_a_page_twice_is_the_same_as_once(database_url: str) -> None:
    database, feed_id, _ = small_world(database_url)
    page = [record(str(number), NOON, "content", archived=number == 3) for number in range(9)]

    first = store(database, feed_id, CONTACTS, page)
    before = everything(database)
    second = store(database, feed_id, CONTACTS, page)

    assert (len(first.ids["added"]), second.ids) == (9, {})
    assert everything(database) == before
    database.close()


# --- what the tests above say in their own words ------------------------------------------------------


def take(made: Engine, slug: str) -> runs.Claim:
    """Press and claim, as a worker does before it reads."""
    claim = made.claim(made.press(slug, CONTACTS).messages[0])
    assert claim
    return claim


def small_world(database_url: str, resource: str = CONTACTS) -> tuple[Database, str, str]:
    """A database with two organisations; their feeds of one resource."""
    database = Database(database_url)
    one, other = (connect_organisation(database, name, {resource: HOUR})[0] for name in ("acme", "globex"))
    return database, one, other


def record(key: str, modified_at: datetime | None, content: str, *, archived: bool = False) -> Record:
    """A record whose content is told by one word."""
    raw = json.dumps({"ContactID": key, "Name": content})
    return Record(key, modified_at, archived, raw, hash=content, columns={"name": content})


def store(
    database: Database, feed_id: str, resource: str, page: list[Record], *, fence: int = 1
) -> records.Changes:
    with database.transaction() as tx:
        feed = tx.execute(select(feed_rows).where(feed_rows.c.id == feed_id)).one()
        return records.upsert(
            tx,
            SHAPES[resource],
            page,
            organisation_id=feed.organisation_id,
            connection_id=feed.connection_id,
            fence=fence,
        )


def mark_gone(database: Database, feed_id: str, resource: str, ids: list[str]) -> None:
    with database.transaction() as tx:
        feed = tx.execute(select(feed_rows).where(feed_rows.c.id == feed_id)).one()
        assert records.mark_gone(tx, SHAPES[resource], feed.connection_id, ids) == ids


def row_of(database: Database, feed_id: str, resource: str, key: str) -> tuple[Any, ...]:
    """Modified time, JSON text, and when it was gone."""
    table = table_of(SHAPES[resource])
    with database.reading() as tx:
        feed = tx.execute(select(feed_rows).where(feed_rows.c.id == feed_id)).one()
        ours = (table.c.connection_id == feed.connection_id, table.c.id == key)
        text = dict(records.read(tx.scope(feed.organisation_id), SHAPES[resource]))[key]
        row = tx.execute(select(table.c.modified_at, table.c.gone_at).where(*ours)).one()
        return row.modified_at, text, row.gone_at


def open_runs(database: Database, feed_id: str) -> int:
    with database.reading() as tx:
        count = select(func.count()).where(run_rows.c.feed_id == feed_id, run_rows.c.ended_at.is_(None))
        return int(tx.execute(count).scalar_one())


def in_transaction(database: Database, act: Callable[[Any], T]) -> T:
    with database.transaction() as tx:
        return act(tx)


def at_once(act: Callable[[], T], *, times: int) -> list[T]:
    """Do it in several threads that all begin at the same moment."""
    gate = threading.Barrier(times)

    def wait_and_act() -> T:
        gate.wait(10)
        return act()

    with ThreadPoolExecutor(times) as threads:
        return [done.result() for done in [threads.submit(wait_and_act) for _ in range(times)]]

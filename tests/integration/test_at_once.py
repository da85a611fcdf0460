"""Presses, beats, workers and people at the same rows at once: nobody waits for ever, nothing is lost."""

import queue
import random
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import event, select

from connectors.pages import Record
from store import dispatch, events, feeds, organisations, presses, records, runs, vanished
from store.database import Database, Transaction
from store.models import connections
from store.models import events as event_rows
from store.models import feeds as feed_rows
from store.runs import LeaseLostError, Message
from sync.run import run_slice
from sync.services import SHAPES
from tests.integration.engine import Engine
from tests.integration.worlds import connect_organisation

RESOURCES = ["xero.contacts"]
TIMES = 60


@dataclass
class Crowd:
    """Two organisations' feeds, one belt, and everybody who works on them."""

    database: Database
    feed_ids: list[str]
    belt: "queue.SimpleQueue[Message]" = field(default_factory=queue.SimpleQueue)
    pressed: list[str] = field(default_factory=list)

    def press(self, lot: random.Random) -> None:
        feed_id = lot.choice(self.feed_ids)
        with self.database.transaction() as tx:
            press = presses.press(tx, feed_id, by="somebody", full=lot.random() < 0.2)
        self.pressed.append(press.id)
        self.send(press.messages)

    def beat(self, _lot: random.Random) -> None:
        with self.database.transaction() as tx:
            dispatch.recover(tx)
            found = dispatch.unpublished(tx, "now", 50) + dispatch.unpublished(tx, "sync", 50)
            opened = [runs.open_due(tx, feed.id, full=feed.full) for feed in feeds.due(tx, 50)]
        self.send([*found, *(message for message in opened if message)])

    def work(self, lot: random.Random) -> None:
        try:
            message = self.belt.get_nowait()
        except queue.Empty:
            return
        with self.database.transaction() as tx:
            claim = runs.claim(tx, message.run_id, message.slice)
        if claim is None:
            return
        try:
            with self.database.transaction() as tx:
                self.send(self.store_a_page(tx, claim, lot))
        except LeaseLostError:
            return

    def store_a_page(self, tx: Transaction, claim: runs.Claim, lot: random.Random) -> list[Message]:
        """One slice in the order of a real one: run, records, feed, organisation."""
        runs.renew(tx, claim, runs.Tally(pages=1, calls=1))
        now = datetime.now(UTC)
        ids = lot.sample([str(number) for number in range(30)], 12)
        page = [Record(key, now, False, "{}", hash=str(lot.random()), columns={}) for key in sorted(ids)]
        shape = SHAPES[claim.resource]
        changes = records.upsert(
            tx,
            shape,
            page,
            organisation_id=claim.organisation_id,
            connection_id=claim.connection_id,
            fence=claim.fence,
        )
        vanished.saw(tx, claim.feed_id, ids)
        feeds.advance(tx, claim.feed_id, full=claim.full, cursor=None, newest_at=now)
        outcome = lot.choice(["end", "release", "snooze", "yield"])
        follow: Message | None = None
        if outcome == "end":
            feeds.plan_comparison(tx, claim.feed_id, whole=False, proven=True)
            follow = runs.end(tx, claim).follow_up
        elif outcome == "release":
            follow = runs.release(tx, claim)
        elif outcome == "snooze":
            runs.snooze(tx, claim, wait=timedelta(0), reason="back-off")
        else:
            follow = runs.yield_(tx, claim).follow_up
        events.append(
            tx,
            organisation_id=claim.organisation_id,
            feed_id=claim.feed_id,
            resource=claim.resource,
            run_id=claim.run_id,
            changes=changes.ids,
        )
        return [follow] if follow else []

    def reconnect(self, _lot: random.Random) -> None:
        with self.database.transaction() as tx:
            for link in organisations.every_link(tx):
                tx.execute(connections.update().where(connections.c.id == link.id).values(state_since=tx.now))
                dispatch.wake_connection(tx, link.id)

    def send(self, messages: "tuple[Message, ...] | list[Message]") -> None:
        for message in messages:
            self.belt.put(message)


def test_everybody_at_once_neither_waits_for_ever_nor_loses_a_press(database_url: str) -> None:
    database = Database(database_url, pool_size=8)
    cadences = dict.fromkeys(RESOURCES, timedelta(hours=1))
    crowd = Crowd(
        database,
        [
            feed_id
            for name in ("acme", "globex")
            for feed_id in connect_organisation(database, name, cadences)
        ],
    )
    acts: list[Callable[[random.Random], None]] = [
        crowd.press,
        crowd.press,
        crowd.beat,
        crowd.work,
        crowd.work,
        crowd.work,
        crowd.reconnect,
    ]

    def keep_doing(number: int) -> None:
        lot = random.Random(number)
        gate.wait(10)
        for _ in range(TIMES):
            acts[number](lot)

    gate = threading.Barrier(len(acts))
    with ThreadPoolExecutor(len(acts)) as threads:
        # A deadlock would surface here, as the error of whoever was thrown out.
        for done in [threads.submit(keep_doing, number) for number in range(len(acts))]:
            done.result()

    lot = random.Random(7)
    for _ in range(200):
        if all_served(database):
            break
        database.clock_offset += timedelta(seconds=60)
        crowd.beat(lot)
        while not crowd.belt.empty():
            crowd.work(lot)
    assert all_served(database)
    with database.reading() as tx:
        assert sum(tx.execute(select(feed_rows.c.asked)).scalars()) == len(crowd.pressed) == 2 * TIMES
        for link in organisations.every_link(tx):
            kept = tx.execute(
                select(event_rows.c.sequence)
                .where(event_rows.c.organisation_id == link.organisation_id)
                .order_by(event_rows.c.sequence)
            )
            sequence = list(kept.scalars())
            assert sequence == list(range(1, len(sequence) + 1))
    database.close()


ORDER = ["runs", "records", "feeds", "organisations"]
# Rows are locked by changing them.
CHANGE = re.compile(r'UPDATE (?:ONLY )?"?(\w+)"?|INSERT INTO "?(\w+)"?.* ON CONFLICT .* DO UPDATE', re.DOTALL)


def test_every_transaction_locks_run_records_feed_and_organisation_in_this_order(
    whole_engine: Engine,
) -> None:
    one, _ = whole_engine.connect(resources=["xero.contacts", "xero.tax_rates"])
    tenant = whole_engine.tenants[one]
    locked: list[list[str]] = []
    engine = whole_engine.services.database.engine
    event.listen(engine, "begin", lambda _connection: locked.append([]))
    event.listen(engine, "before_cursor_execute", lambda *told: locked and locked[-1].append(told[2]))

    # What runs, presses and people do, each in transactions of its own.
    whole_engine.settle()
    whole_engine.sandbox.edit(tenant, "xero.contacts", "edit", count=3, poison="nul")
    whole_engine.sandbox.edit(tenant, "xero.contacts", "remove", count=5)
    for _ in range(2):
        whole_engine.sync(one, "xero.contacts", full=True)
    claim = whole_engine.claim(whole_engine.press(one, "xero.tax_rates").messages[0])
    assert claim
    whole_engine.press(one, "xero.tax_rates", full=True)
    whole_engine.work(list(run_slice(whole_engine.services, claim).messages))
    for kind in ("status", "filter_ignored", "scope"):
        whole_engine.sandbox.faults(kind, tenant=tenant, status=500, count=3)
        whole_engine.sync(one, "xero.contacts")
        whole_engine.sandbox.clear_faults()
    whole_engine.connect(resources=["xero.contacts", "xero.tax_rates"])
    whole_engine.pass_time(timedelta(days=1))
    whole_engine.settle()

    orders = {tuple(dict.fromkeys(filter(None, map(rank, statements)))) for statements in locked}
    assert tuple(ORDER) in orders
    # Else two could wait for each other.
    assert [order for order in orders if list(order) != sorted(order, key=ORDER.index)] == []


def rank(statement: str) -> str | None:
    """What a statement locks: of the four kinds whose order counts."""
    found = CHANGE.match(statement.strip())
    table = found and (found[1] or found[2])
    if not table:
        return None
    if table in ("runs", "feeds", "organisations"):
        return str(table)
    return "records" if table.startswith("xero_") else None


def all_served(database: Database) -> bool:
    with database.reading() as tx:
        return all(feed.served == feed.asked for feed in tx.execute(select(feed_rows)))

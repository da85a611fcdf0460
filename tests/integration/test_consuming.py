"""The consumer of docs/consuming.md, through kills and a wiped Redis; the doorbell; what is kept no more."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from sqlalchemy import update

from config.settings import Settings, environment_with, load_settings
from ledgertide.hearing import Doorbell
from sandbox.testing import Sandbox
from schedules.tick import Ticker
from store import events, organisations
from store.events import EventsGoneError
from store.models import events as event_rows
from sync.services import Services
from tasks.process import open_for
from tests.integration.workers import Queues
from tests.integration.worlds import connect_organisation
from tests.services.installation import environment_for
from workers.celery import make_app

PAGE = Path(__file__).parents[2] / "docs/consuming.md"
CONTACTS = {"xero.contacts": timedelta(hours=1)}
TASK, QUEUE = "books.changed", "books"


class House:
    """An installation of two organisations, whose events the test makes and for which its beat rings."""

    def __init__(self, app: Celery, environment: dict[str, str]) -> None:
        self.app, self.environment = app, environment
        self.services: Services = app.services
        self.feeds: dict[str, str] = {}
        for name in ("one", "two"):
            (feed_id,) = connect_organisation(self.services.database, name, CONTACTS)
            with self.services.database.reading() as tx:
                self.feeds[organisations.find(tx, name).id] = feed_id
        self.ticker = Ticker(app, {})

    def happen(self, organisation_id: str, *record_ids: str, kind: str = "changed") -> None:
        with self.services.database.transaction() as tx:
            self.append(tx, organisation_id, record_ids, kind)

    def append(self, tx: Any, organisation_id: str, ids: tuple[str, ...], kind: str = "changed") -> None:
        events.append(
            tx,
            organisation_id=organisation_id,
            feed_id=self.feeds[organisation_id],
            resource="xero.contacts",
            run_id=None,
            changes={kind: ids},
        )

    def newest(self) -> dict[str, int]:
        with self.services.database.reading() as tx:
            return {each: events.newest(tx.scope(each)) for each in self.feeds}


@pytest.fixture
def house(database_url: str, redis_url: str, shared_sandbox: Sandbox) -> Iterator[House]:
    environment = environment_for(
        database_url, redis_url, shared_sandbox, doorbell_task=TASK, doorbell_queue=QUEUE
    )
    settings: Settings = load_settings(environment)
    app = make_app(settings)
    services = open_for(app, settings)
    try:
        yield House(app, environment)
    finally:
        services.close()
        app.close()


@contextmanager
def consuming(house: House, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The page's consumer, as a process of its own."""
    script = folder / "consumer.py"
    code = next(
        code for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "main" in code
    )
    script.write_text(code)
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder / "ours.sqlite")], env=environment_with(house.environment)
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def done(folder: Path) -> dict[str, list[int]]:
    """What the consumer did, in its order: organisation → sequences."""
    found: dict[str, list[int]] = {}
    with closing(sqlite3.connect(folder / "ours.sqlite", timeout=30)) as ours:
        try:
            rows = ours.execute("SELECT organisation, sequence FROM done ORDER BY rowid").fetchall()
        except sqlite3.OperationalError:  # it has not begun
            return {}
    for organisation, sequence in rows:
        found.setdefault(organisation, []).append(sequence)
    return found


def test_the_consumer_of_the_page_sees_every_event_once_and_in_order_whatever_is_killed(
    house: House, redis_url: str, tmp_path: Path
) -> None:
    one, two = house.feeds
    for life in range(3):
        with consuming(house, tmp_path) as process:
            seen = {each: len(numbers) for each, numbers in done(tmp_path).items()}
            for number in range(30):
                house.happen(one, f"record {life}-{number}")
                house.happen(two, f"record {life}-{number}")
            if life == 1:
                with redis.Redis.from_url(redis_url) as client:
                    client.flushall()
            # Killed while it is at it, somewhere.
            ring_until(house, lambda: len(done(tmp_path).get(one, [])) > seen.get(one, 0))  # noqa: B023
            process.send_signal(signal.SIGKILL)
            process.wait()

    with consuming(house, tmp_path):
        ring_until(house, lambda: sum(map(len, done(tmp_path).values())) >= 180)
        house.happen(two, "the last one")
        ring_until(house, lambda: len(done(tmp_path)[two]) == 91)

    assert done(tmp_path) == {one: list(range(1, 91)), two: list(range(1, 92))}


def ring_until(house: House, holds: Any) -> None:
    """Beat goes round, however long a process takes to start."""
    give_up_at = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < give_up_at, "the consumer does not come along"
        house.ticker.tick()
        time.sleep(0.05)


def test_the_doorbell_says_whose_events_reach_how_far_and_nothing_else(house: House, redis_url: str) -> None:
    one, two = house.feeds
    queues = Queues(redis_url)
    with Doorbell(house.app) as bell:
        house.happen(one, "a", "b")
        house.happen(one, "c")
        house.happen(two, "d")
        house.ticker.tick()
        heard = bell.wait(timedelta(seconds=20))
        house.ticker.tick()
        again = bell.wait(timedelta(milliseconds=50))

    assert heard == {one: 2, two: 1}
    assert again == {}
    assert queues.tasks(QUEUE) == [TASK, TASK]
    queues.close()


def test_nobody_is_rung_for_what_was_rolled_back(house: House) -> None:
    one, _ = house.feeds
    with pytest.raises(_BreakOffError), house.services.database.transaction() as tx:  # noqa: PT012
        house.append(tx, one, ("a",))
        raise _BreakOffError

    with Doorbell(house.app) as bell:
        house.ticker.tick()
        assert bell.wait(timedelta(milliseconds=50)) == {}


class _BreakOffError(Exception):
    """The transaction ends here."""


def test_a_task_that_nobody_takes_does_not_fill_redis(house: House, redis_url: str) -> None:
    one, _ = house.feeds
    with redis.Redis.from_url(redis_url) as client:
        client.rpush(QUEUE, *[json.dumps({})] * 1_000)
        house.happen(one, "a")
        house.ticker.tick()

        assert client.llen(QUEUE) == 1_000


def test_what_is_no_longer_kept_is_never_skipped_silently(house: House) -> None:
    one, two = house.feeds
    for each in (one, two):
        for number in range(3):
            house.happen(each, f"record {number}")
    with house.services.database.transaction() as tx:
        # Times need not be in the order of the numbers: a long transaction's is older.
        old = event_rows.c.organisation_id == one
        tx.execute(
            update(event_rows).where(old, event_rows.c.sequence == 2).values(happened_at=tx.now - YEAR)
        )
        assert events.prune(tx, timedelta(days=90)) == 2
        assert events.prune(tx, timedelta(days=90)) == 0

    with house.services.database.reading() as tx:
        scope = tx.scope(one)
        for after in (0, 1):
            with pytest.raises(EventsGoneError, match="are no longer kept") as gone:
                list(events.read(scope, after=after))
            assert gone.value.goes_on_after == 3
        assert [event.sequence for event in events.read(scope, after=2)] == [3]
        assert [event.sequence for event in events.read(scope)] == [3]
        assert list(events.read(scope, after=3)) == []
        # As after a restore from a backup: what comes next would bear numbers that were read already.
        with pytest.raises(EventsGoneError, match="There is no event 4, the newest is 3") as unknown:
            list(events.read(scope, after=4))
        assert unknown.value.goes_on_after == 3
        assert [event.sequence for event in events.read(tx.scope(two), after=0)] == [1, 2, 3]


def test_where_nothing_is_kept_any_more_the_numbers_go_on(house: House) -> None:
    one, _ = house.feeds
    house.happen(one, "a")
    house.services.database.clock_offset += timedelta(days=100)
    with house.services.database.transaction() as tx:
        assert events.prune(tx, timedelta(days=90)) == 1

    with house.services.database.reading() as tx:
        with pytest.raises(EventsGoneError):
            list(events.read(tx.scope(one), after=0))
        assert list(events.read(tx.scope(one))) == list(events.read(tx.scope(one), after=1)) == []
    house.happen(one, "b")
    assert house.newest()[one] == 2


YEAR = timedelta(days=365)

"""P6: waiting costs nothing. A run that may not call holds no slot, no message and no attempt."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
import redis

from config.limits import XERO
from sandbox.testing import Sandbox
from schedules.tick import Ticker
from store.presses import Press
from tasks import enqueue
from tests.integration.engine import Engine, engine
from tests.integration.workers import WORKER_MARK, Queues, app_of, wait_until, worker

pytestmark = WORKER_MARK

CONTACTS = "xero.contacts"
ELEVEN_HOURS = timedelta(hours=11)
SLACK = timedelta(seconds=30)  # what the test itself takes, and the provider's whole seconds


@pytest.fixture
def queues(redis_url: str) -> Iterator[Queues]:
    with closing(Queues(redis_url)) as made:
        yield made


def press(engine: Engine, slug: str) -> Press:
    return enqueue.press(engine.app, slug, CONTACTS, by="test")


def time_passes_in_redis(redis_url: str, length: timedelta) -> None:
    """The limiter's pauses were set so much earlier: Redis's clock cannot be moved on."""
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter("ledgertide:limiter:*pause"):
            for moment in ("set", "until"):
                client.hincrby(key, moment, -int(length / timedelta(milliseconds=1)))


def calls_of(engine: Engine, slug: str, after: int = 0) -> list[dict[str, object]]:
    found = engine.sandbox.calls(after)
    return [
        call for call in found if call["endpoint"] == "Contacts" and call["tenant"] == engine.tenants[slug]
    ]


def test_a_run_out_of_calls_for_eleven_hours_holds_nothing_and_goes_on_from_its_cursor(
    whole_engine: Engine, queues: Queues, redis_url: str
) -> None:
    third, other, big = whole_engine.connect(resources=[CONTACTS], organisations_wanted=3)
    whole_engine.sync(third, CONTACTS)
    whole_engine.sandbox.faults(
        "status",
        status=429,
        endpoint="Contacts",
        tenant=whole_engine.tenants[big],
        skip=1,  # its first page is stored
        headers={
            "Retry-After": str(int(ELEVEN_HOURS.total_seconds())),
            "X-Rate-Limit-Problem": "day",
            "X-DayLimit-Remaining": "0",
        },
    )

    with app_of(whole_engine) as app:
        with worker(app, threads=1):
            press(whole_engine, big)
            wait_until(lambda: whole_engine.runs(big, CONTACTS)[0].state == "snoozed", "it waits")
            press(whole_engine, other)
            wait_until(lambda: whole_engine.feed(other, CONTACTS).served == 1, "the only thread is free")
        waiting, line = whole_engine.runs(big, CONTACTS)[0], whole_engine.line(big, CONTACTS)
        again = press(whole_engine, big)
        told = Ticker(whole_engine.app, {}).tick()
        on_the_queues = [queues.length("now"), queues.length("sync")]
        stored = len(whole_engine.stored(big, CONTACTS))
        while_waiting = len(calls_of(whole_engine, big))

        whole_engine.pass_time(ELEVEN_HOURS - SLACK)
        Ticker(whole_engine.app, {}).tick()
        too_early = queues.length("now")
        whole_engine.pass_time(2 * SLACK)
        time_passes_in_redis(redis_url, ELEVEN_HOURS + SLACK)
        with worker(app, threads=1):
            Ticker(whole_engine.app, {}).tick()
            wait_until(lambda: whole_engine.feed(big, CONTACTS).served == 2, "it goes on")

    assert (waiting.reason, waiting.attempts, waiting.lease_until, waiting.published_at) == (
        "day limit",
        0,
        None,
        None,
    )
    assert abs(waiting.not_before - waiting.claimed_at - ELEVEN_HOURS) < SLACK
    assert (line.state, line.reason, line.next_sync_at, line.error) == (
        "waiting for rate limit",
        "day limit",
        waiting.not_before,
        None,
    )
    assert (again.reason, again.waits_until, again.messages) == ("day limit", waiting.not_before, ())
    assert (told, on_the_queues, too_early) == ({}, [0, 0], 0)
    assert 0 < stored < len(whole_engine.at_provider(big, CONTACTS))
    assert while_waiting == 2

    finished = whole_engine.runs(big, CONTACTS)[0]
    rows = [int(str(call["rows"])) for call in calls_of(whole_engine, big)]
    assert (finished.id, finished.state, finished.attempts) == (waiting.id, "done", 0)
    assert whole_engine.feed(big, CONTACTS).failures == 0
    assert whole_engine.parsed(big, CONTACTS) == whole_engine.at_provider(big, CONTACTS)
    # The first page was read once: after the wait there came only what had not been read.
    assert sum(rows) < len(whole_engine.at_provider(big, CONTACTS)) + 100


def test_at_the_days_reserve_scheduled_work_waits_and_a_press_goes(
    sandbox: Sandbox, database_url: str, redis_url: str, queues: Queues
) -> None:
    # Others of the same app spend most of the day within a minute: only the day is to count here.
    sandbox.limits(minute=100_000, day=5_000)
    with (
        engine(sandbox, database_url, redis_url, limits={"xero": replace(XERO, minute=100_000)}) as whole,
        app_of(whole) as app,
    ):
        one, other = whole.connect(resources=[CONTACTS])
        whole.settle()
        sandbox.spend(whole.tenants[one], 4_200)
        whole.sync(one, CONTACTS)  # its answer tells how little is left
        whole.pass_time(timedelta(hours=2, minutes=1))
        before = sandbox.last_call()
        work = app.tasks["sync.slice"]

        Ticker(whole.app, {}).tick()
        for message in queues.take_all("sync"):
            work(message.run_id, message.slice)
        waiting, line = whole.runs(one, CONTACTS)[-1], whole.line(one, CONTACTS)
        calls_for_one = len(calls_of(whole, one, before))
        pressed = press(whole, one)
        message = queues.take("now")
        assert message
        work(message.run_id, message.slice)
        after = whole.runs(one, CONTACTS)[-1]

        assert (waiting.state, waiting.reason, waiting.attempts) == ("snoozed", "day reserve", 0)
        assert (line.state, line.reason) == ("waiting for rate limit", "day reserve")
        assert calls_for_one == 0
        assert whole.line(other, CONTACTS).state == "up to date"
        assert (pressed.reason, pressed.waits_until) == (None, None)
        assert (after.id, after.state, after.attempts) == (waiting.id, "done", 0)
        assert whole.feed(one, CONTACTS).served == pressed.generation

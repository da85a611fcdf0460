"""P3 and P4: a press is never lost and never doubled, whichever door it came through."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from decimal import Decimal
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import func, select

from ledgertide.embedded.valkey import Valkey
from sandbox.testing import Sandbox
from schedules.tick import Ticker
from store import erasure, organisations, status
from store import presses as store_presses
from store.models import presses
from store.presses import Press
from sync.run import run_slice
from sync.services import SHAPES
from tasks import enqueue
from tests.integration.engine import FEW, Engine, engine
from tests.integration.workers import WORKER_MARK, Queues, app_of, wait_until, worker

pytestmark = WORKER_MARK

CONTACTS = "xero.contacts"
# "Accepted in at most a second": Redis is given up on after 0.8 s; the rest is a busy machine's.
AT_ONCE_SECONDS = 1.5


@pytest.fixture
def app(whole_engine: Engine) -> Iterator[Celery]:
    with app_of(whole_engine) as made:
        yield made


@pytest.fixture
def queues(redis_url: str) -> Iterator[Queues]:
    made = Queues(redis_url)
    yield made
    made.close()


def is_answered(engine: Engine, slug: str, resource: str = CONTACTS) -> bool:
    feed = engine.feed(slug, resource)
    return bool(feed.served == feed.asked > 0)


def presses_of(engine: Engine, slug: str) -> int:
    with engine.services.database.reading() as tx:
        query = select(func.count()).where(presses.c.feed_id == engine.feed_id(slug, CONTACTS, tx=tx))
        return int(tx.execute(query).scalar_one())


def press(engine: Engine, slug: str, resource: str = CONTACTS, **wishes: Any) -> Press:
    return enqueue.press(engine.app, slug, resource, by="test", **wishes)


def test_three_raw_messages_before_the_run_starts_are_answered_by_one_run(
    whole_engine: Engine, app: Celery
) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])
    for _ in range(3):
        app.send_task("sync.now", args=[one, CONTACTS])

    # One thread takes the queue in order: the presses first, then what they ask for.
    with worker(app, threads=1):
        wait_until(lambda: presses_of(whole_engine, one) == 3, "all three presses taken")
        wait_until(lambda: is_answered(whole_engine, one), "answered")

    assert whole_engine.feed(one, CONTACTS).asked == 3
    assert [(run.state, run.cause, run.generation) for run in whole_engine.runs(one, CONTACTS)] == [
        ("done", "press", 3)
    ]
    assert whole_engine.runs(other, CONTACTS) == []


def test_three_raw_messages_while_a_run_reads_are_answered_by_exactly_one_more(
    whole_engine: Engine, app: Celery
) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])
    reading = whole_engine.claim(whole_engine.press(one, CONTACTS).messages[0])
    assert reading

    with worker(app):
        for _ in range(3):
            app.send_task("sync.now", args=[one, CONTACTS])
        wait_until(lambda: presses_of(whole_engine, one) == 4, "all presses taken")
        changed = whole_engine.sandbox.edit(whole_engine.tenants[one], CONTACTS, count=1)
        before_last = [run.state for run in whole_engine.runs(one, CONTACTS)]
        enqueue.publish(whole_engine.app, run_slice(whole_engine.services, reading).messages)
        wait_until(lambda: is_answered(whole_engine, one), "answered")

    assert before_last == ["running"]
    assert [(run.cause, run.generation) for run in whole_engine.runs(one, CONTACTS)] == [
        ("press", 1),
        ("follow-up", 4),
    ]
    assert changed[0] in whole_engine.stored(one, CONTACTS)
    assert whole_engine.runs(other, CONTACTS) == []


def test_a_run_answers_only_the_presses_that_came_before_its_first_read(whole_engine: Engine) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])
    first = whole_engine.claim(whole_engine.press(one, CONTACTS).messages[0])
    assert first
    late = whole_engine.press(one, CONTACTS)

    ended = run_slice(whole_engine.services, first)
    between = whole_engine.feed(one, CONTACTS)
    changed = whole_engine.sandbox.edit(whole_engine.tenants[one], CONTACTS, count=1)
    whole_engine.work(list(ended.messages))

    assert (late.generation, between.served, between.asked) == (2, 1, 2)
    assert whole_engine.feed(one, CONTACTS).served == 2
    stored = json.loads(whole_engine.stored(one, CONTACTS)[changed[0]], parse_float=Decimal)
    assert stored == whole_engine.at_provider(one, CONTACTS)[changed[0]]
    assert whole_engine.feed(other, CONTACTS).asked == 0


def test_a_hundred_presses_without_a_worker_leave_one_message_and_make_one_run(
    whole_engine: Engine, app: Celery, queues: Queues
) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])

    for _ in range(100):
        press(whole_engine, one)
    press(whole_engine, other)
    waiting = queues.length("now")
    with worker(app):
        wait_until(lambda: is_answered(whole_engine, one) and is_answered(whole_engine, other), "answered")

    assert waiting == 2
    assert [run.generation for run in whole_engine.runs(one, CONTACTS)] == [100]
    assert [run.generation for run in whole_engine.runs(other, CONTACTS)] == [1]


def test_a_press_overtakes_with_the_run_that_waited_and_its_old_message_does_nothing(
    whole_engine: Engine, app: Celery, queues: Queues
) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])
    Ticker(whole_engine.app, {}).tick()
    scheduled = queues.length("sync")

    press(whole_engine, one)
    overtaking, overtaken = queues.take("now"), queues.take_all("sync")
    assert overtaking
    work = app.tasks["sync.slice"]
    work(overtaking.run_id, overtaking.slice)
    after_press = [(run.state, run.cause, run.lane) for run in whole_engine.runs(one, CONTACTS)]
    for message in overtaken:
        work(message.run_id, message.slice)

    assert scheduled == 2
    assert overtaking.run_id in {message.run_id for message in overtaken}
    assert after_press == [("done", "press", "now")]
    assert [run.pages for run in whole_engine.runs(one, CONTACTS)] == [1]
    assert [(run.state, run.cause) for run in whole_engine.runs(other, CONTACTS)] == [("done", "full")]


def test_the_same_idempotency_key_is_the_same_press_for_one_feed_only(
    whole_engine: Engine, app: Celery, queues: Queues
) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])

    first = press(whole_engine, one, idempotency_key="a click")
    again = press(whole_engine, one, idempotency_key="a click")
    elsewhere = press(whole_engine, other, idempotency_key="a click")
    another = press(whole_engine, one, idempotency_key="another click")

    assert (again.id, again.generation) == (first.id, first.generation)
    assert elsewhere.id != first.id
    assert another.generation == first.generation + 1
    assert whole_engine.feed(one, CONTACTS).asked == 2
    assert queues.length("now") == 2


@pytest.mark.parametrize("already_open", [False, True])
def test_two_presses_at_once_with_the_same_key_are_one(
    whole_engine: Engine, app: Celery, already_open: bool
) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])
    if already_open:
        press(whole_engine, one)
        press(whole_engine, other)

    got = at_once(4, lambda: press(whole_engine, one, idempotency_key="a double click"))

    assert len({(receipt.id, receipt.generation) for receipt in got}) == 1
    assert whole_engine.feed(one, CONTACTS).asked == 1 + already_open
    assert whole_engine.feed(other, CONTACTS).asked == already_open
    assert len(whole_engine.runs(one, CONTACTS)) == 1


def at_once(times: int, act: Callable[[], Press]) -> list[Any]:
    """What each of several threads got, a receipt or an error, all let off at the same moment."""
    start, got = threading.Barrier(times), []

    def run() -> None:
        start.wait()
        try:
            got.append(act())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            got.append(error)

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [each for each in got if isinstance(each, Exception)]
    assert errors == []
    return got


def test_presses_of_many_threads_are_all_counted_and_open_one_run(
    whole_engine: Engine, app: Celery, queues: Queues
) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])

    got = at_once(8, lambda: press(whole_engine, one))

    assert sorted(receipt.generation for receipt in got) == list(range(1, 9))
    assert len(whole_engine.runs(one, CONTACTS)) == 1
    assert queues.length("now") == 1
    assert whole_engine.feed(other, CONTACTS).asked == 0


@pytest.mark.parametrize("away", ["stopped", "hanging"])
def test_a_press_while_redis_is_away_is_taken_at_once_and_starts_when_it_is_back(
    sandbox: Sandbox, database_url: str, own_redis: Valkey, real_patience: float, away: str
) -> None:
    with ExitStack() as open_now:
        whole = open_now.enter_context(engine(sandbox, database_url, own_redis.url))
        open_now.enter_context(app_of(whole))
        one, other = whole.connect(resources=[CONTACTS])
        assert own_redis.process
        number = own_redis.process.pid
        own_redis.stop() if away == "stopped" else os.kill(number, signal.SIGSTOP)
        took = []
        for _ in range(3):  # so that a stall of the test's own does not count
            began = time.monotonic()
            receipt = press(whole, one)
            took.append(time.monotonic() - began)
        run = whole.runs(one, CONTACTS)[0]
        own_redis.start() if away == "stopped" else os.kill(number, signal.SIGCONT)
        queues = open_now.enter_context(closing(Queues(own_redis.url)))
        before = queues.length("now")
        Ticker(whole.app, {}).tick()
        messages = queues.take_all("now")
        whole.work(messages)

        assert min(took) < AT_ONCE_SECONDS
        assert (receipt.generation, run.state, run.published_at) == (3, "queued", None)
        assert before == 0
        assert is_answered(whole, one)
        assert whole.feed(other, CONTACTS).asked == 0


def test_every_feed_of_an_organisation_is_answered_by_one_press(whole_engine: Engine, app: Celery) -> None:
    one, other = whole_engine.connect(resources=FEW)

    with worker(app, threads=4):  # fewer than the calls that presses may make at once
        receipts = app.send_task("sync.all", args=[one, "operator"]).get(timeout=60)
        wait_until(lambda: all(is_answered(whole_engine, one, each) for each in FEW), "all answered")

    found = {resource: whole_engine.runs(one, resource) for resource in FEW}
    assert [receipt["generation"] for receipt in receipts] == [1] * len(FEW)
    assert {(len(runs), runs[0].asked_by, runs[0].lane) for runs in found.values()} == {
        (1, "operator", "now")
    }
    assert all(whole_engine.feed(other, resource).asked == 0 for resource in FEW)


def test_a_press_of_what_was_erased_meanwhile_is_refused_and_does_not_ask_for_ever(
    whole_engine: Engine,
) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])
    with whole_engine.services.database.transaction() as tx:
        feed_id = whole_engine.feed_id(one, CONTACTS, tx=tx)
        erasure.erase(tx, organisations.find(tx, one), SHAPES.values(), actor="test")

    with (
        whole_engine.services.database.transaction() as tx,
        pytest.raises(organisations.UnknownResourceError, match="erased meanwhile"),
    ):
        store_presses.press(tx, feed_id, by="test")

    assert press(whole_engine, other).messages


def test_a_refused_press_says_why_and_what_to_do_in_its_result(whole_engine: Engine, app: Celery) -> None:
    one, _ = whole_engine.connect(resources=[CONTACTS])

    with worker(app, threads=4):
        sent = [
            app.send_task("sync.now", args=["nobody-here", CONTACTS]),
            app.send_task("sync.now", args=[one[:-1], CONTACTS]),
            app.send_task("sync.now", args=[one, "xero.contcts"]),
            app.send_task("sync.all", args=["nobody-here"]),
            app.send_task("sync.full", args=[one, "contacts"]),
        ]
        for result in sent:
            result.get(timeout=60, propagate=False)

    said = [str(result.result) for result in sent]
    assert {result.state for result in sent} == {"FAILURE"}
    assert said[0].startswith("There is no organisation 'nobody-here'. ")
    assert f"Did you mean {one}" in said[1]
    assert said[2] == f"{one} has no resource 'xero.contcts'. Did you mean xero.contacts?"
    assert said[3].startswith("There is no organisation 'nobody-here'. ")
    assert said[4].endswith("Did you mean xero.contacts?")
    assert presses_of(whole_engine, one) == 0


def test_only_presses_keep_a_result(whole_engine: Engine, app: Celery, redis_url: str) -> None:
    one, _ = whole_engine.connect(resources=[CONTACTS])

    with worker(app):
        pressed = app.send_task("sync.now", args=[one, CONTACTS])
        full = app.send_task("sync.full", args=[one, CONTACTS])
        duty = app.send_task("upkeep.prune")
        receipts = [pressed.get(timeout=60), full.get(timeout=60)]
        wait_until(lambda: is_answered(whole_engine, one), "answered")
        wait_until(lambda: not app.backend.client.llen("upkeep"), "the duty taken")

    kept = {key.decode() for key in app.backend.client.scan_iter("celery-task-meta-*")}
    assert kept == {f"celery-task-meta-{each.id}" for each in (pressed, full)}
    assert duty.id not in "".join(kept)
    assert {app.backend.client.ttl(key) for key in kept} <= set(range(3500, 3601))
    with whole_engine.services.database.reading() as tx:
        scope = tx.scope(organisations.find(tx, one).id)
        assert status.press_state(scope, receipts[0]["press"]).done

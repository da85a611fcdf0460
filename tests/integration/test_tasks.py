"""The tasks themselves: what they do with a message, what they tell, and the Python door to them."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import structlog
from celery import Celery
from sqlalchemy import func, select, update
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

import ledgertide
from config.settings import environment_with, load_settings, variable
from ledgertide import api
from sandbox.testing import Sandbox
from schedules.tick import Ticker
from store import dispatch, grants
from store.grants import IDLE_REFRESH
from store.models import feeds, presses
from store.models import grants as grant_rows
from store.models import runs as run_rows
from sync.services import Pace
from tasks import enqueue
from tests.integration.engine import FEW, Engine, engine
from tests.integration.workers import WORKER_MARK, Queues, app_of, wait_until, worker
from tests.services.installation import environment_for
from workers.celery import make_app

pytestmark = WORKER_MARK

CONTACTS = "xero.contacts"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def app(whole_engine: Engine) -> Iterator[Celery]:
    with app_of(whole_engine) as made:
        yield made


@pytest.fixture
def queues(redis_url: str) -> Iterator[Queues]:
    with closing(Queues(redis_url)) as made:
        yield made


def test_a_late_a_double_and_a_forged_message_do_nothing(whole_engine: Engine, app: Celery) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])
    run = whole_engine.press(one, CONTACTS).messages[0]
    work = app.tasks["sync.slice"]

    work(run.run_id, 2)  # there is no second slice yet
    work("no such run", 1)
    before = whole_engine.runs(one, CONTACTS)[0]
    work(run.run_id, run.slice)
    after = whole_engine.sandbox.last_call()
    work(run.run_id, run.slice)

    assert (before.state, before.slice) == ("queued", 1)
    assert whole_engine.sandbox.last_call() == after
    assert [(run.state, run.pages) for run in whole_engine.runs(one, CONTACTS)] == [("done", 1)]
    assert whole_engine.runs(other, CONTACTS) == []


def test_a_long_read_goes_on_in_slices_with_one_message_each(
    sandbox: Sandbox, database_url: str, redis_url: str, queues: Queues
) -> None:
    one_page_each = Pace(slice=timedelta(0), press_slice=timedelta(0))
    with engine(sandbox, database_url, redis_url, pace=one_page_each) as whole, app_of(whole) as app:
        *_, big = whole.connect(resources=[CONTACTS], organisations_wanted=3)
        enqueue.press(whole.app, big, CONTACTS, by="test")

        slices = []
        while message := queues.take("now"):
            assert queues.length("now") == 0
            slices.append(message.slice)
            app.tasks["sync.slice"](message.run_id, message.slice)

        finished = whole.runs(big, CONTACTS)
        assert slices == list(range(1, len(slices) + 1))
        assert len(slices) >= 3
        assert [(run.state, run.pages) for run in finished] == [("done", len(slices))]
        assert whole.parsed(big, CONTACTS) == whole.at_provider(big, CONTACTS)


def test_something_unforeseen_backs_off_says_so_and_goes_on_later(
    sandbox: Sandbox, database_url: str, redis_url: str, queues: Queues
) -> None:
    one_page_each = Pace(slice=timedelta(0), press_slice=timedelta(0))
    with engine(sandbox, database_url, redis_url, pace=one_page_each) as whole, app_of(whole) as app:
        _, other, big = whole.connect(resources=[CONTACTS], organisations_wanted=3)
        first = whole.press(big, CONTACTS).messages[0]
        app.tasks["sync.slice"](first.run_id, first.slice)
        cursor = whole.feed(big, CONTACTS).full_cursor
        message = queues.take("now")
        assert message

        set_full_cursor(whole, big, '{"what": "no version of ours ever wrote"}')
        with capture_logs(processors=[merge_contextvars]) as told:
            app.tasks["sync.slice"](message.run_id, message.slice)
        waiting, line = whole.runs(big, CONTACTS)[0], whole.line(big, CONTACTS)
        set_full_cursor(whole, big, cursor)
        outcomes = whole.sync(other, CONTACTS) + whole.sync(big, CONTACTS)

        assert (waiting.state, waiting.reason, waiting.pages, waiting.attempts) == (
            "snoozed",
            "back-off",
            1,
            1,
        )
        assert (line.state, line.reason) == ("retrying", "back-off")
        assert str(line.error).startswith("Something unforeseen went wrong here")
        assert [entry["event"] for entry in told] == ["slice_broke_off", "slice_ended"]
        assert {entry["run"] for entry in told} == {message.run_id}
        assert outcomes[-1].state == "done"
        # The second press came after the first read, so a follow-up answers it.
        assert [(run.state, run.cause) for run in whole.runs(big, CONTACTS)] == [
            ("done", "press"),
            ("done", "follow-up"),
        ]
        assert whole.parsed(big, CONTACTS) == whole.at_provider(big, CONTACTS)


def set_full_cursor(engine: Engine, slug: str, cursor: str) -> None:
    feed_id = engine.feed_id(slug, CONTACTS)
    with engine.services.database.transaction() as tx:
        tx.execute(update(feeds).where(feeds.c.id == feed_id).values(full_cursor=cursor))


def test_each_line_of_a_slice_names_organisation_connection_resource_and_run(
    whole_engine: Engine, app: Celery
) -> None:
    one, _ = whole_engine.connect(resources=[CONTACTS])
    run = whole_engine.press(one, CONTACTS).messages[0]
    feed = whole_engine.feed(one, CONTACTS)

    with capture_logs(processors=[merge_contextvars]) as told:
        app.tasks["sync.slice"](run.run_id, run.slice)
        structlog.get_logger().info("afterwards")

    ended, afterwards = told
    assert {
        "event": "slice_ended",
        "state": "done",
        "organisation": feed.organisation_id,
        "connection": feed.connection_id,
        "resource": CONTACTS,
        "run": run.run_id,
        "slice": 1,
    }.items() <= ended.items()
    assert afterwards == {"event": "afterwards", "log_level": "info"}


def test_a_grant_that_nobody_uses_is_refreshed_before_it_dies_of_it(
    whole_engine: Engine, app: Celery
) -> None:
    whole_engine.connect(resources=[CONTACTS], organisations_wanted=3)
    # The first grant is renewed elsewhere: ours is dead, and must not keep the second from its turn.
    whole_engine.sandbox.refresh(whole_engine.sandbox.grants()["grants"][0]["refresh_token"])
    keep = app.tasks["upkeep.grants"]

    keep()
    too_early = grant_versions(whole_engine)
    whole_engine.pass_time(IDLE_REFRESH + timedelta(hours=1))
    whole_engine.sandbox.advance((IDLE_REFRESH + timedelta(hours=1)).total_seconds())
    keep()
    with whole_engine.services.database.reading() as tx:
        still_idle = grants.idle(tx)

    assert too_early == [(False, 1), (False, 1)]
    assert sorted(grant_versions(whole_engine)) == [(False, 2), (True, 1)]
    assert still_idle == []


def grant_versions(engine: Engine) -> list[tuple[bool, int]]:
    with engine.services.database.reading() as tx:
        return [(row.dead_at is not None, row.version) for row in tx.execute(select(grant_rows))]


def test_history_is_kept_for_its_time_and_what_is_open_for_good(whole_engine: Engine, app: Celery) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])
    whole_engine.sync(one, CONTACTS)
    whole_engine.press(other, CONTACTS)
    prune = app.tasks["upkeep.prune"]

    prune()
    kept = counts(whole_engine)
    whole_engine.pass_time(whole_engine.services.settings.run_retention + timedelta(minutes=1))
    prune()

    assert kept == (2, 2)
    assert counts(whole_engine)[0] == 1
    assert [run.state for run in whole_engine.runs(other, CONTACTS)] == ["queued"]


def counts(engine: Engine) -> tuple[int, int]:
    with engine.services.database.reading() as tx:
        runs, pressed = (tx.execute(select(func.count()).select_from(each)) for each in (run_rows, presses))
        return int(runs.scalar_one()), int(pressed.scalar_one())


# --- the Python door -------------------------------------------------------------------------------


@pytest.fixture
def door(whole_engine: Engine, app: Celery, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`from ledgertide import sync_now` in a process of an application, with its environment."""
    settings = whole_engine.services.settings
    given = {
        "database_url": settings.database_url.get_secret_value(),
        "redis_url": settings.redis_url.get_secret_value(),
        "secret_keys": settings.secret_keys[0].get_secret_value(),
        "xero_client_id": settings.xero_client_id,
        "xero_client_secret": settings.xero_client_secret.get_secret_value(),
        "xero_api_url": settings.xero_api_url,
        "xero_identity_url": settings.xero_identity_url,
    }
    for name, value in given.items():
        monkeypatch.setenv(variable(name), value)
    yield ledgertide
    if api.process_app.cache_info().currsize:
        api.process_app().services.close()
        api.process_app().close()
    api.process_app.cache_clear()


def test_an_application_presses_waits_and_reads_what_changed(
    whole_engine: Engine, app: Celery, door: Any
) -> None:
    one, other = whole_engine.connect(resources=FEW)
    patience = timedelta(seconds=20)

    with worker(app, threads=4):
        first = door.sync_now(one, CONTACTS, by="the shop", idempotency_key="order 7")
        same = door.sync_now(one, CONTACTS, by="the shop", idempotency_key="order 7")
        done = first.wait(patience)
        imported = list(door.events(one))
        changed = whole_engine.sandbox.edit(whole_engine.tenants[one], CONTACTS, count=1)
        again = door.sync_now(one, CONTACTS).wait(patience)
        news = list(door.events(one, after=imported[-1].sequence))
        handles = door.sync_all(one)
        everything = [handle.wait(patience) for handle in handles]
        full = door.sync_full(one, CONTACTS)
        wait_until(lambda: beat_and_look(whole_engine, full), "the full read")

    assert (same.press, same.generation) == (first.press, first.generation)
    assert (done.done, again.done, full.state().done) == (True, True, True)
    assert {event.kind for event in imported} == {"added"}
    assert [(event.kind, event.ids) for event in news] == [("changed", tuple(changed))]
    assert {handle.resource for handle in handles} == set(FEW)
    assert all(state.done for state in everything)
    assert list(door.events(other)) == []
    assert "secret" not in repr(first).lower()


def beat_and_look(engine: Engine, handle: Any) -> bool:
    messages = engine.tick()
    enqueue.publish(engine.app, [message for message in messages if message.lane == "now"])
    return bool(handle.state().done)


def test_an_application_is_told_what_to_do_when_it_is_refused(whole_engine: Engine, door: Any) -> None:
    one, _ = whole_engine.connect(resources=[CONTACTS])

    for wrong in (
        lambda: door.sync_now("nobody-here", CONTACTS),
        lambda: door.sync_now(one, "xero.contcts"),
        lambda: door.sync_all("nobody-here"),
        lambda: door.sync_full(one, "contacts"),
    ):
        with pytest.raises(
            door.SyncRefusedError, match=r"Did you mean|`ledgertide organisations` lists them"
        ):
            wrong()

    waiting = door.sync_now(one, CONTACTS).wait(timedelta(0))
    assert (waiting.done, waiting.state) == (False, "queued")


# --- odd messages and odd moments --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "asks"),
    [("sync.now", [CONTACTS]), ("sync.full", [CONTACTS]), ("sync.all", [])],
)
def test_a_press_that_is_delivered_twice_is_one_press(
    whole_engine: Engine, app: Celery, queues: Queues, task: str, asks: list[str]
) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])

    with worker(app, threads=1):
        for task_id in ("first", "first", "second"):
            app.send_task(task, args=[one, *asks], task_id=task_id)
        wait_until(lambda: whole_engine.feed(one, CONTACTS).asked == 2, "both presses taken")
        wait_until(lambda: queues.length("now") == 0, "all messages taken")

    assert whole_engine.feed(one, CONTACTS).asked == 2
    assert whole_engine.feed(other, CONTACTS).asked == 0


def odd_presses(app: Celery, one: str) -> list[Callable[[], object]]:
    now, everything = app.tasks["sync.now"], app.tasks["sync.all"]
    return [
        lambda: now(5, CONTACTS),
        lambda: now(one, None),
        lambda: now("", CONTACTS),
        lambda: now(one, CONTACTS, by="somebody\0else"),
        lambda: now(one + "\0", CONTACTS),
        lambda: now(one, CONTACTS, by="\ud800"),
        lambda: now(one, CONTACTS, by="x" * 256),
        lambda: now(one, "x" * 256),
        lambda: everything(["a", "list"]),
        lambda: everything(one, by="x" * 256),
        lambda: enqueue.press(app, one, CONTACTS, by="test", idempotency_key="k" * 256),
    ]


def test_what_is_no_name_at_all_is_refused_in_a_sentence(whole_engine: Engine, app: Celery) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])

    for odd in odd_presses(app, one):
        with pytest.raises(enqueue.SyncRefusedError, match=r"^The [a-z ]+ (must|has) .*\.$"):
            odd()
    longest = enqueue.press(app, one, CONTACTS, by="x" * 255, idempotency_key="k" * 255)

    assert longest.generation == 1
    assert whole_engine.feed(other, CONTACTS).asked == 0


def test_a_slice_that_broke_off_after_its_lease_was_lost_ends_quietly(
    whole_engine: Engine, app: Celery
) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])
    message = whole_engine.press(one, CONTACTS).messages[0]
    work = app.tasks["sync.slice"]
    claim = work.claim(message.run_id, message.slice)
    assert claim
    whole_engine.pass_time(claim.lease + timedelta(seconds=1))
    with whole_engine.services.database.transaction() as tx:
        assert dispatch.recover(tx) == 1

    with capture_logs() as told:
        work.work(replace(claim, resource="xero.of_a_newer_version"))

    assert [entry["event"] for entry in told] == ["slice_broke_off", "lease_lost"]
    assert [(run.state, run.slice) for run in whole_engine.runs(one, CONTACTS)] == [("queued", 2)]
    assert whole_engine.runs(other, CONTACTS) == []


@contextmanager
def nothing_can_be_pushed(redis_url: str) -> Iterator[None]:
    """A Redis that gives out locks and takes no message."""
    with redis.Redis.from_url(redis_url) as client:
        client.execute_command("ACL", "SETUSER", "default", "-lpush")
        try:
            yield
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+lpush")


@contextmanager
def every_connection_in_use(app: Celery) -> Iterator[None]:
    """As many threads publish as there are connections."""
    with ExitStack() as held:
        for _ in range(app.pool.limit):
            held.enter_context(app.pool.acquire())
        yield


@pytest.mark.parametrize("trouble", ["a batch breaks off", "no connection is free"])
def test_a_press_that_cannot_be_sent_is_kept_and_goes_with_the_next_tick(
    whole_engine: Engine, app: Celery, redis_url: str, queues: Queues, trouble: str
) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])
    with whole_engine.services.database.transaction() as tx:
        tx.execute(update(feeds).values(due_at=tx.now + timedelta(hours=1)))  # only the press is to be sent

    with capture_logs() as told:
        in_the_way = nothing_can_be_pushed(redis_url) if "batch" in trouble else every_connection_in_use(app)
        with in_the_way:
            pressed = enqueue.press(app, one, CONTACTS, by="test")
            enqueue.send_duties(app, ["upkeep.prune"])
    before = queues.length("now")
    ticked = Ticker(app, {}).tick()

    assert {entry["event"] for entry in told} == {"queue_unavailable"}
    assert before == 0
    assert ticked["sent"] == 1
    assert [message.run_id for message in queues.take_all("now")] == [pressed.messages[0].run_id]
    assert whole_engine.runs(other, CONTACTS) == []


# --- a process of its own ----------------------------------------------------------------------------

A_HOST = """
import sys, threading
from celery import Celery, current_app, shared_task, signals
from celery.worker import WorkController

host = Celery("host", broker="memory://")

@shared_task(name="host.task")
def task(): ...

from ledgertide import sync_now
print(sync_now(sys.argv[1], "xero.contacts").generation)

in_a_thread = []
thread = threading.Thread(target=lambda: in_a_thread.append(task.app.main))
thread.start(); thread.join()
print(task.app.main, current_app.main, "default" if in_a_thread == ["default"] else in_a_thread)
print(len(signals.setup_logging.receivers))
WorkController(app=host, pool="solo")
print("works")
"""


def test_an_applications_own_celery_stays_its_own(
    whole_engine: Engine, door: Any, queues: Queues, tmp_path: Path
) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])

    ended = subprocess.run(
        [sys.executable, "-c", A_HOST, one], capture_output=True, text=True, check=False, cwd=tmp_path
    )

    assert ended.returncode == 0, ended.stderr
    # In a thread Celery makes do with a default app, as without us.
    assert ended.stdout.splitlines() == ["1", "host host default", "0", "works"]
    assert queues.length("now") == 1
    assert whole_engine.runs(other, CONTACTS) == []


def own_process(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "celery", "-A", "workers", *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment_with(environment),
        cwd=ROOT,
    )


@pytest.mark.parametrize("process", [["worker", "-Q", "now"], ["beat"]])
@pytest.mark.parametrize("database", ["unmigrated", "away"])
def test_a_process_without_its_database_says_so_and_takes_no_message(
    empty_database_url: str,
    redis_url: str,
    sandbox: Sandbox,
    queues: Queues,
    database: str,
    process: list[str],
) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    given = environment_for(empty_database_url if database == "unmigrated" else nowhere, redis_url, sandbox)
    with closing(make_app(load_settings(given))) as app:
        app.send_task("sync.now", args=["somebody", CONTACTS])

    ended = own_process(given, *process)

    assert ended.returncode == 1
    assert ("ledgertide migrate" if database == "unmigrated" else "check that it runs") in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout
    assert queues.tasks("now") == ["sync.now"]

"""Beat's ticks with a real Redis and both databases: what is due, in which order, and whatever gets lost."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from celery import Celery
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import func, or_, select, text, update
from structlog.testing import capture_logs

from config.limits import XERO
from config.settings import Settings
from ledgertide.embedded.valkey import Valkey
from sandbox.testing import Sandbox
from schedules.beat import DueScheduler
from schedules.tick import SHORTEST_BELT, Ticker
from store import dispatch, presses, runs
from store.database import Database
from store.dispatch import RESEND_AFTER
from store.duties import keep as keep_duties
from store.feeds import CLAIMS_PER_CONNECTION, full_done, next_due, phase_of
from store.models import connections, duties, feeds
from store.models import presses as press_rows
from store.models import runs as run_rows
from store.runs import Claim, Message
from sync.services import Services, open_services
from tasks import enqueue
from tests.integration.beat_holder import holding_a_turn
from tests.integration.engine import Engine, engine
from tests.integration.workers import Queues, wait_until
from tests.integration.worlds import connect_many, connect_organisation
from workers.celery import make_app

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
A_MOMENT = timedelta(seconds=1)
# A resource's name is all that beat knows of it.
SEVEN = {f"xero.list_{number}": HOUR for number in range(7)}
THREE = {f"xero.list_{number}": HOUR for number in range(3)}


@dataclass
class House:
    """Beat's process over one database and one Redis; no provider stands behind it."""

    services: Services
    app: Celery
    queues: Queues

    @property
    def database(self) -> Database:
        return self.services.database

    def ticker(self, **duties: timedelta) -> Ticker:
        ticker = Ticker(self.app, {name.replace("_", "."): every for name, every in duties.items()})
        ticker.make_duties_known()
        return ticker

    def connect(self, name: str, cadences: dict[str, timedelta]) -> list[str]:
        return connect_organisation(self.database, name, cadences)

    def pass_time(self, length: timedelta) -> None:
        self.database.clock_offset += length

    def make_due(self, feed_id: str, late_by: timedelta) -> None:
        with self.database.transaction() as tx:
            tx.execute(update(feeds).where(feeds.c.id == feed_id).values(due_at=tx.now - late_by))

    def claim(self, message: Message) -> Claim | None:
        with self.database.transaction() as tx:
            return runs.claim(tx, message.run_id, message.slice)

    def end(self, claim: Claim) -> None:
        with self.database.transaction() as tx:
            runs.end(tx, claim)

    def open_runs(self) -> list[Any]:
        with self.database.reading() as tx:
            return list(tx.execute(select(run_rows).where(run_rows.c.ended_at.is_(None))))

    def feed_of(self, message: Message) -> str:
        return next(run.feed_id for run in self.open_runs() if run.id == message.run_id)


@contextmanager
def house_over(database_url: str, redis_url: str) -> Iterator[House]:
    settings = Settings(
        database_url=database_url,
        redis_url=redis_url,
        secret_keys=Fernet.generate_key().decode(),
        xero_client_id="app",
        xero_client_secret="app-secret",
    )
    services = open_services(settings)
    app = make_app(settings)
    app.services = services
    with closing(services), closing(Queues(redis_url)) as queues:
        yield House(services, app, queues)
    app.close()


@pytest.fixture
def house(database_url: str, redis_url: str) -> Iterator[House]:
    with house_over(database_url, redis_url) as made:
        yield made


# --- order ---------------------------------------------------------------------------------------


def test_the_latest_goes_first_and_organisations_take_turns(house: House) -> None:
    late, later = house.connect("late", THREE), house.connect("later", THREE)
    slow = house.connect("slow", {"xero.list_0": 4 * HOUR})
    for place, feed_id in enumerate(late):
        house.make_due(feed_id, (3 - place) * 10 * MINUTE)
    for place, feed_id in enumerate(later):
        house.make_due(feed_id, (3 - place) * 20 * MINUTE)
    house.make_due(slow[0], 90 * MINUTE)  # the longest, and yet a small part of its cadence

    house.ticker().tick()
    order = [house.feed_of(message) for message in house.queues.take_all("sync")]

    assert order == [later[0], late[0], slow[0], later[1], late[1], later[2], late[2]]


def test_a_connection_has_four_claims_at_most_and_two_more_for_presses(house: House) -> None:
    mine, others = house.connect("acme", SEVEN), house.connect("globex", THREE)
    ticker = house.ticker()

    ticker.tick()
    opened = Counter(run.connection_id for run in house.open_runs())
    claims = [house.claim(message) for message in house.queues.take_all("sync")]
    with house.database.transaction() as tx:
        waiting = [feed_id for feed_id in mine if feed_id not in {run.feed_id for run in house.open_runs()}]
        by_hand = [runs.open_due(tx, feed_id, full=False) for feed_id in waiting]
    turned_away = [house.claim(message) for message in by_hand if message]
    pressed = [press(house, feed_id) for feed_id in waiting]
    press_claims = [house.claim(message) for message in pressed]

    assert sorted(opened.values()) == [len(others), CLAIMS_PER_CONNECTION]
    assert all(claims)
    assert turned_away == [None] * 3
    assert [claim is not None for claim in press_claims] == [True, True, False]


def press(house: House, feed_id: str) -> Message:
    return press_for(house, feed_id).messages[0]


def press_for(house: House, feed_id: str) -> presses.Press:
    with house.database.transaction() as tx:
        return presses.press(tx, feed_id, by="test")


def test_whoever_was_turned_away_is_sent_again_at_the_next_tick(house: House) -> None:
    mine = house.connect("acme", SEVEN)
    house.connect("globex", THREE)
    claims = [house.claim(press(house, feed_id)) for feed_id in mine[:6]]
    enqueue.publish(house.app, [press(house, mine[6])])
    work = house.app.tasks["sync.slice"]
    message = house.queues.take("now")
    assert message

    work(message.run_id, message.slice)  # all hands are full: nothing comes of it
    first = claims[0]
    assert first
    house.end(first)
    house.ticker().tick()

    assert house.queues.take("now") == message


def test_a_connection_with_its_hands_full_keeps_nobody_waiting(house: House) -> None:
    twenty = {f"xero.list_{number}": HOUR for number in range(20)}
    full, other = house.connect("full", twenty), house.connect("other", THREE)
    for feed_id in full:
        house.make_due(feed_id, 50 * MINUTE)
    with house.database.transaction() as tx:
        opened = [runs.open_due(tx, feed_id, full=False) for feed_id in full[:4]]
    for message in opened:
        assert message
        assert house.claim(message)
    for number in range(SHORTEST_BELT - 1):  # room for a single message
        house.app.send_task("sync.slice", args=[f"nobody's {number}", 1])

    house.ticker().tick()

    sent = [message for message in house.queues.take_all("sync") if "nobody" not in message.run_id]
    assert [house.feed_of(message) in other for message in sent] == [True]


def test_webhooks_have_a_place_beside_scheduled_work_and_leave_a_press_its_own(house: House) -> None:
    lists = house.connect("full", {f"xero.list_{number}": HOUR for number in range(7)})
    for feed_id in lists[:6]:  # the webhooks' lists are later than the pressed one
        house.make_due(feed_id, 50 * MINUTE)
    with house.database.transaction() as tx:
        scheduled = [runs.open_due(tx, feed_id, full=False) for feed_id in lists[:4]]
        told = [
            runs.open_run(tx, feed_id, cause="webhook", lane="now", full=False, by=None)
            for feed_id in lists[4:6]
        ]
    imports = [house.claim(message) for message in scheduled if message]
    assert len(imports) == CLAIMS_PER_CONNECTION
    assert all(imports)

    first = house.claim(runs.message_of(told[0]))
    assert first
    with house.database.transaction() as tx:
        later = runs.release(tx, first)
    assert later
    claims = [house.claim(message) for message in (later, runs.message_of(told[1]))]
    pressed = press(house, lists[6])
    house.queues.wipe()
    with house.database.transaction() as tx:
        dispatch.forget_messages(tx)
        sent = dispatch.unpublished(tx, "now", 10)

    assert [claim is not None for claim in claims] == [True, False]
    assert sent == [pressed]
    assert house.claim(pressed)
    # Somebody presses for what is being read: its next slice is waited for as well.
    press_for(house, lists[0])
    assert imports[0]
    with house.database.transaction() as tx:
        goes_on = runs.release(tx, imports[0])
    assert goes_on
    assert house.claim(goes_on)


def test_the_belt_stays_short_whatever_is_due_and_a_press_overtakes(house: House) -> None:
    connect_many(house.database, 430, SEVEN, late_by=30 * MINUTE)
    ticker = house.ticker()

    lengths = []
    for _ in range(5):
        ticker.tick()
        lengths.append(house.queues.length("sync"))
    taken = [house.queues.take("sync") for _ in range(SHORTEST_BELT)]
    ticker.tick()
    refilled = house.queues.length("sync")
    enqueue.publish(house.app, [press(house, "many-429-xero.list_6")])

    assert lengths == [SHORTEST_BELT] * 5
    assert len({message.run_id for message in taken if message}) == SHORTEST_BELT
    assert SHORTEST_BELT <= refilled <= 2 * SHORTEST_BELT
    assert house.queues.length("now") == 1
    assert len(house.open_runs()) == SHORTEST_BELT + refilled + 1


def test_presses_do_not_lengthen_the_belt(house: House) -> None:
    connect_many(house.database, 100, THREE, late_by=30 * MINUTE)
    ticker = house.ticker()
    for number in range(60):
        press(house, f"many-{number}-xero.list_0")
    house.queues.wipe()

    ticker.tick()
    presses = len(house.queues.take_all("now"))
    ticker.tick()

    assert presses == 60
    assert house.queues.length("sync") == SHORTEST_BELT


def test_disconnected_and_switched_off_feeds_are_left_alone(house: House) -> None:
    gone, off, fine = (house.connect(name, THREE) for name in ("gone", "off", "fine"))
    with house.database.transaction() as tx:
        of_gone = select(feeds.c.connection_id).where(feeds.c.id == gone[0]).scalar_subquery()
        tx.execute(update(connections).where(connections.c.id == of_gone).values(state="expired"))
        tx.execute(update(feeds).where(feeds.c.id.in_(off)).values(enabled=False))

    house.ticker().tick()

    assert {run.feed_id for run in house.open_runs()} == set(fine)


# --- what gets lost --------------------------------------------------------------------------------


def test_a_wiped_redis_costs_one_tick(house: House) -> None:
    house.connect("acme", THREE)
    house.connect("globex", THREE)
    ticker = house.ticker()
    ticker.tick()
    started = house.queues.take("sync")
    assert started
    assert house.claim(started)
    queued = {run.id for run in house.open_runs() if run.state == "queued"}

    house.queues.wipe()
    ticker.tick()

    assert {message.run_id for message in house.queues.take_all("sync")} == queued
    assert len(queued) == 5
    assert Counter(run.state for run in house.open_runs()) == {"running": 1, "queued": 5}


def test_a_lost_message_is_sent_again_once_it_has_been_missed(house: House) -> None:
    house.connect("acme", {"xero.list_0": HOUR})
    other = house.connect("globex", {"xero.list_0": HOUR})
    ticker = house.ticker()
    ticker.tick()
    lost, kept = house.queues.take_all("sync")
    if house.feed_of(lost) in other:
        lost, kept = kept, lost
    assert house.claim(kept)

    ticker.tick()
    too_early = house.queues.length("sync")
    house.pass_time(RESEND_AFTER + A_MOMENT)
    house.queues.forget_locks()
    with house.database.transaction() as tx:
        tx.execute(update(run_rows).where(run_rows.c.id == kept.run_id).values(lease_until=tx.now + MINUTE))
    ticker.tick()

    assert too_early == 0
    assert [message.run_id for message in house.queues.take_all("sync")] == [lost.run_id]


def test_messages_of_one_connection_that_are_lost_together_are_all_sent_again(house: House) -> None:
    house.connect("acme", SEVEN)
    house.connect("globex", THREE)
    ticker = house.ticker()
    ticker.tick()
    lost = house.queues.take_all("sync")

    house.pass_time(RESEND_AFTER + A_MOMENT)
    house.queues.forget_locks()
    ticker.tick()

    assert len(lost) == 7
    assert set(house.queues.take_all("sync")) == set(lost)


def test_a_clock_that_ran_a_year_ahead_costs_one_tick_once_it_is_set_back(house: House) -> None:
    feed_ids = house.connect("acme", THREE)
    ticker = house.ticker(upkeep_prune=HOUR)
    ticker.tick()
    house.queues.take_all("sync")
    house.pass_time(timedelta(days=365))
    house.queues.forget_locks()
    ticker.tick()
    done, running, _lost = house.queues.take_all("sync")
    claims = [house.claim(message) for message in (done, running)]
    assert claims[0]
    assert claims[1]
    house.end(claims[0])

    house.pass_time(-timedelta(days=365))
    house.queues.forget_locks()
    duties_sent = house.queues.length("upkeep")
    with capture_logs() as logs:
        ticker.tick()

    assert {house.feed_of(message) for message in house.queues.take_all("sync")} == set(feed_ids)
    assert house.queues.length("upkeep") == duties_sent + 1
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["clock_set_back"]
    with pytest.raises(runs.LeaseLostError), house.database.transaction() as tx:
        runs.renew(tx, claims[1])


def test_what_was_half_read_by_a_wrong_clock_is_planned_by_the_right_one(house: House) -> None:
    (feed_id,) = house.connect("acme", {"xero.list_0": HOUR})
    ticker = house.ticker()
    house.pass_time(timedelta(days=30))
    ticker.tick()
    (message,) = house.queues.take_all("sync")
    claim = house.claim(message)
    assert claim
    with house.database.transaction() as tx:
        runs.renew(tx, claim, runs.Tally(pages=1))
        full_done(tx, feed_id, tx.now)
        rest = runs.release(tx, claim)
        by_the_wrong_time = presses.press(tx, feed_id, by="test", full=True)
    assert rest

    house.pass_time(-timedelta(days=30))
    claim = house.claim(rest)
    ticker.tick()
    assert claim
    house.end(claim)

    with house.database.reading() as tx:
        feed = tx.execute(select(feeds).where(feeds.c.id == feed_id)).one()
        assert feed.due_at <= tx.now + HOUR
        told = tx.execute(select(press_rows).where(press_rows.c.id == by_the_wrong_time.id)).one()
        # Nothing was compared since anybody pressed: that answers neither press.
        assert feed.last_full_read_at < told.pressed_at <= tx.now
        assert feed.full_asked_at <= tx.now


def test_a_run_whose_worker_died_goes_on_with_its_next_slice(house: House) -> None:
    house.connect("acme", {"xero.list_0": HOUR})
    ticker = house.ticker()
    ticker.tick()
    message = house.queues.take("sync")
    assert message
    claim = house.claim(message)
    assert claim
    house.queues.forget_locks()  # whoever takes a message up frees its lock

    ticker.tick()
    while_alive = house.queues.length("sync")
    house.pass_time(claim.lease + A_MOMENT)
    ticker.tick()

    assert while_alive == 0
    assert house.queues.take("sync") == replace(message, slice=2)


def test_beat_waits_for_redis_and_then_goes_on(database_url: str, own_redis: Valkey) -> None:
    with house_over(database_url, own_redis.url) as house:
        mine, other = house.connect("acme", {"xero.list_0": HOUR}), house.connect("globex", THREE)
        scheduler = DueScheduler(app=house.app)
        with house.database.transaction() as tx:
            message = runs.open_due(tx, mine[0], full=False)
            assert message
            assert runs.claim(tx, message.run_id, 1, lease=timedelta(0))

        own_redis.stop()
        waits = scheduler.tick()
        while_away = Counter(run.state for run in house.open_runs())
        own_redis.start()
        scheduler.tick()
        sent = {house.feed_of(message) for message in house.queues.take_all("sync")}
        scheduler.close()

    assert waits == 1.0
    assert while_away == {"queued": 1}  # its worker is gone, and it waits for the queue
    assert sent == {mine[0], *other}


def test_a_duty_is_not_lost_when_the_queue_goes_away_in_the_middle_of_a_tick(house: House) -> None:
    away = house.services.settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})
    ticker = house.ticker(upkeep_prune=HOUR)

    with closing(make_app(away)) as app:
        app.services = house.services
        Ticker(app, {}).tick()
    with house.database.reading() as tx:
        still_due = tx.execute(select(duties.c.due_at)).scalar_one() <= tx.now
    ticker.tick()

    assert still_due
    assert house.queues.tasks("upkeep") == ["upkeep.prune"]


def test_duties_come_at_their_intervals_and_once_after_a_pause(house: House) -> None:
    ticker = house.ticker(upkeep_prune=HOUR, upkeep_grants=6 * HOUR)

    sent = []
    for pause in (timedelta(0), MINUTE, HOUR, 5 * HOUR):
        house.pass_time(pause)
        ticker.tick()
        sent.append(sorted(house.queues.tasks("upkeep")))
        house.queues.wipe()

    assert sent == [
        ["upkeep.grants", "upkeep.prune"],
        [],
        ["upkeep.prune"],
        ["upkeep.grants", "upkeep.prune"],
    ]


def test_beat_goes_on_after_whatever_goes_wrong_in_a_tick(house: House) -> None:
    mine, other = house.connect("acme", {"xero.list_0": HOUR}), house.connect("globex", THREE)
    scheduler = DueScheduler(app=house.app)
    with house.database.transaction() as tx:
        tx.execute(text("ALTER TABLE duties RENAME TO mislaid"))

    with capture_logs() as told:
        waits = scheduler.tick()
    with house.database.transaction() as tx:
        tx.execute(text("ALTER TABLE mislaid RENAME TO duties"))
    scheduler.tick()

    assert waits == 1.0
    assert [entry["event"] for entry in told] in (["tick_broke_off"], ["beat_waits"])
    assert {house.feed_of(message) for message in house.queues.take_all("sync")} == {*mine, *other}


# --- several beats ---------------------------------------------------------------------------------


def second_beat(house: House) -> Celery:
    app = make_app(house.services.settings)
    app.services = open_services(house.services.settings)
    return app


def test_two_beats_that_start_on_a_new_database_both_start(house: House, database_kind: str) -> None:
    first = Ticker(house.app, {"upkeep.prune": HOUR})
    started: list[bool] = []

    def start() -> None:
        first.make_duties_known()
        started.append(True)

    with house.database.transaction() as tx:
        keep_duties(tx, {"upkeep.prune": HOUR})
        thread = threading.Thread(target=start)
        thread.start()
        if database_kind == "postgresql":  # SQLite lets the second one in only when the first is done
            wait_until(lambda: is_kept_waiting(house), "the second one waits for the first")
    thread.join()

    with house.database.reading() as tx:
        kept = tx.execute(select(duties.c.name, duties.c.every_seconds)).all()
    assert started == [True]
    assert kept == [("upkeep.prune", 3600)]


def is_kept_waiting(house: House) -> bool:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
    with house.database.reading() as tx:
        return bool(tx.execute(text(query)).scalar_one())


def test_two_beats_share_the_work_and_open_no_run_twice(
    house: House, database_url: str, redis_url: str
) -> None:
    connect_many(house.database, 20, THREE, late_by=30 * MINUTE)
    second = second_beat(house)
    tickers = [house.ticker(), Ticker(second, {})]
    ended = threading.Event()

    def keep_ticking(ticker: Ticker) -> None:
        while not ended.is_set():
            ticker.tick()

    taken: list[Message] = []

    def all_taken() -> bool:
        taken.extend(house.queues.take_all("sync"))
        return len(taken) >= 60

    threads = [threading.Thread(target=keep_ticking, args=(ticker,)) for ticker in tickers]
    for thread in threads:
        thread.start()
    try:
        wait_until(all_taken, "every feed has its message")
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        second.services.close()
    taken += house.queues.take_all("sync")

    assert len(taken) == len({message.run_id for message in taken}) == 60
    assert len({run.feed_id for run in house.open_runs()}) == len(house.open_runs()) == 60


def test_each_of_two_beats_goes_on_where_the_other_left_off(house: House) -> None:
    connect_many(house.database, 10, THREE, late_by=30 * MINUTE)
    second = second_beat(house)

    sent = []
    for app in (house.app, second):
        told = Ticker(app, {}).tick()
        sent.append((told["sent"], {message.run_id for message in house.queues.take_all("sync")}))
    second.services.close()

    (first, of_first), (second, of_second) = sent
    assert (first, second) == (SHORTEST_BELT, 30 - SHORTEST_BELT)
    assert not of_first & of_second


def test_a_dead_beats_turn_is_free_again(house: House, database_url: str, database_kind: str) -> None:
    house.connect("acme", THREE)
    house.connect("globex", THREE)
    ticker = house.ticker()

    with holding_a_turn(database_url) as other:
        if database_kind == "postgresql":  # on SQLite a second beat waits at the door instead
            assert ticker.tick() == {}
            assert house.open_runs() == []
        other.kill()
        assert other.wait() == -signal.SIGKILL
        wait_until(ticker.tick, "the turn is free")

    assert len(house.open_runs()) == 6


# --- time ------------------------------------------------------------------------------------------


def test_a_press_satisfies_only_the_slots_already_due(house: House) -> None:
    early, late = house.connect("acme", {"xero.list_0": HOUR, "xero.list_1": HOUR})
    other = house.connect("globex", {"xero.list_0": HOUR})[0]
    to_come = {feed_id: next_slot(house, feed_id) for feed_id in (early, late, other)}
    with house.database.transaction() as tx:
        for feed_id, due_at in ((early, to_come[early]), (late, to_come[late] - HOUR)):
            tx.execute(update(feeds).where(feeds.c.id == feed_id).values(due_at=due_at))
    before = due_times(house)

    for feed_id in (early, late):
        claim = house.claim(press(house, feed_id))
        assert claim
        house.end(claim)

    after = due_times(house)
    assert after[early] == before[early] == to_come[early]  # not yet due: the press came besides
    assert after[late] == to_come[late] == before[late] + HOUR
    assert after[other] == before[other]


def next_slot(house: House, feed_id: str) -> datetime:
    with house.database.reading() as tx:
        return next_due(tx.now + A_MOMENT, phase=phase_of(feed_id, HOUR), cadence=HOUR)


def due_times(house: House) -> dict[str, datetime]:
    with house.database.reading() as tx:
        return {row.id: row.due_at for row in tx.execute(select(feeds.c.id, feeds.c.due_at))}


DAY = {"xero.tax_rates": 2 * HOUR, "xero.quotes": HOUR}
AWAY_FROM, AWAY_UNTIL = timedelta(hours=9), timedelta(hours=12, minutes=20)


def test_over_a_day_every_feed_is_read_in_time_and_once_after_an_outage(
    database_url: str, redis_url: str, sandbox: Sandbox
) -> None:
    # A day of calls in a few seconds: only here may they come so fast.
    sandbox.limits(minute=100_000)
    fast = {"xero": replace(XERO, minute=100_000)}
    with engine(sandbox, database_url, redis_url, limits=fast) as whole:
        app = whole.app
        slugs = whole.connect(resources=list(DAY), organisations_wanted=3)
        began_at = now(whole)

        with closing(Queues(redis_url)) as queues:
            live_for(whole, app, queues, AWAY_FROM)
            whole.pass_time(AWAY_UNTIL - AWAY_FROM, comparisons=True)
            back_at = now(whole)
            live_for(whole, app, queues, timedelta(hours=24) - AWAY_UNTIL)

        for slug in slugs:
            for resource, cadence in DAY.items():
                reads = first_reads(whole, slug, resource)
                judge(reads, cadence, began_at, back_at)


def live_for(engine: Engine, app: Celery, queues: Queues, length: timedelta) -> None:
    """Beat and a worker go on for so long; time jumps to the next moment at which something is due."""
    ticker = Ticker(engine.app, {})
    work = app.tasks["sync.slice"]
    until = now(engine) + length
    while (at := now(engine)) < until:
        ticker.tick()
        while message := queues.take("now") or queues.take("sync"):
            work(message.run_id, message.slice)
        # Beat looks once a second, so it sees what is due up to a second later.
        following = next_moment(engine, at) + A_MOMENT
        engine.pass_time(min(max(following, at + A_MOMENT), at + 10 * MINUTE, until) - now(engine))


def next_moment(engine: Engine, at: datetime) -> datetime:
    with engine.services.database.reading() as tx:
        moments = [
            *tx.execute(select(func.min(feeds.c.due_at)).where(feeds.c.due_at > at)).scalars(),
            *tx.execute(select(func.min(feeds.c.full_due_at)).where(feeds.c.full_due_at > at)).scalars(),
            *tx.execute(select(func.min(run_rows.c.not_before))).scalars(),
        ]
        waits = or_(feeds.c.due_at <= at, feeds.c.full_due_at <= at)
        if tx.execute(select(func.count()).select_from(feeds).where(waits)).scalar_one():
            return at
    return min(moment for moment in moments if moment)


def now(engine: Engine) -> datetime:
    with engine.services.database.reading() as tx:
        return tx.now


def first_reads(engine: Engine, slug: str, resource: str) -> list[datetime]:
    """When each run began to read what changed; comparisons come besides."""
    found = engine.runs(slug, resource)
    counted = [run for run in found if not run.full or run is found[0] or resource == "xero.tax_rates"]
    assert {run.state for run in counted} == {"done"}
    return [run.first_read_at for run in counted]


def judge(reads: list[datetime], cadence: timedelta, began_at: datetime, back_at: datetime) -> None:
    left_at = back_at - (AWAY_UNTIL - AWAY_FROM)
    gaps = [later - earlier for earlier, later in pairwise(reads)]
    in_time = [
        gap for earlier, gap in zip(reads, gaps, strict=False) if not earlier < left_at <= earlier + gap
    ]
    caught_up = [read for read in reads if back_at <= read < back_at + cadence]

    assert reads[0] - began_at <= MINUTE
    assert len(in_time) == len(gaps) - 1  # the outage is in exactly one gap
    assert max(in_time) <= cadence + MINUTE
    assert caught_up[0] - back_at <= MINUTE
    assert len(caught_up) <= 2  # one that was owed, and the slot that follows
    assert len(reads) <= timedelta(hours=24) / cadence + 2

"""What an operator does on purpose, or a machine does to itself, costs nobody anything."""

import json
import re
import signal
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from store.database import DatabaseUnavailableError
from tests.faults.house import BEATS, CADENCE, RESOURCES, TICK_SECONDS, WORKERS, House, until
from tests.faults.judge import slots_run_twice, unanswered
from tests.faults.kinds import fill_disk, read_only
from tests.faults.life import Life
from tests.faults.recovery import FRESH_WITHIN, FairClock, Watch

CONTACTS = "xero.contacts"
pytestmark = pytest.mark.timeout(200)


def test_sigterm_lets_the_page_in_hand_be_stored(home: House) -> None:
    slug = home.slugs[0]
    for name in (*WORKERS, *BEATS)[1:]:
        home.end(name, signal.SIGTERM)
    home.sandbox.edit(home.engine.tenants[slug], CONTACTS, "edit", count=2)
    home.sandbox.faults("held", endpoint="Contacts", tenant=home.engine.tenants[slug])
    press = home.press(slug, CONTACTS)
    until(lambda: not home.sandbox.faults_left(), 20, "its answer is held")

    home.send("worker1", signal.SIGTERM)
    time.sleep(0.5)  # less than the call's deadline; what comes then is for the page in hand
    home.sandbox.clear_faults()

    assert home.await_end("worker1", 30) == 0
    assert home.engine.runs(slug, CONTACTS)[-1].pages >= 1
    assert home.engine.runs(slug, CONTACTS)[-1].state != "running"
    home.start(*BEATS, *WORKERS)
    until(lambda: home.engine.feed(slug, CONTACTS).served >= press.generation, 30, "the press is answered")


def test_replacing_every_process_one_by_one_loses_no_press_and_draws_no_error(home: House) -> None:
    since = _complaints(home)
    with Life(home, seed=2) as life:
        for name in (*WORKERS, *BEATS):
            assert home.end(name, signal.SIGTERM) == 0
            home.start(name)
            home.await_started(name)

    assert life.refused == 0
    until(lambda: not unanswered(home, life.taken), 60, "every press is answered")
    assert _complaints(home) == since


def test_a_migration_in_two_steps_goes_by_while_old_workers_run(home: House) -> None:
    since = _complaints(home)
    steps = (
        "ALTER TABLE feeds ADD COLUMN of_tomorrow INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN of_tomorrow VARCHAR(36)",
        "CREATE INDEX ix_runs_of_tomorrow ON runs (of_tomorrow)",
        "DROP INDEX ix_runs_of_tomorrow",
        "ALTER TABLE runs DROP COLUMN of_tomorrow",
        "ALTER TABLE feeds DROP COLUMN of_tomorrow",
    )
    with Life(home, seed=3) as life:
        for step in steps:
            with home.services.database.transaction() as tx:
                tx.execute(text(step))
            _answer_a_press(home)

    until(lambda: not unanswered(home, life.taken), 60, "every press is answered")
    assert _complaints(home) == since


def test_a_database_that_takes_no_writes_is_named_and_work_goes_on_once_it_does(home: House) -> None:
    before = {name: len(home.log(name)) for name in (*WORKERS, *BEATS)}
    mend = read_only(home)
    try:
        until(lambda: _said(home, before, "takes no writes"), 60, "somebody says what is wrong")
    finally:
        mend()
    _answer_a_press(home)
    assert all(map(home.is_alive, (*WORKERS, *BEATS)))


def test_a_database_without_room_is_named_and_work_goes_on_once_there_is_some(home: House) -> None:
    before = {name: len(home.log(name)) for name in (*WORKERS, *BEATS)}
    make_room = fill_disk(home)
    try:
        until(lambda: _said(home, before, "No space left on device"), 60, "somebody says what is wrong")
    finally:
        make_room()
    _answer_a_press(home)
    assert all(map(home.is_alive, (*WORKERS, *BEATS)))
    assert "slice_broke_off" not in "".join(home.log(name)[length:] for name, length in before.items())


def test_a_clock_that_ran_ahead_delays_nobody_once_it_is_set_back(home: House) -> None:
    home.set_clock(timedelta(days=400))
    _answer_a_press(home)
    until(lambda: all(_is_due_ahead(home, slug) for slug in home.slugs), 60, "slots of next year are planned")
    home.set_clock(timedelta(0))

    clock = FairClock()
    reads = {slug: home.engine.feed(slug, CONTACTS).fence for slug in home.slugs}

    def all_read() -> bool:
        clock.look()
        return all(home.engine.feed(slug, CONTACTS).fence > reads[slug] for slug in home.slugs)

    until(all_read, 60, "every organisation is read again")

    assert clock.look() < FRESH_WITHIN
    assert "clock_set_back" in home.log("beat1") + home.log("beat2")


def test_workers_outlive_a_redis_that_dies_while_they_hold_messages(home: House) -> None:
    tenants = [home.engine.tenants[slug] for slug in home.slugs]
    for tenant in tenants:
        home.sandbox.faults("held", endpoint="Contacts", tenant=tenant)
    for slug in home.slugs:
        home.press(slug, CONTACTS)
    until(lambda: not home.sandbox.faults_left(), 30, "their answers are held")

    assert home.valkey.process
    home.valkey.process.kill()
    home.valkey.stop()
    home.proxies["redis"].cut()
    home.sandbox.clear_faults()
    until(lambda: "Connection to broker lost" in home.log("worker1"), 30, "the workers notice")
    home.valkey.start()

    _answer_a_press(home)
    assert all(map(home.is_alive, (*WORKERS, *BEATS)))


def test_a_wiped_redis_costs_a_tick_and_a_run(home: House) -> None:
    with Watch(home) as watch:
        for _ in range(5):  # longer than what is allowed
            home.wipe_redis()
            time.sleep(CADENCE.total_seconds() / 2)

    print(f"longest staleness {watch.longest_staleness:.1f} s; allowed are {FRESH_WITHIN + TICK_SECONDS:g} s")
    assert watch.longest_staleness < FRESH_WITHIN + TICK_SECONDS


def test_with_one_of_two_beats_dead_nothing_is_late(home: House) -> None:
    home.end("beat1")
    with Watch(home) as watch:
        time.sleep(3 * CADENCE.total_seconds())  # longer than what is allowed
    home.start("beat1")

    print(f"longest staleness {watch.longest_staleness:.1f} s; allowed are {FRESH_WITHIN:g} s")
    assert watch.longest_staleness < FRESH_WITHIN
    assert slots_run_twice(home.services.database) == []


def _answer_a_press(home: House) -> None:
    """Somebody presses, and is answered soon."""
    slug = home.slugs[-1]
    press = until(lambda: _press(home, slug), 30, "the database takes presses again")
    until(lambda: home.engine.feed(slug, CONTACTS).served >= press.generation, 60, "the press is answered")


def _press(home: House, slug: str) -> Any:
    try:
        return home.press(slug, CONTACTS)
    except DatabaseUnavailableError:
        return None


def _said(home: House, before: dict[str, int], words: str) -> bool:
    return any(re.search(words, home.log(name)[length:]) for name, length in before.items())


def _is_due_ahead(home: House, slug: str) -> bool:
    with home.services.database.reading() as tx:
        now = tx.now
    return all(home.engine.feed(slug, resource).due_at > now - CADENCE for resource in RESOURCES)


def _complaints(home: House) -> list[str]:
    """Every line that an operator would have to look at."""
    lines = [line for name in (*WORKERS, *BEATS) for line in home.log(name).splitlines()]
    levels = [json.loads(line) for line in lines if line.startswith("{")]
    plain = [line for line in lines if line.strip() and not line.startswith("{") and "Traceback" in line]
    return plain + [line["event"] for line in levels if line["level"] in ("error", "critical")]

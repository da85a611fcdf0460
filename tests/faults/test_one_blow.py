"""One blow at a time, at its worst moment: each proves one mechanism without which something is lost."""

import re
import signal
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from store.models import grants
from tests.faults.child import Arm
from tests.faults.follower import Follower
from tests.faults.house import RESOURCES, House, house, until
from tests.faults.kinds import fill_disk
from tests.faults.nursery import Nursery
from tests.faults.recovery import GOES_ON_WITHIN, FairClock

CONTACTS, QUOTES = "xero.contacts", "xero.quotes"
# Of a run that reads little, by one worker, on a machine that does much else.
A_RUN = 15.0

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(scope="module", params=["sqlite"])
def quiet(
    request: pytest.FixtureRequest, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """One organisation that was read once and whose next slots are an hour away; nothing runs."""
    folder = tmp_path_factory.mktemp(f"quiet-{request.param}")
    with house(request.param, folder, nursery=nursery, organisations=1, cadence=timedelta(hours=1)) as made:
        made.start("worker1", "beat1")
        for resource in RESOURCES:
            press = made.press(made.slugs[0], resource)
            until(lambda: _is_served(made, resource, press.generation), 60, "read once")  # noqa: B023
        made.end("worker1", signal.SIGTERM)
        made.end("beat1", signal.SIGTERM)
        yield made


@pytest.fixture
def still(quiet: House) -> Iterator[House]:
    """The same, with nothing running before and after."""
    yield quiet
    for name in ("worker1", "worker2", "beat1"):
        if quiet.is_there(name):
            quiet.send(name, signal.SIGCONT)
            quiet.end(name)
    quiet.wipe_redis()


def test_messages_that_a_wipe_took_are_sent_again_at_the_next_tick(still: House) -> None:
    press = still.press(still.slugs[0], CONTACTS)  # its message waits: no worker takes it
    still.start("beat1", hurry=False)
    until(lambda: still.started("beat1"), 30, "beat ticks")
    time.sleep(2.5)  # two ticks: the life of this Redis is on record

    still.wipe_redis()
    still.start("worker1", hurry=False)

    # Not for another 50 s would it be taken for lost.
    until(lambda: _is_served(still, CONTACTS, press.generation), A_RUN, "a tick and a run")


def test_a_killed_workers_run_goes_on_within_lease_and_tick(still: House) -> None:
    # Unhurried: what is merely taken for lost would be sent again long after.
    still.start("beat1", "worker1", arm=Arm("claim.committed"), hurry=False)
    press = still.press(still.slugs[0], CONTACTS)
    assert still.await_end("worker1", 30) == -signal.SIGKILL
    [struck] = [run for run in still.engine.runs(still.slugs[0], CONTACTS) if run.ended_at is None]
    assert still.notes("worker1")[-1]["run"] == struck.id
    claimed = struck.fence
    clock = FairClock()
    still.start("worker2")

    def goes_on() -> bool:
        clock.look()
        return bool(still.engine.feed(still.slugs[0], CONTACTS).fence > claimed)

    until(goes_on, 60, "it goes on")

    print(f"it goes on after {clock.look():.1f} s; allowed are {GOES_ON_WITHIN:g} s")
    assert clock.now < GOES_ON_WITHIN
    until(lambda: _is_served(still, CONTACTS, press.generation), 30, "and is done")


@pytest.mark.parametrize("point", ["refresh.begun", "refresh.answered", "refresh.saved"])
def test_a_grant_outlives_whoever_dies_while_refreshing_it(still: House, point: str) -> None:
    with still.services.database.transaction() as tx:
        tx.execute(update(grants).values(access_expires_at=tx.now))
    still.start("beat1", "worker1", arm=Arm(point))
    press = still.press(still.slugs[0], CONTACTS)
    assert still.await_end("worker1", 30) == -signal.SIGKILL

    still.start("worker2")

    until(lambda: _is_served(still, CONTACTS, press.generation), 60, "the next one refreshes, and reads")
    with still.services.database.reading() as tx:
        (grant,) = tx.execute(select(grants.c.dead_at, grants.c.refresh_intent_at)).all()
    assert grant == (None, None)


def test_a_full_disk_is_named_and_work_goes_on_once_there_is_room(still: House) -> None:
    slug, tenant = still.slugs[0], still.engine.tenants[still.slugs[0]]
    still.start("beat1", "worker1")
    still.await_started("beat1", "worker1")
    make_room = fill_disk(still)
    try:
        still.sandbox.edit(tenant, CONTACTS, "edit", count=100)
        press = still.press(slug, CONTACTS)
        words = "disk I/O error|disk is full"
        until(lambda: re.search(words, still.log("worker1") + still.log("beat1")), 60, "it is said")
    finally:
        make_room()

    until(lambda: _is_served(still, CONTACTS, press.generation), 60, "the press is answered")
    assert still.is_alive("beat1")
    assert still.is_alive("worker1")


@pytest.mark.parametrize("quiet", ["postgresql"], indirect=True)  # SQLite lets one write at a time
def test_who_follows_the_events_misses_none_that_were_committed_late(still: House) -> None:
    slug, tenant = still.slugs[0], still.engine.tenants[still.slugs[0]]
    with Follower(still) as follower:
        known = follower.last(0)
        for resource in (CONTACTS, QUOTES):
            still.sandbox.edit(tenant, resource, "edit", count=1)
        still.start("beat1", "worker1", arm=Arm("page.written", signal=signal.SIGSTOP))
        first = still.press(slug, CONTACTS)
        until(lambda: _struck(still, "worker1"), 30, "its events are written, not committed")
        still.start("worker2")
        second = still.press(slug, QUOTES)
        still.await_started("worker2")
        time.sleep(2)  # the other one commits now, if nothing holds it back

        still.send("worker1", signal.SIGCONT)
        for resource, press in ((CONTACTS, first), (QUOTES, second)):
            until(lambda: _is_served(still, resource, press.generation), 40, resource)  # noqa: B023
        until(lambda: follower.last(0) >= known + 2, 20, "both are told")

        assert follower.missed() == []


def _is_served(home: House, resource: str, generation: int) -> bool:
    return bool(home.engine.feed(home.slugs[0], resource).served >= generation)


def _struck(home: House, name: str) -> bool:
    return bool(home.notes(name) and home.notes(name)[-1]["what"] == "struck")

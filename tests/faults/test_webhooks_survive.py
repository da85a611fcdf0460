"""Whoever dies on a webhook's way, what it tells counts once, and the change is here soon."""

import signal
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from config.points import WEB_POINTS
from store.models import feeds
from tests.faults.child import PACE, Arm
from tests.faults.house import TICK_SECONDS, House, house, until
from tests.faults.nursery import Nursery
from tests.faults.webhooks import Webhooks

CONTACTS = "xero.contacts"
# Of a run that reads little, by one worker, on a machine that does much else.
A_RUN = 15.0

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def told(
    request: pytest.FixtureRequest, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """One organisation that was read once and whose next slots are an hour away; Xero tells of its edits."""
    folder = tmp_path_factory.mktemp(f"told-{request.param}")
    with house(request.param, folder, nursery=nursery, organisations=1, cadence=timedelta(hours=1)) as made:
        made.start("worker1", "beat1", "web")
        press = made.press(made.slugs[0], CONTACTS)
        until(lambda: made.engine.feed(made.slugs[0], CONTACTS).served >= press.generation, 60, "read once")
        yield made


@pytest.fixture
def webhooks(told: House) -> Iterator[Webhooks]:
    """The subscription; the list was not read just now."""
    told.start(*(name for name in ("worker1", "beat1", "web") if not told.is_there(name)))
    with told.services.database.transaction() as tx:
        tx.execute(update(feeds).values(last_start_at=None))
    subscribed = Webhooks(told)
    yield subscribed
    subscribed.end()


@pytest.mark.parametrize("point", WEB_POINTS)
def test_what_is_told_counts_once_wherever_the_web_process_dies(
    told: House, webhooks: Webhooks, point: str
) -> None:
    told.end("web")
    told.start("web", arm=Arm(point))
    until(webhooks.is_listening, 30, "web listens")

    contact = edit(told)
    died = told.await_end("web", 30)
    told.start("web")
    webhooks.await_taken()

    assert died == -signal.SIGKILL
    statuses = [one["status"] for one in webhooks.posted()]
    assert (statuses[0], statuses[-1]) == (0, 200)
    assert webhooks.kept().count(contact) == 1
    until(lambda: is_stored(told, contact), A_RUN, "the change is here")


@pytest.mark.parametrize("point", ["", "claim.begun", "claim.committed", "page.written"])
def test_a_change_that_was_told_is_here_soon_after_whoever_was_to_read_it_died(
    told: House, webhooks: Webhooks, point: str
) -> None:
    told.end("worker1")
    if point:
        told.start("worker1", arm=Arm(point))

    contact = edit(told)
    webhooks.await_taken()
    if point:
        assert told.await_end("worker1", 30) == -signal.SIGKILL
    died_at = time.monotonic()
    told.start("worker1")
    until(lambda: is_stored(told, contact), 60, "the change is here")

    # What nobody had taken up needs no lease to run out.
    lease = PACE.resend_after.total_seconds() if point else 0.0
    assert time.monotonic() - died_at < lease + TICK_SECONDS + A_RUN
    assert webhooks.kept().count(contact) == 1


def edit(house: House) -> str:
    """Somebody edits a contact at Xero; its id."""
    [contact] = house.sandbox.edit(house.engine.tenants[house.slugs[0]], CONTACTS, count=1)
    return contact


def is_stored(house: House, contact: str) -> bool:
    """Whether the contact is here as it is there."""
    [slug] = house.slugs
    return house.engine.parsed(slug, CONTACTS)[contact] == house.engine.at_provider(slug, CONTACTS)[contact]

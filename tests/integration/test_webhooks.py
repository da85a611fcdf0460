"""Webhooks from the sandbox, over HTTP, to the stored record: each counts once, and none is lost."""

import contextlib
import http.client
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import IntegrityError

from config.limits import CallClass
from connectors.webhooks import Notice
from connectors.xero.webhooks import RESOURCES
from limiter.limiter import Account, Remaining
from sandbox.testing import Answer, Sandbox
from store import deliveries as delivery_store
from store import notices as notice_store
from store import runs, switches
from store.models import connections, feeds, notices
from store.notices import APART
from store.organisations import find, links, lose_access
from sync.run import run_slice
from sync.services import Pace
from tests.integration.engine import ROOMY, Engine, engine
from tests.integration.listening import AGAIN, answered, answers, listening
from tests.integration.workers import wait_until
from web.bodies import LARGEST_BODY

CONTACTS, INVOICES, QUOTES = "xero.contacts", "xero.invoices", "xero.quotes"
READ = [CONTACTS, INVOICES, QUOTES]
KEY, OLD_KEY = "the app's key", "the app's key of before"
LATE = delivery_store.LATE + timedelta(seconds=1)


class House:
    """An engine with a door, two organisations that are up to date, and Xero, which may tell it."""

    def __init__(self, engine: Engine, url: str) -> None:
        self.engine = engine
        self.sandbox = engine.sandbox
        self.url = url
        self.one, self.two = engine.connect(resources=READ)
        self.edited: set[str] = set()
        self.began = self.sandbox.posted()["last"]
        with engine.services.database.transaction() as tx:
            # As if all had been read: what counts here is what comes after.
            later = tx.now + timedelta(minutes=50)
            read = {"newest_at": tx.now, "due_at": later, "full_due_at": tx.now + timedelta(days=1)}
            tx.execute(update(feeds).values(**read, last_start_at=tx.now - APART))

    def subscribe(self, key: str = KEY, **habits: Any) -> dict[str, Any]:
        return answered(lambda: self.sandbox.webhooks(f"{self.url}/hooks/xero", key, **AGAIN | habits))

    def edit(self, slug: str, resource: str, **how: Any) -> None:
        """Somebody edits at the provider; comes back when everybody was told."""
        self.edit_untold(slug, resource, **how)
        self.all_told()

    def edit_untold(self, slug: str, resource: str, action: str = "edit", **how: Any) -> None:
        """Somebody edits; they may hear of it later."""
        self.edited |= set(self.sandbox.edit(self.engine.tenants[slug], resource, action, **how))

    def all_told(self) -> None:
        wait_until(lambda: not self.sandbox.posted()["under_way"], "every delivery was taken")

    def posted(self) -> list[dict[str, Any]]:
        """Every attempt at a delivery to this house."""
        return list(self.sandbox.posted(self.began)["posted"])

    def notices(self, slug: str) -> list[Any]:
        with self.engine.services.database.reading() as tx:
            scope = tx.scope(find(tx, slug).id)
            return list(tx.execute(scope.select(notices).order_by(notices.c.received_at, notices.c.key)))

    def waiting(self, slug: str) -> int:
        return sum(notice.handed_at is None for notice in self.notices(slug))

    def causes(self, slug: str, resource: str) -> list[str]:
        """Why the feed was read."""
        return [run.cause for run in self.engine.runs(slug, resource)]

    def is_equal(self, slug: str, resource: str) -> bool:
        """Whether what was edited is stored as the provider has it."""
        there = self.engine.at_provider(slug, resource)
        stored = self.engine.parsed(slug, resource)
        edited = self.edited & set(there)
        return bool(edited) and all(stored.get(each) == there[each] for each in edited)

    def post(self, body: bytes, **headers: str) -> Answer:
        sandbox = Sandbox(self.url)
        return sandbox.call("POST", "/hooks/xero", headers, body)


@pytest.fixture
def house(shared_sandbox: Sandbox, database_url: str, redis_url: str) -> Iterator[House]:
    shared_sandbox.calm()
    keys = f"{KEY},{OLD_KEY}"
    with (
        engine(shared_sandbox, database_url, redis_url, limits=ROOMY, xero_webhook_keys=keys) as made,
        listening(made.services) as url,
    ):
        yield House(made, url)
        shared_sandbox.calm()  # nobody is there any more to be told


def test_an_edit_at_xero_is_stored_at_the_next_tick_and_nobody_elses_list_is_read(house: House) -> None:
    assert house.subscribe()["ready"]

    house.edit(house.one, CONTACTS)
    house.edit(house.one, INVOICES, count=3)
    outcomes = house.engine.settle()

    assert {outcome.state for outcome in outcomes} == {"done"}
    assert house.is_equal(house.one, CONTACTS)
    assert house.is_equal(house.one, INVOICES)
    assert house.causes(house.one, CONTACTS) == house.causes(house.one, INVOICES) == ["webhook"]
    assert house.causes(house.two, CONTACTS) == house.causes(house.one, QUOTES) == []
    assert (house.waiting(house.one), house.notices(house.two)) == (0, [])


def test_xero_finds_that_we_know_its_signature_and_each_key_of_ours_will_do(house: House) -> None:
    assert house.subscribe(KEY)["ready"]
    assert house.subscribe(OLD_KEY)["ready"]

    wrong = house.subscribe("somebody else's")

    assert not wrong["ready"]
    assert [each["status"] for each in wrong["asked"]] == [401] * 4
    assert house.notices(house.one) == []


def test_what_is_doubled_overtaken_or_forged_counts_once_or_not_at_all(house: House) -> None:
    house.subscribe(together=3, at_once=20, double=1, overtake=0.5, forge=0.5, times="seconds")

    for _ in range(10):
        house.edit_untold(house.one, INVOICES, count=4)
    house.edit_untold(house.two, CONTACTS, "archive", count=2)
    house.all_told()
    outcomes = house.engine.settle()

    posted = house.posted()
    # A forged one does not come again; 0: no answer in time.
    assert {each["status"] for each in posted if each["kind"] == "forged"} - {0} == {401}
    assert {each["kind"] for each in posted} >= {"true", "double", "forged"}
    # 40 edits at one organisation, 2 at the other, and no more.
    assert (len(house.notices(house.one)), len(house.notices(house.two))) == (40, 2)
    assert len(outcomes) == 2
    assert house.is_equal(house.one, INVOICES)
    assert house.is_equal(house.two, CONTACTS)


def test_a_storm_is_read_once_in_fifteen_seconds_and_its_last_change_is_not_lost(house: House) -> None:
    house.subscribe(together=5, at_once=20)

    house.edit(house.one, INVOICES, count=30)
    house.engine.settle()
    house.edit(house.one, INVOICES, count=30)
    house.edit(house.one, INVOICES, count=30)
    none_of_it_took_long(house, INVOICES)
    too_soon = house.engine.settle()
    house.engine.pass_time(APART)
    then = house.engine.settle()

    assert (too_soon, len(then)) == ([], 1)
    assert house.causes(house.one, INVOICES) == ["webhook", "webhook"]
    first, second = (run.first_read_at for run in house.engine.runs(house.one, INVOICES))
    assert second - first >= APART
    assert house.is_equal(house.one, INVOICES)
    assert house.waiting(house.one) == 0


def none_of_it_took_long(house: House, resource: str) -> None:
    """However long a machine was at it, the list's last run begins only now."""
    [run] = house.engine.runs(house.one, resource)
    with house.engine.services.database.transaction() as tx:
        its_feed = (feeds.c.id == run.feed_id) & (feeds.c.last_start_at == run.first_read_at)
        assert tx.execute(update(feeds).where(its_feed).values(last_start_at=tx.now)).rowcount == 1


def test_what_is_told_while_its_list_is_read_waits_for_the_next_run(house: House) -> None:
    house.subscribe()
    house.edit(house.one, INVOICES)
    (message,) = house.engine.tick()
    claim = house.engine.claim(message)
    assert claim

    house.edit(house.one, INVOICES)
    house.engine.pass_time(APART)
    assert house.engine.tick() == []
    run_slice(house.engine.services, claim)
    house.engine.settle()

    assert house.causes(house.one, INVOICES) == ["webhook", "webhook"]
    assert house.waiting(house.one) == 0


def test_what_is_told_joins_a_run_that_has_not_read_yet_and_takes_it_ahead(house: House) -> None:
    house.subscribe()
    house.engine.pass_time(timedelta(hours=1))
    scheduled = [message for message in house.engine.tick() if message.lane == "sync"]

    house.edit(house.one, INVOICES)
    (ahead,) = house.engine.tick()
    house.engine.work([ahead, *scheduled])

    assert ahead.lane == "now"
    assert house.causes(house.one, INVOICES) == ["schedule"]
    assert {notice.run_id for notice in house.notices(house.one)} == {ahead.run_id}
    assert house.is_equal(house.one, INVOICES)


def test_what_is_told_is_read_ahead_of_scheduled_work_for_some_slices_only(house: House) -> None:
    one_page_each = replace(house.engine.services, pace=Pace(press_slice=timedelta(0)))
    house.subscribe()
    house.engine.pages_of(INVOICES, 1)
    house.edit(house.one, INVOICES, count=runs.WEBHOOK_SLICES + 1)

    lanes, messages = [], house.engine.tick()
    while messages:
        (message,) = messages
        lanes.append(message.lane)
        claim = house.engine.claim(message)
        assert claim
        messages = run_slice(one_page_each, claim).messages

    ahead, after = lanes[: runs.WEBHOOK_SLICES], lanes[runs.WEBHOOK_SLICES :]
    assert set(ahead) == {"now"}
    assert set(after) == {"sync"}
    assert house.is_equal(house.one, INVOICES)


def test_what_is_told_stays_ahead_however_often_it_had_to_wait_before_it_was_read(house: House) -> None:
    house.subscribe()
    house.edit(house.one, INVOICES)
    (message,) = house.engine.tick()

    for _ in range(runs.WEBHOOK_SLICES + 1):
        claim = house.engine.claim(message)
        assert claim
        with house.engine.services.database.transaction() as tx:
            runs.snooze(tx, claim, wait=timedelta(seconds=1), reason="minute limit")
        house.engine.pass_time(timedelta(seconds=2))
        (message,) = house.engine.tick()

    assert message.lane == "now"


def test_a_webhook_leaves_the_days_reserve_to_people_and_a_press_beside_it_does_not(house: House) -> None:
    house.subscribe()
    house.edit(house.one, INVOICES)
    (message,) = house.engine.tick()
    claim = house.engine.claim(message)
    assert claim
    assert not claim.is_press

    run_slice(house.engine.services, claim)
    house.engine.pass_time(APART)
    house.edit(house.one, INVOICES)
    house.engine.press(house.one, INVOICES)
    (message,) = house.engine.tick()
    claim = house.engine.claim(message)

    assert claim
    assert claim.is_press


def test_a_webhook_leaves_a_part_of_the_day_to_what_is_due_and_waits_no_longer_than_until_then(
    house: House,
) -> None:
    house.subscribe()
    services = house.engine.services
    with services.database.transaction() as tx:
        tx.execute(update(connections).values(day_limit=20))
        connection = links(tx, find(tx, house.one).id)[0].id
    account = Account("xero", connection, 20)
    for _ in range(14):  # six are left: as many as webhooks leave; scheduled work leaves four
        services.limiter.answered(services.limiter.acquire(account, CallClass.DECISION), Remaining())
    house.edit(house.one, INVOICES)
    house.edit(house.two, INVOICES)

    outcomes = house.engine.settle()
    [run] = house.engine.runs(house.one, INVOICES)
    due_at = house.engine.feed(house.one, INVOICES).due_at
    house.engine.pass_time(timedelta(minutes=51))
    then = house.engine.tick()
    house.engine.work([message for message in then if message.run_id == run.id])

    assert sorted((outcome.state, outcome.reason) for outcome in outcomes) == [
        ("done", None),
        ("snoozed", "day reserve"),
    ]
    assert abs(run.not_before - due_at) < timedelta(seconds=1)
    assert [run.state for run in house.engine.runs(house.one, INVOICES)] == ["done"]
    assert house.is_equal(house.one, INVOICES)


def test_a_full_comparison_makes_way_for_what_is_told(house: House) -> None:
    house.subscribe()
    house.engine.pages_of(INVOICES, 20)
    with house.engine.services.database.transaction() as tx:
        message = runs.open_due(tx, house.engine.feed_id(house.one, INVOICES, tx=tx), full=True)
    assert message
    claim = house.engine.claim(message)
    assert claim

    house.edit(house.one, INVOICES)
    assert house.engine.tick() == []
    comparison = run_slice(house.engine.services, claim)
    house.engine.settle()

    assert comparison.state == "yielded"
    assert house.causes(house.one, INVOICES)[:2] == ["full", "webhook"]
    assert house.is_equal(house.one, INVOICES)


def test_where_a_number_is_missing_every_list_that_webhooks_tell_of_is_read_once(house: House) -> None:
    house.subscribe()
    house.edit(house.one, INVOICES)
    house.engine.settle()
    for _ in range(2):  # two holes, and one read serves both
        house.subscribe(unasked=True, lose=1)
        house.edit(house.two, CONTACTS)
        house.subscribe(unasked=True, lose=0)
        house.edit(house.one, INVOICES)
    look_for_holes(house)
    assert house.waiting(house.two) == 0  # it may only be late

    house.engine.pass_time(LATE)
    look_for_holes(house)
    look_for_holes(house)
    with house.engine.services.database.transaction() as tx:
        sent = notice_store.hand_over(tx)
    # Thousands may have missed something at the same time: those wait for the belt.
    assert [message.feed_id for message in sent] == [house.engine.feed_id(house.one, INVOICES)]
    house.engine.work(sent)
    house.engine.settle()

    assert house.causes(house.two, CONTACTS) == house.causes(house.two, INVOICES) == ["webhook"]
    assert house.causes(house.two, QUOTES) == []
    assert house.is_equal(house.two, CONTACTS)
    # It turns up after all, and others with it: no hole is found where one was.
    house.engine.pass_time(LATE)
    house.edit(house.one, INVOICES)
    house.engine.pass_time(LATE)
    look_for_holes(house)
    assert [notice.kind for notice in house.notices(house.two)] == ["missed", "missed"]


def look_for_holes(house: House) -> None:
    with house.engine.services.database.transaction() as tx:
        delivery_store.look_for_missing(tx, "xero", set(RESOURCES.values()))


def test_what_a_delivery_tells_and_its_numbers_are_kept_together_or_not_at_all(house: House) -> None:
    database = house.engine.services.database
    tenant = house.engine.tenants[house.one]
    told = Notice(
        tenant_id=tenant, resource=INVOICES, key="one", kind="UPDATE", record_id="it", happened_at=None
    )
    broken: Any = ("its sequence", 1, None)

    with pytest.raises(IntegrityError), database.statement() as tx:
        delivery_store.take_in(tx, "xero", [told], [broken])
    nothing = house.notices(house.one)
    with database.statement() as tx:
        delivery_store.take_in(tx, "xero", [told], [("its sequence", 1, 1)])
    # The connection goes back as it came: the next transaction on it is one.
    with contextlib.suppress(ZeroDivisionError), database.transaction() as tx:
        tx.execute(delete(notices))
        raise ZeroDivisionError

    assert nothing == []
    assert [notice.key for notice in house.notices(house.one)] == ["one"]


def test_unknown_tenants_and_lists_that_are_off_are_quietly_ignored(house: House) -> None:
    house.subscribe()
    with house.engine.services.database.transaction() as tx:
        switches.switch(tx, find(tx, house.one), INVOICES, on=False, actor="test")

    house.edit(house.one, INVOICES)
    third = house.sandbox.tenants()[2]["tenant_id"]
    house.sandbox.edit(third, CONTACTS)
    house.all_told()

    assert answers(house.posted(), "true") == {200}
    assert house.notices(house.one) == house.notices(house.two) == []
    assert house.engine.settle() == []


def test_what_nobody_can_be_handed_neither_waits_for_ever_nor_is_kept(house: House) -> None:
    house.subscribe()
    house.edit(house.one, INVOICES)
    house.edit(house.one, CONTACTS)
    house.edit(house.two, CONTACTS)
    with house.engine.services.database.transaction() as tx:
        switches.switch(tx, find(tx, house.one), INVOICES, on=False, actor="test")
        [gone] = links(tx, find(tx, house.two).id)
        lose_access(tx, gone)
    with house.engine.services.database.transaction() as tx:
        waiting, _ = notice_store.waiting(tx)
        pruned = notice_store.prune(tx)

    house.edit(house.two, CONTACTS)  # Xero goes on telling
    house.engine.settle()

    assert (waiting, pruned) == (1, 2)
    assert house.notices(house.two) == []
    assert [notice.handed_at is not None for notice in house.notices(house.one)] == [True]


def test_a_first_import_and_what_is_due_already_keep_nobody_elses_notice_waiting(house: House) -> None:
    house.subscribe()
    for slug, resource in ((house.one, INVOICES), (house.one, CONTACTS), (house.two, CONTACTS)):
        house.edit(slug, resource)
    with house.engine.services.database.transaction() as tx:
        imported, due = (house.engine.feed_id(house.one, name, tx=tx) for name in (INVOICES, CONTACTS))
        tx.execute(update(feeds).where(feeds.c.id == imported).values(newest_at=None))
        tx.execute(update(feeds).where(feeds.c.id == due).values(due_at=tx.now))
        for feed_id in (imported, due):
            assert runs.open_due(tx, feed_id, full=True)

    with house.engine.services.database.transaction() as tx:
        [message] = notice_store.hand_over(tx, 1)

    assert message.feed_id == house.engine.feed_id(house.two, CONTACTS)
    assert house.waiting(house.one) == 2


def test_the_door_answers_without_a_word_and_takes_nothing_too_large(house: House) -> None:
    forged = house.post(b"{}", **{"x-xero-signature": "nonsense"})
    door = http.client.HTTPConnection(house.url.removeprefix("http://"))
    door.putrequest("POST", "/hooks/xero")
    door.putheader("Content-Length", str(LARGEST_BODY + 1))
    door.endheaders()
    with contextlib.closing(door), door.getresponse() as huge:
        refused = (huge.status, huge.read())

    assert (forged.status, forged.body) == (401, b"")
    assert refused == (413, b"")
    assert "Set-Cookie" not in forged.headers


def test_what_cannot_be_stored_is_refused_and_comes_again(house: House) -> None:
    """The database is gone for a while; Xero repeats, and the change arrives."""
    database = house.engine.services.database
    house.subscribe()
    with database.transaction() as tx:
        tx.execute(_rename("notices", "notices_elsewhere"))

    house.edit_untold(house.one, INVOICES)
    wait_until(lambda: {500, 503} & {each["status"] for each in house.posted()}, "it was refused")
    with database.transaction() as tx:
        tx.execute(_rename("notices_elsewhere", "notices"))
    house.all_told()
    house.engine.settle()

    assert house.is_equal(house.one, INVOICES)
    assert len(house.notices(house.one)) == 1


def _rename(name: str, to: str) -> Any:
    return text(f"ALTER TABLE {name} RENAME TO {to}")

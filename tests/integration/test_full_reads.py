"""One full read serves first import, full resync and the daily comparison, and stands in nobody's way."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from config.cadence import COMPARISON, COMPARISON_AT_THE_LATEST
from sandbox.testing import Sandbox
from store import dispatch, organisations, runs, status
from store.models import runs as run_rows
from store.status import PressState
from sync.run import run_slice
from sync.services import Pace
from tests.integration.engine import ROOMY, Engine, engine

CONTACTS = "xero.contacts"
IMPORTED = 180  # contacts of the first organisation: pages of 50 make four


@pytest.fixture
def halting_engine(sandbox: Sandbox, database_url: str, redis_url: str) -> Iterator[Engine]:
    """Each slice is used up after its first page, and pages are short."""
    pace = Pace(slice=timedelta(0), press_slice=timedelta(0))
    with engine(sandbox, database_url, redis_url, pace=pace, limits=ROOMY) as made:
        made.pages_of(CONTACTS, 50)
        yield made


@pytest.fixture
def roomy_engine(sandbox: Sandbox, database_url: str, redis_url: str) -> Iterator[Engine]:
    with engine(sandbox, database_url, redis_url, limits=ROOMY) as made:
        yield made


def test_presses_go_between_the_slices_of_a_full_resync_which_goes_on_from_its_cursor(
    halting_engine: Engine,
) -> None:
    one, other = synced(halting_engine)
    tenant = halting_engine.tenants[one]
    silent = halting_engine.sandbox.edit(tenant, CONTACTS, "silent", count=20)
    before = halting_engine.sandbox.last_call()

    full = halting_engine.press(one, CONTACTS, full=True)
    halting_engine.work(list(full.messages))
    slices = 0
    while not receipt(halting_engine, one, full.id).done:
        # A slice of the full read, an edit, and a press that does not wait for the rest.
        one_slice(halting_engine)
        slices += 1
        edited = halting_engine.sandbox.edit(tenant, CONTACTS, "edit", count=1)
        press = halting_engine.press(one, CONTACTS)
        assert press.messages
        halting_engine.work(list(press.messages))
        assert receipt(halting_engine, one, press.id).done
        stored, there = halting_engine.parsed(one, CONTACTS), halting_engine.at_provider(one, CONTACTS)
        assert [key for key in edited if stored[key] != there[key]] == []

    assert slices >= 4
    assert_equal(halting_engine, one)
    assert silent
    assert whole_lists_begun(halting_engine, tenant, after=before) == 1
    assert halting_engine.settle() == []
    assert len(halting_engine.runs(other, CONTACTS)) == 1


def test_a_due_hourly_read_goes_between_the_slices_of_a_full_resync(halting_engine: Engine) -> None:
    one, _ = synced(halting_engine)
    tenant = halting_engine.tenants[one]
    halting_engine.work(list(halting_engine.press(one, CONTACTS, full=True).messages))
    assert one_slice(halting_engine)
    assert halting_engine.feed(one, CONTACTS).full_cursor
    (added,) = halting_engine.sandbox.edit(tenant, CONTACTS, "add")
    before = halting_engine.sandbox.last_call()

    halting_engine.pass_time(timedelta(hours=2))
    while added not in halting_engine.stored(one, CONTACTS):
        assert one_slice(halting_engine)

    calls = [call for call in halting_engine.sandbox.calls(after=before) if call["tenant"] == tenant]
    assert len(calls) == 1
    assert [run.state for run in halting_engine.runs(one, CONTACTS)] == ["done", "done", "yielded", "done"]
    assert halting_engine.feed(one, CONTACTS).full_cursor
    halting_engine.settle()
    assert halting_engine.feed(one, CONTACTS).full_cursor is None
    assert whole_lists_begun(halting_engine, tenant, after=before) == 0
    assert_equal(halting_engine, one)


def test_a_full_press_is_answered_only_by_a_full_read_that_began_after_it(halting_engine: Engine) -> None:
    one, _ = synced(halting_engine)
    first = halting_engine.press(one, CONTACTS, full=True)
    halting_engine.work(list(first.messages))
    one_slice(halting_engine)
    tenant = halting_engine.tenants[one]
    # What the first slice has passed changes without a trace: only a full read that begins now can tell.
    passed = next(iter(halting_engine.at_provider(one, CONTACTS)))
    halting_engine.sandbox.edit(tenant, CONTACTS, "silent", ids=[passed])
    second = halting_engine.press(one, CONTACTS, full=True)
    halting_engine.work(list(second.messages))

    seen_between = False
    while not receipt(halting_engine, one, second.id).done:
        assert one_slice(halting_engine)
        if receipt(halting_engine, one, first.id).done and not receipt(halting_engine, one, second.id).done:
            seen_between = True

    assert seen_between
    assert halting_engine.parsed(one, CONTACTS)[passed] == halting_engine.at_provider(one, CONTACTS)[passed]


def test_the_daily_comparison_finds_what_changed_without_a_trace(roomy_engine: Engine) -> None:
    one, other = synced(roomy_engine)
    silent = roomy_engine.sandbox.edit(roomy_engine.tenants[one], CONTACTS, "silent", count=30)
    roomy_engine.sync(one, CONTACTS)
    stale = roomy_engine.parsed(one, CONTACTS)
    assert len([key for key in silent if stale[key] != roomy_engine.at_provider(one, CONTACTS)[key]]) >= 29

    roomy_engine.pass_time(COMPARISON)
    roomy_engine.settle()

    assert_equal(roomy_engine, one, other)
    imported, compared = [run for run in roomy_engine.runs(one, CONTACTS) if run.full]
    assert (imported.added, compared.added) == (IMPORTED, 0)
    assert (compared.state, compared.lane) == ("done", "sync")
    assert compared.changed >= 29


def test_a_comparison_leaves_half_of_the_day_to_others_until_it_is_a_week_old(roomy_engine: Engine) -> None:
    one, _ = synced(roomy_engine)
    # 2,300 of 5,000 calls are left: enough for hourly reads, not for what can wait.
    roomy_engine.sandbox.spend(roomy_engine.tenants[one], 2700)
    roomy_engine.sync(one, CONTACTS)
    compared_at = roomy_engine.feed(one, CONTACTS).last_full_read_at

    roomy_engine.pass_time(COMPARISON)
    outcomes = roomy_engine.settle()

    assert ("yielded", "day reserve") in [(outcome.state, outcome.reason) for outcome in outcomes]
    line = roomy_engine.line(one, CONTACTS)
    assert (line.state, line.reason) == ("up to date", None)
    assert roomy_engine.feed(one, CONTACTS).last_full_read_at == compared_at
    assert roomy_engine.runs(one, CONTACTS)[-1].ended_at
    # A week after the last one it is ordinary work.
    roomy_engine.pass_time(COMPARISON_AT_THE_LATEST)
    roomy_engine.settle()
    assert roomy_engine.feed(one, CONTACTS).last_full_read_at > compared_at


def test_a_press_that_meets_a_comparison_without_budget_is_answered_at_once(roomy_engine: Engine) -> None:
    one, _ = synced(roomy_engine)
    roomy_engine.sandbox.spend(roomy_engine.tenants[one], 2700)
    roomy_engine.sync(one, CONTACTS)
    feed_id = roomy_engine.feed_id(one, CONTACTS)
    with roomy_engine.services.database.transaction() as tx:
        message = runs.open_due(tx, feed_id, full=True)
    assert message
    claim = roomy_engine.claim(message)
    assert claim
    press = roomy_engine.press(one, CONTACTS)
    assert press.messages == ()

    roomy_engine.work(list(run_slice(roomy_engine.services, claim).messages))

    assert receipt(roomy_engine, one, press.id).done


def test_a_comparison_that_keeps_failing_keeps_no_hourly_read_waiting(roomy_engine: Engine) -> None:
    one, _ = synced(roomy_engine)
    tenant = roomy_engine.tenants[one]
    roomy_engine.sandbox.faults("status", status=500, tenant=tenant, count=3, skip=1)
    roomy_engine.sync(one, CONTACTS, full=True)
    assert roomy_engine.line(one, CONTACTS).reason == "back-off"
    put_off_for_hours(roomy_engine, one)
    due_at = roomy_engine.feed(one, CONTACTS).due_at
    (added,) = roomy_engine.sandbox.edit(tenant, CONTACTS, "add")
    roomy_engine.sandbox.faults("status", status=500, tenant=tenant, count=3, skip=1)

    roomy_engine.pass_time(due_at - now(roomy_engine) + timedelta(seconds=1), comparisons=True)
    roomy_engine.settle()

    assert added in roomy_engine.stored(one, CONTACTS)
    assert roomy_engine.feed(one, CONTACTS).due_at > now(roomy_engine)
    # The comparison failed again, and was tried once.
    assert roomy_engine.sandbox.faults_left() == []
    assert roomy_engine.line(one, CONTACTS).reason == "back-off"


def test_a_list_that_never_stops_changing_is_read_afresh_later_and_says_nothing_of_what_is_gone(
    roomy_engine: Engine,
) -> None:
    resource = "xero.linked_transactions"
    slugs = roomy_engine.connect(resources=[resource])
    slug, tenant = slugs[0], roomy_engine.tenants[slugs[0]]
    roomy_engine.sandbox.edit(tenant, resource, "add", count=300)
    roomy_engine.settle()
    (removed,) = roomy_engine.sandbox.edit(tenant, resource, "remove", which="first")
    restless = {"times": 500}
    roomy_engine.sandbox.edit(tenant, resource, "edit", count=120, after_calls=restless)
    known = roomy_engine.sandbox.last_call()

    for _ in range(2):
        press = roomy_engine.press(slug, resource)
        (outcome,) = roomy_engine.work(list(press.messages))
        assert (outcome.state, outcome.reason) == ("snoozed", "back-off")

    assert removed in roomy_engine.stored(slug, resource)
    assert len(roomy_engine.sandbox.calls(after=known)) < 60 * 2
    assert roomy_engine.line(slug, resource).state == "retrying"
    # When it comes to rest, the read comes to its end.
    roomy_engine.sandbox.control("DELETE", "edit")
    roomy_engine.sync(slug, resource)
    assert roomy_engine.line(slug, resource).state == "up to date"
    stored = roomy_engine.parsed(slug, resource)
    assert {key: row for key, row in stored.items() if key != removed} == roomy_engine.at_provider(
        slug, resource
    )


# --- what the tests above say in their own words ------------------------------------------------------


def synced(made: Engine) -> list[str]:
    """Two organisations whose contacts are up to date."""
    slugs = made.connect(resources=[CONTACTS])
    made.settle()
    assert len(made.stored(slugs[0], CONTACTS)) == IMPORTED
    return slugs


def one_slice(made: Engine) -> bool:
    """What beat finds is worked through for one slice, without what follows from it."""
    for message in made.tick():
        claim = made.claim(message)
        if claim:
            outcome = run_slice(made.services, claim)
            with made.services.database.transaction() as tx:
                dispatch.mark_published(tx, [follow.run_id for follow in outcome.messages], None)
            return True
    return False


def receipt(made: Engine, slug: str, press_id: str) -> PressState:
    with made.services.database.reading() as tx:
        return status.press_state(tx.scope(organisations.find(tx, slug).id), press_id)


def now(made: Engine) -> Any:
    with made.services.database.reading() as tx:
        return tx.now


def put_off_for_hours(made: Engine, slug: str) -> None:
    """As after many failures in a row: the comparison's next try is far away."""
    with made.services.database.transaction() as tx:
        open_run = made.runs(slug, CONTACTS)[-1]
        assert open_run.state == "snoozed"
        tx.execute(
            run_rows.update()
            .where(run_rows.c.id == open_run.id)
            .values(not_before=tx.now + timedelta(hours=9))
        )


def whole_lists_begun(made: Engine, tenant: str, *, after: int) -> int:
    """How often the whole list was asked for from its beginning since a call."""
    return len(
        [
            call
            for call in made.sandbox.calls(after=after)
            if call["tenant"] == tenant and call["if_modified_since"] is None and "page=1&" in call["query"]
        ]
    )


def assert_equal(made: Engine, *slugs: str) -> None:
    for slug in slugs:
        assert made.parsed(slug, CONTACTS) == made.at_provider(slug, CONTACTS)

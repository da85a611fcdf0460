"""P14: whatever keeps a feed from being fresh, its line names exactly that, and once mended it goes on."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from bench.week.clocks import Clocks, MovedLimiter
from config.limits import Outage
from connectors.transport import Transport
from sandbox.testing import Sandbox
from store import organisations, runs, vanished
from store.models import feeds
from store.organisations import UnknownResourceError
from sync.providers import limits_of, open_providers
from sync.run import run_slice
from sync.services import SHAPES
from tests.integration.engine import ROOMY, Engine, engine

TAX_RATES, QUOTES = "xero.tax_rates", "xero.quotes"
RESOURCES = [TAX_RATES, QUOTES]
FRESH = ("up to date", None)
# Budgets come back, and an outage is looked into, within minutes: longer than a busy machine takes for a
# test, and no longer than its clocks are moved on.
MINUTE = timedelta(minutes=1)
QUICK = {
    "xero": replace(
        ROOMY["xero"],
        minute_window=4 * MINUTE,
        day_window=4 * MINUTE,
        app_window=2 * MINUTE,
        back_off=(3 * MINUTE, 3 * MINUTE),
        lost_probe=1 * MINUTE,
        outage=Outage(probe=3 * MINUTE),
    )
}


@pytest.fixture
def clocks() -> Clocks:
    """The clocks of sandbox, database and Redis, to be moved on together."""
    return Clocks()


@pytest.fixture
def quick_engine(sandbox: Sandbox, database_url: str, redis_url: str, clocks: Clocks) -> Iterator[Engine]:
    with engine(sandbox, database_url, redis_url, limits=QUICK) as made:
        sandbox.limits(style="rolling")
        usual = made.services
        limits = limits_of(usual.settings, QUICK)
        limiter = MovedLimiter(redis_url, limits, clocks)
        providers = open_providers(usual.settings, limiter, limits, Transport(), lambda _seconds: None)
        made.services = replace(usual, limiter=limiter, providers=providers)
        let_go = clocks.take_along(sandbox, redis_url, usual.database)
        with closing(limiter), closing(providers["xero"].api):
            yield made
        let_go()


# --- limits: they come back by themselves -------------------------------------------------------------


def test_used_up_minutes_and_days_are_named_and_come_back_by_themselves(
    quick_engine: Engine, clocks: Clocks
) -> None:
    minute, day, reserve = slugs = synced(quick_engine, organisations_wanted=3)
    sandbox, tenants = quick_engine.sandbox, quick_engine.tenants
    sandbox.limits(tenants[minute], minute=60, minute_window=240)
    sandbox.limits(tenants[day], day=1000, day_window=240)
    sandbox.limits(tenants[reserve], day=5000, day_window=240)
    quick_engine.pass_time(timedelta(hours=2))
    messages = quick_engine.tick()
    sandbox.spend(tenants[minute], 60)
    sandbox.spend(tenants[day], 1000)
    sandbox.spend(tenants[reserve], 4500)

    lists = [quick_engine.feed_id(slug, QUOTES) for slug in slugs]
    quick_engine.work([message for message in messages if message.feed_id in lists])
    quick_engine.work([message for message in messages if message.feed_id not in lists])

    assert lines(quick_engine, minute)[QUOTES] == ("waiting for rate limit", "minute limit")
    assert lines(quick_engine, day)[QUOTES] == ("waiting for rate limit", "day limit")
    # One call went out and learned how little is left: scheduled work leaves that to presses.
    assert lines(quick_engine, reserve)[QUOTES] == FRESH
    assert lines(quick_engine, reserve)[TAX_RATES] == ("waiting for rate limit", "day reserve")
    eventually(quick_engine, clocks, lambda: all(lines(quick_engine, slug) == all_fresh() for slug in slugs))


def test_a_press_may_use_the_reserve_that_scheduled_work_waits_for(
    sandbox: Sandbox, database_url: str, redis_url: str
) -> None:
    with engine(sandbox, database_url, redis_url, limits=ROOMY) as made:
        slug, other = synced(made)
        sandbox.spend(made.tenants[slug], 4500)
        made.sync(slug, TAX_RATES)
        made.pass_time(timedelta(hours=2))
        made.settle()
        assert lines(made, slug) == dict.fromkeys(RESOURCES, ("waiting for rate limit", "day reserve"))
        assert lines(made, other) == all_fresh()

        made.sync(slug, QUOTES)

        assert lines(made, slug)[QUOTES] == FRESH
        assert lines(made, slug)[TAX_RATES] == ("waiting for rate limit", "day reserve")


def test_the_apps_limit_is_named_for_every_organisation_and_comes_back_by_itself(
    quick_engine: Engine, clocks: Clocks
) -> None:
    slugs = synced(quick_engine, resources=[QUOTES])
    quick_engine.pass_time(timedelta(hours=2))
    quick_engine.sandbox.limits(app_minute=1)
    quick_engine.sandbox.spend(quick_engine.tenants[slugs[0]], 1)

    quick_engine.work(quick_engine.tick())

    for slug in slugs:
        assert lines(quick_engine, slug)[QUOTES] == ("waiting for rate limit", "app limit")
    quick_engine.sandbox.limits(app_minute=100_000)
    eventually(
        quick_engine, clocks, lambda: all(lines(quick_engine, slug)[QUOTES] == FRESH for slug in slugs)
    )


# --- the provider: it comes back by itself ------------------------------------------------------------


def test_a_failure_of_one_organisation_is_a_back_off_and_goes_on_by_itself(whole_engine: Engine) -> None:
    slug, other = synced(whole_engine)
    whole_engine.sandbox.faults(
        "status", status=500, endpoint="Quotes", tenant=whole_engine.tenants[slug], count=6
    )
    whole_engine.pass_time(timedelta(hours=2))

    waits = []
    for _ in range(2):
        whole_engine.settle()
        assert lines(whole_engine, slug) == {TAX_RATES: FRESH, QUOTES: ("retrying", "back-off")}
        assert lines(whole_engine, other) == all_fresh()
        line = whole_engine.line(slug, QUOTES)
        assert line.error
        assert line.next_sync_at
        assert line.last_attempt_at
        waits.append(line.next_sync_at - line.last_attempt_at)
        whole_engine.pass_time(waits[-1])
    whole_engine.settle()

    # Each wait is twice as long as the one before, less at most half of it by lot.
    assert timedelta(seconds=7) < waits[0] < timedelta(seconds=16)
    assert timedelta(seconds=14) < waits[1] < timedelta(seconds=31)
    assert lines(whole_engine, slug) == all_fresh()
    assert whole_engine.line(slug, QUOTES).error is None


def test_an_outage_is_the_providers_for_all_and_ends_by_itself(quick_engine: Engine, clocks: Clocks) -> None:
    slugs = synced(quick_engine, resources=[QUOTES])
    quick_engine.pass_time(timedelta(hours=2))
    quick_engine.sandbox.faults("status", status=503, count=100)

    # The first one cannot know yet whose failure it is; whoever comes after five failures can.
    quick_engine.work(quick_engine.tick())
    first = [lines(quick_engine, slug)[QUOTES] for slug in slugs]
    quick_engine.pass_time(timedelta(seconds=16))
    quick_engine.work(quick_engine.tick())

    assert sorted(first) == [("retrying", "back-off"), ("retrying", "provider unavailable")]
    for slug in slugs:
        assert lines(quick_engine, slug)[QUOTES] == ("retrying", "provider unavailable")
    quick_engine.sandbox.clear_faults()
    eventually(
        quick_engine, clocks, lambda: all(lines(quick_engine, slug)[QUOTES] == FRESH for slug in slugs)
    )


def test_work_that_nobody_does_is_a_backlog(whole_engine: Engine) -> None:
    slug, other = synced(whole_engine)

    whole_engine.pass_time(timedelta(hours=2, seconds=61))

    for known in (slug, other):
        assert lines(whole_engine, known) == dict.fromkeys(RESOURCES, ("queued", "backlog"))
    messages = whole_engine.tick()
    assert lines(whole_engine, slug) == dict.fromkeys(RESOURCES, ("queued", "backlog"))
    whole_engine.work(messages)
    whole_engine.settle()
    assert lines(whole_engine, slug) == lines(whole_engine, other) == all_fresh()


# --- a person's part ----------------------------------------------------------------------------------


def test_a_dead_grant_stops_its_organisations_until_one_reconnects(whole_engine: Engine) -> None:
    one, sister, stranger = synced(whole_engine, organisations_wanted=3)  # the first two share a grant
    expire_grant(whole_engine.sandbox)
    whole_engine.pass_time(timedelta(hours=2))

    whole_engine.settle()

    for slug in (one, sister):
        assert lines(whole_engine, slug) == dict.fromkeys(RESOURCES, ("disconnected", "grant expired"))
    assert lines(whole_engine, stranger) == all_fresh()
    press = whole_engine.press(one, QUOTES)
    assert (press.messages, press.reason) == ((), "grant expired")
    quiet_since = whole_engine.sandbox.last_call()
    whole_engine.pass_time(timedelta(minutes=30))
    whole_engine.settle()
    assert tenants_called(whole_engine, quiet_since) <= {whole_engine.tenants[stranger]}

    whole_engine.connect(resources=RESOURCES, organisations_wanted=3)
    whole_engine.settle()

    for slug in (one, sister, stranger):
        assert lines(whole_engine, slug) == all_fresh()
        assert whole_engine.parsed(slug, QUOTES) == whole_engine.at_provider(slug, QUOTES)
    assert whole_engine.feed(one, QUOTES).served == press.generation


def test_removed_access_stops_one_organisation_until_it_reconnects(whole_engine: Engine) -> None:
    one, sister = synced(whole_engine)
    tenant = whole_engine.tenants[one]
    whole_engine.sandbox.faults("tenant_removed", tenant=tenant)
    whole_engine.pass_time(timedelta(hours=2))

    whole_engine.settle()

    assert lines(whole_engine, one) == dict.fromkeys(RESOURCES, ("disconnected", "access removed"))
    assert lines(whole_engine, sister) == all_fresh()
    whole_engine.sandbox.clear_faults()
    assert whole_engine.press(one, QUOTES).reason == "access removed"
    assert [message for message in whole_engine.tick() if message.lane == "now"] == []

    went_on = whole_engine.sandbox.last_call()
    whole_engine.connect(resources=RESOURCES)
    whole_engine.settle()

    assert lines(whole_engine, one) == lines(whole_engine, sister) == all_fresh()
    asked = [call for call in whole_engine.sandbox.calls(after=went_on) if call["endpoint"] == "Quotes"]
    # It goes on from its cursor (the daily comparison may follow).
    assert next(call["if_modified_since"] for call in asked if call["tenant"] == tenant)


def test_a_run_that_lost_its_grant_while_one_reconnected_goes_on(whole_engine: Engine) -> None:
    one, _ = synced(whole_engine)
    claim = whole_engine.claim(whole_engine.press(one, QUOTES).messages[0])
    assert claim
    whole_engine.connect(resources=RESOURCES)
    with whole_engine.services.database.transaction() as tx:
        runs.snooze(tx, claim, wait=None, reason="grant expired")

    whole_engine.settle()

    assert lines(whole_engine, one) == all_fresh()


def test_one_refusal_of_an_organisation_that_is_still_listed_is_only_a_back_off(whole_engine: Engine) -> None:
    one, _ = synced(whole_engine)
    whole_engine.sandbox.faults("status", status=403, endpoint="Quotes", tenant=whole_engine.tenants[one])

    whole_engine.sync(one, QUOTES)

    assert lines(whole_engine, one) == {TAX_RATES: FRESH, QUOTES: ("retrying", "back-off")}
    whole_engine.pass_time(timedelta(seconds=16))
    whole_engine.settle()
    assert lines(whole_engine, one) == all_fresh()


def test_a_missing_permission_stops_its_resource_until_a_press_or_a_reconnect(whole_engine: Engine) -> None:
    one, other = synced(whole_engine, resources=[*RESOURCES, "xero.contacts"])
    for endpoint in ("TaxRates", "Quotes"):
        whole_engine.sandbox.faults("scope", endpoint=endpoint, tenant=whole_engine.tenants[one])
    whole_engine.pass_time(timedelta(hours=2))

    whole_engine.settle()

    missing = ("action needed", "permission missing")
    assert lines(whole_engine, one) == {TAX_RATES: missing, QUOTES: missing, "xero.contacts": FRESH}
    assert set(lines(whole_engine, other).values()) == {FRESH}
    whole_engine.sandbox.clear_faults()
    quiet_since = whole_engine.sandbox.last_call()
    whole_engine.pass_time(timedelta(hours=3))
    whole_engine.settle()
    asked = whole_engine.sandbox.calls(after=quiet_since)
    assert {call["endpoint"] for call in asked if call["tenant"] == whole_engine.tenants[one]} == {"Contacts"}

    whole_engine.sync(one, TAX_RATES)
    assert lines(whole_engine, one) == {TAX_RATES: FRESH, QUOTES: missing, "xero.contacts": FRESH}
    whole_engine.connect(resources=[*RESOURCES, "xero.contacts"])
    whole_engine.settle()
    assert set(lines(whole_engine, one).values()) == {FRESH}


def test_a_permission_that_an_old_consent_lacked_stops_nothing_of_the_new_one(whole_engine: Engine) -> None:
    one, _ = synced(whole_engine)
    whole_engine.sandbox.faults("scope", endpoint="Quotes", tenant=whole_engine.tenants[one])
    claim = whole_engine.claim(whole_engine.press(one, QUOTES).messages[0])
    assert claim

    whole_engine.connect(resources=RESOURCES)  # while that is on its way
    assert run_slice(whole_engine.services, claim).reason == "permission missing"
    whole_engine.sandbox.clear_faults()
    whole_engine.settle()

    assert lines(whole_engine, one) == all_fresh()


def test_what_the_provider_does_not_offer_is_off_until_one_reconnects(whole_engine: Engine) -> None:
    one, other = synced(whole_engine)
    whole_engine.sandbox.faults("status", status=501, endpoint="Quotes", tenant=whole_engine.tenants[one])
    whole_engine.sync(one, QUOTES)

    assert lines(whole_engine, one) == {TAX_RATES: FRESH, QUOTES: ("off", "off")}
    assert lines(whole_engine, other) == all_fresh()
    with pytest.raises(UnknownResourceError, match="is off"):
        whole_engine.press(one, QUOTES)
    whole_engine.pass_time(timedelta(days=2))
    whole_engine.settle()
    assert lines(whole_engine, one)[QUOTES] == ("off", "off")

    whole_engine.connect(resources=RESOURCES)
    whole_engine.settle()
    assert lines(whole_engine, one) == all_fresh()


def test_a_list_of_the_wrong_kind_needs_action_and_is_tried_again_by_itself(whole_engine: Engine) -> None:
    one, other = synced(whole_engine)
    whole_engine.sandbox.faults("filter_ignored", endpoint="Quotes", tenant=whole_engine.tenants[one])
    whole_engine.sync(one, QUOTES)

    assert lines(whole_engine, one) == {TAX_RATES: FRESH, QUOTES: ("action needed", "filter ignored")}
    assert lines(whole_engine, other) == all_fresh()
    whole_engine.pass_time(timedelta(seconds=16))
    whole_engine.settle()
    assert lines(whole_engine, one) == all_fresh()


def test_a_comparison_of_an_ignored_filter_waits_its_time_however_late_the_feed_is(
    whole_engine: Engine,
) -> None:
    one, _ = synced(whole_engine, resources=["xero.contacts"])
    whole_engine.sandbox.faults(
        "filter_ignored", endpoint="Contacts", tenant=whole_engine.tenants[one], count=1000
    )
    whole_engine.pages_of("xero.contacts", 10)  # a comparison of several pages seeks its way with the filter
    whole_engine.sync(one, "xero.contacts", full=True)
    assert lines(whole_engine, one) == {"xero.contacts": ("action needed", "filter ignored")}
    with whole_engine.services.database.transaction() as tx:
        mine = feeds.c.id == organisations.feed_of(tx, organisations.find(tx, one), "xero.contacts")
        tx.execute(update(feeds).where(mine).values(due_at=tx.now))
    before = whole_engine.sandbox.last_call()

    assert [whole_engine.tick() for _ in range(3)] == [[], [], []]

    asked = whole_engine.sandbox.calls(after=before)
    assert [call for call in asked if call["tenant"] == whole_engine.tenants[one]] == []


def test_a_held_vanish_needs_a_persons_word(whole_engine: Engine) -> None:
    one, other = synced(whole_engine)
    for _ in range(2):
        whole_engine.sandbox.faults("empty_list", endpoint="TaxRates", tenant=whole_engine.tenants[one])
        whole_engine.sync(one, TAX_RATES)

    assert lines(whole_engine, one) == {TAX_RATES: ("action needed", "vanish held"), QUOTES: FRESH}
    assert lines(whole_engine, other) == all_fresh()
    with whole_engine.services.database.transaction() as tx:
        organisation = organisations.find(tx, one)
        feed_id = organisations.feed_of(tx, organisation, TAX_RATES)
        vanished.dismiss(tx.scope(organisation.id), SHAPES[TAX_RATES], feed_id=feed_id, actor="ann")
    assert lines(whole_engine, one) == all_fresh()


# --- what the tests above say in their own words ------------------------------------------------------


def synced(made: Engine, *, resources: list[str] = RESOURCES, organisations_wanted: int = 2) -> list[str]:
    """Organisations that are up to date."""
    slugs = made.connect(resources=resources, organisations_wanted=organisations_wanted)
    made.settle()
    assert {said for slug in slugs for said in lines(made, slug).values()} == {FRESH}
    return slugs


def lines(made: Engine, slug: str) -> dict[str, tuple[str, str | None]]:
    """State and reason of each of an organisation's feeds."""
    return {line.resource: (line.state, line.reason) for line in made.lines(slug)}


def all_fresh() -> dict[str, tuple[str, str | None]]:
    return dict.fromkeys(RESOURCES, FRESH)


def eventually(made: Engine, clocks: Clocks, holds: Callable[[], bool]) -> None:
    """Beat and workers go on until it holds, while the clocks are moved on."""
    for _ in range(40):
        if holds():
            return
        clocks.move(MINUTE / 2)
        made.settle()
    assert holds()


def expire_grant(sandbox: Sandbox) -> None:
    """Somebody else rotates the first grant's tokens, and the old ones' 30 minutes of grace pass."""
    sandbox.refresh(sandbox.grants()["grants"][0]["refresh_token"])
    sandbox.advance(31 * 60)


def tenants_called(made: Engine, after: int) -> set[str]:
    return {call["tenant"] for call in made.sandbox.calls(after=after) if call["tenant"]}

"""P9: nothing is marked gone by mistake: complete, agreeing reads say so, and a person when it is many.

What holds for every list alone is in test_every_vanish.py.
"""

from datetime import timedelta
from typing import Any

import pytest

from store import organisations, status, vanished
from store.models import audit
from sync.services import SHAPES
from tests.integration.engine import Engine
from tests.integration.traces import candidates_of, gone, look, told

CONTACTS, TAX_RATES = "xero.contacts", "xero.tax_rates"
# What never says that a record is gone: a list that fails, or that is not what was asked for.
BROKEN = ["empty", "html", "truncated", "cut", "reset", "short_page", "status"]


# --- answers that prove nothing -----------------------------------------------------------------------


def test_a_broken_answer_to_an_hourly_read_deletes_nothing_and_moves_no_cursor(whole_engine: Engine) -> None:
    one, other = synced(whole_engine)
    tenant = whole_engine.tenants[one]

    for kind in BROKEN:
        before = whole_engine.feed(one, CONTACTS)
        whole_engine.sandbox.edit(tenant, CONTACTS, "edit", count=9)
        whole_engine.sandbox.faults(kind, tenant=tenant, count=3)

        (outcome,) = whole_engine.sync(one, CONTACTS)

        assert (kind, outcome.state, outcome.reason) == (kind, "snoozed", "back-off")
        line, after = whole_engine.line(one, CONTACTS), whole_engine.feed(one, CONTACTS)
        assert (kind, line.state, line.reason) == (kind, "retrying", "back-off")
        assert line.error
        assert (kind, after.newest_at, after.cursor) == (kind, before.newest_at, before.cursor)
        # It goes on by itself.
        whole_engine.pass_time(timedelta(minutes=1))
        whole_engine.settle()
        assert (kind, whole_engine.line(one, CONTACTS).state) == (kind, "up to date")

    assert (gone(whole_engine, one, CONTACTS), candidates_of(whole_engine, one, CONTACTS)) == ([], {})
    assert_equal(whole_engine, one, other)


def test_a_full_read_that_fails_in_its_middle_deletes_nothing_and_goes_on(whole_engine: Engine) -> None:
    one, other = synced(whole_engine)
    whole_engine.pages_of(CONTACTS, 60)
    tenant = whole_engine.tenants[one]
    removed: list[str] = []

    for times, kind in enumerate(BROKEN):
        known = (gone(whole_engine, one, CONTACTS), candidates_of(whole_engine, one, CONTACTS))
        removed += whole_engine.sandbox.edit(tenant, CONTACTS, "remove", which="first")
        # The press begins with one call for what changed; then the second page of the whole list fails.
        whole_engine.sandbox.faults(kind, tenant=tenant, count=3, skip=2)

        whole_engine.sync(one, CONTACTS, full=True)

        assert (kind, whole_engine.line(one, CONTACTS).reason) == (kind, "back-off")
        assert (kind, gone(whole_engine, one, CONTACTS), candidates_of(whole_engine, one, CONTACTS)) == (
            kind,
            *known,
        )
        whole_engine.pass_time(timedelta(minutes=1))
        whole_engine.settle()
        assert (kind, whole_engine.line(one, CONTACTS).state) == (kind, "up to date")
        assert (kind, list(candidates_of(whole_engine, one, CONTACTS))) == (kind, removed[-1:])
        assert (kind, gone(whole_engine, one, CONTACTS)) == (kind, sorted(removed[:-1]))
        # The import, and one whole list for each press: what was broken off went on.
        assert (kind, whole_lists_begun(whole_engine, tenant)) == (kind, times + 2)

    assert (gone(whole_engine, other, CONTACTS), candidates_of(whole_engine, other, CONTACTS)) == ([], {})


@pytest.mark.parametrize("kind", ["filter_ignored", "wrong_order"])
def test_a_list_that_is_not_what_was_asked_for_is_stored_and_concludes_nothing(
    whole_engine: Engine, kind: str
) -> None:
    one, _ = synced(whole_engine)
    before = whole_engine.feed(one, CONTACTS)
    tenant = whole_engine.tenants[one]
    edited = whole_engine.sandbox.edit(tenant, CONTACTS, "edit", count=5, which="first")
    whole_engine.sandbox.advance(2)
    whole_engine.sandbox.edit(tenant, CONTACTS, "edit", ids=edited[-1:])
    whole_engine.sandbox.faults(kind, tenant=tenant)

    (outcome,) = whole_engine.sync(one, CONTACTS)

    assert (outcome.state, outcome.reason) == ("snoozed", "filter ignored")
    line, after = whole_engine.line(one, CONTACTS), whole_engine.feed(one, CONTACTS)
    assert (line.state, line.reason) == ("action needed", "filter ignored")
    assert (after.newest_at, after.cursor) == (before.newest_at, before.cursor)
    stored, there = whole_engine.parsed(one, CONTACTS), whole_engine.at_provider(one, CONTACTS)
    assert [key for key in edited if stored[key] != there[key]] == []
    assert (gone(whole_engine, one, CONTACTS), candidates_of(whole_engine, one, CONTACTS)) == ([], {})
    # A press tries again at once.
    whole_engine.sync(one, CONTACTS)
    assert whole_engine.line(one, CONTACTS).state == "up to date"
    assert_equal(whole_engine, one)


def test_an_empty_hourly_answer_says_only_that_nothing_changed(whole_engine: Engine) -> None:
    one, other = synced(whole_engine)
    before = whole_engine.feed(one, CONTACTS)

    whole_engine.sandbox.faults("empty_list", tenant=whole_engine.tenants[one])
    (outcome,) = whole_engine.sync(one, CONTACTS)

    assert outcome.state == "done"
    assert whole_engine.feed(one, CONTACTS).newest_at == before.newest_at
    assert (gone(whole_engine, one, CONTACTS), candidates_of(whole_engine, one, CONTACTS)) == ([], {})
    assert_equal(whole_engine, one, other)


def test_a_full_read_shorter_than_announced_proves_nothing_and_is_tried_again_later(
    whole_engine: Engine,
) -> None:
    one, _ = synced(whole_engine)
    whole_engine.pages_of(CONTACTS, 60)
    tenant = whole_engine.tenants[one]
    (early,) = whole_engine.sandbox.edit(tenant, CONTACTS, "remove", which="first")
    # Page 1 announces them all; then some vanish before their page is read.
    last = list(whole_engine.at_provider(one, CONTACTS))[-3:]
    whole_engine.sandbox.edit(tenant, CONTACTS, "remove", ids=last, after_calls={"skip": 1})
    press = whole_engine.press(one, CONTACTS, full=True)

    whole_engine.work(list(press.messages))
    whole_engine.settle()

    assert (gone(whole_engine, one, CONTACTS), candidates_of(whole_engine, one, CONTACTS)) == ([], {})
    assert not receipt(whole_engine, one, press.id).done
    assert whole_engine.tick() == []  # it is not begun again at once
    whole_engine.pass_time(timedelta(hours=1))
    whole_engine.settle()
    assert receipt(whole_engine, one, press.id).done
    assert candidates_of(whole_engine, one, CONTACTS).keys() == {early, *last}


# --- what is gone indeed ------------------------------------------------------------------------------


def test_a_removed_record_is_gone_when_two_complete_reads_agree(whole_engine: Engine) -> None:
    one, other = synced(whole_engine)
    removed = whole_engine.sandbox.edit(whole_engine.tenants[one], CONTACTS, "remove", count=3)

    whole_engine.sync(one, CONTACTS)
    assert candidates_of(whole_engine, one, CONTACTS) == {}
    whole_engine.sync(one, CONTACTS, full=True)
    assert candidates_of(whole_engine, one, CONTACTS).keys() == set(removed)
    assert gone(whole_engine, one, CONTACTS) == []
    whole_engine.sync(one, CONTACTS, full=True)

    assert gone(whole_engine, one, CONTACTS) == sorted(removed)
    assert candidates_of(whole_engine, one, CONTACTS) == {}
    assert told(whole_engine, one, CONTACTS, "gone") == sorted(removed)
    assert whole_engine.runs(one, CONTACTS)[-1].gone == 3
    assert whole_engine.line(one, CONTACTS).state == "up to date"
    assert (gone(whole_engine, other, CONTACTS), told(whole_engine, other, CONTACTS, "gone")) == ([], [])
    assert_equal(whole_engine, one, other)


def test_a_record_missing_from_a_list_that_is_always_read_whole_is_gone_after_two_reads(
    whole_engine: Engine,
) -> None:
    one, other = synced(whole_engine, TAX_RATES)
    removed = whole_engine.sandbox.edit(whole_engine.tenants[one], TAX_RATES, "remove")

    whole_engine.sync(one, TAX_RATES)
    assert gone(whole_engine, one, TAX_RATES) == []
    whole_engine.sync(one, TAX_RATES)

    assert gone(whole_engine, one, TAX_RATES) == removed
    assert_equal(whole_engine, one, other, resource=TAX_RATES)


def test_a_record_found_again_by_the_second_full_read_is_not_gone(whole_engine: Engine) -> None:
    one, _ = synced(whole_engine)
    empty_full_read(whole_engine, one)
    assert len(candidates_of(whole_engine, one, CONTACTS)) == 180

    whole_engine.sync(one, CONTACTS, full=True)

    assert (gone(whole_engine, one, CONTACTS), candidates_of(whole_engine, one, CONTACTS)) == ([], {})
    assert_equal(whole_engine, one)


def test_a_record_that_any_read_meets_in_between_is_not_gone(whole_engine: Engine) -> None:
    one, _ = synced(whole_engine)
    tenant = whole_engine.tenants[one]
    removed = whole_engine.sandbox.edit(tenant, CONTACTS, "remove", count=2, which="first")
    whole_engine.sync(one, CONTACTS, full=True)
    (returned, still_away) = removed
    assert candidates_of(whole_engine, one, CONTACTS).keys() == set(removed)
    # It comes back, an hourly read meets it, and it goes again before the second full read.
    whole_engine.sandbox.edit(tenant, CONTACTS, "add", fields={"ContactID": returned})
    whole_engine.sync(one, CONTACTS)
    whole_engine.sandbox.edit(tenant, CONTACTS, "remove", ids=[returned])

    whole_engine.sync(one, CONTACTS, full=True)

    assert gone(whole_engine, one, CONTACTS) == [still_away]
    assert candidates_of(whole_engine, one, CONTACTS).keys() == {returned}


def test_what_is_added_or_met_while_a_full_read_goes_on_is_no_candidate_of_it(whole_engine: Engine) -> None:
    one, _ = synced(whole_engine)
    tenant = whole_engine.tenants[one]
    ids = list(whole_engine.at_provider(one, CONTACTS))
    met, missing = ids[-1], ids[-2]
    full_read_under_way(whole_engine, one)
    # An hourly read meets a new record and an edited one; all three are away when the full read comes by.
    (added,) = whole_engine.sandbox.edit(tenant, CONTACTS, "add")
    whole_engine.sandbox.edit(tenant, CONTACTS, "edit", ids=[met])
    whole_engine.sync(one, CONTACTS)
    whole_engine.sandbox.edit(tenant, CONTACTS, "remove", ids=[added, met, missing])
    # What is announced must not be the reason.
    whole_engine.sandbox.edit(tenant, CONTACTS, "add", count=3)

    whole_engine.settle()

    assert whole_engine.feed(one, CONTACTS).full_started_at is None
    assert candidates_of(whole_engine, one, CONTACTS).keys() == {missing}
    assert gone(whole_engine, one, CONTACTS) == []
    for _ in range(2):
        whole_engine.sync(one, CONTACTS, full=True)
    assert gone(whole_engine, one, CONTACTS) == sorted([added, met, missing])
    assert_equal(whole_engine, one)


# --- many at once wait for a person -------------------------------------------------------------------


@pytest.mark.parametrize(("which", "removed", "held"), [(1, 10, 0), (1, 11, 11), (0, 36, 0), (0, 37, 37)])
def test_more_than_ten_or_a_fifth_wait_for_a_person(
    whole_engine: Engine, which: int, removed: int, held: int
) -> None:
    slugs = synced(whole_engine)  # 180 and 40 contacts
    slug, other = slugs[which], slugs[1 - which]
    whole_engine.sandbox.edit(whole_engine.tenants[slug], CONTACTS, "remove", count=removed)

    for _ in range(2):
        whole_engine.sync(slug, CONTACTS, full=True)

    line = whole_engine.line(slug, CONTACTS)
    assert (line.vanish_held, len(gone(whole_engine, slug, CONTACTS))) == (held, removed - held)
    assert (line.state, line.reason) == (("action needed", "vanish held") if held else ("up to date", None))
    assert whole_engine.line(other, CONTACTS).vanish_held == 0


def test_a_person_says_that_a_held_vanish_is_true(whole_engine: Engine) -> None:
    one, other = held_vanish(whole_engine)
    removed = sorted(
        whole_engine.stored(one, CONTACTS).keys() - whole_engine.at_provider(one, CONTACTS).keys()
    )

    decided = decide(whole_engine, one, "apply")

    assert sorted(decided) == removed == gone(whole_engine, one, CONTACTS)
    assert told(whole_engine, one, CONTACTS, "gone") == removed
    assert noted(whole_engine, one) == [("vanish applied", "ann")]
    assert (noted(whole_engine, other), gone(whole_engine, other, CONTACTS)) == ([], [])
    assert whole_engine.line(one, CONTACTS).state == "up to date"
    assert_equal(whole_engine, one, other)


def test_a_person_says_that_a_held_vanish_is_the_providers_mistake(whole_engine: Engine) -> None:
    one, other = held_vanish(whole_engine)

    decide(whole_engine, one, "dismiss")

    assert noted(whole_engine, one) == [("vanish dismissed", "ann")]
    assert noted(whole_engine, other) == []
    assert (gone(whole_engine, one, CONTACTS), candidates_of(whole_engine, one, CONTACTS)) == ([], {})
    assert told(whole_engine, one, CONTACTS, "gone") == []
    assert whole_engine.line(one, CONTACTS).state == "up to date"


def test_a_held_vanish_is_forgotten_when_the_records_are_back(whole_engine: Engine) -> None:
    one, _ = synced(whole_engine)
    for _ in range(2):
        empty_full_read(whole_engine, one)
    # All but the newest one: what changed-since reads still meet cannot be gone.
    assert whole_engine.line(one, CONTACTS).vanish_held == 179

    whole_engine.sync(one, CONTACTS, full=True)

    assert whole_engine.line(one, CONTACTS).state == "up to date"
    assert (gone(whole_engine, one, CONTACTS), decide(whole_engine, one, "apply")) == ([], [])
    assert_equal(whole_engine, one)


# --- what the tests above say in their own words ------------------------------------------------------


def synced(made: Engine, resource: str = CONTACTS) -> list[str]:
    """Two organisations whose feeds of this resource are up to date."""
    slugs = made.connect(resources=[resource])
    made.settle()
    assert [made.line(slug, resource).state for slug in slugs] == ["up to date"] * 2
    return slugs


def full_read_under_way(made: Engine, slug: str) -> None:
    """A full read has read its first page of three, and backs off."""
    made.pages_of(CONTACTS, 60)
    made.sandbox.faults("status", status=500, tenant=made.tenants[slug], count=3, skip=2)
    made.sync(slug, CONTACTS, full=True)
    feed = made.feed(slug, CONTACTS)
    assert feed.full_started_at
    assert feed.full_cursor


def empty_full_read(made: Engine, slug: str) -> None:
    """A full read that is told, with every sign of health, that there is nothing."""
    made.sandbox.faults("empty_list", tenant=made.tenants[slug], skip=1)
    made.sync(slug, CONTACTS, full=True)
    assert made.sandbox.faults_left() == []


def held_vanish(made: Engine) -> list[str]:
    """Two organisations, 50 of whose first one's 180 contacts are away in two full reads."""
    slugs = synced(made)
    made.sandbox.edit(made.tenants[slugs[0]], CONTACTS, "remove", count=50)
    for _ in range(2):
        made.sync(slugs[0], CONTACTS, full=True)
    assert made.line(slugs[0], CONTACTS).vanish_held == 50
    return slugs


def decide(made: Engine, slug: str, verb: str) -> list[str]:
    """What the command line does."""
    with made.services.database.transaction() as tx:
        organisation = organisations.find(tx, slug)
        feed_id = organisations.feed_of(tx, organisation, CONTACTS)
        scope, shape = tx.scope(organisation.id), SHAPES[CONTACTS]
        if verb == "dismiss":
            return vanished.dismiss(scope, shape, feed_id=feed_id, actor="ann")
        (link,) = organisations.links(tx, organisation.id)
        return vanished.apply(scope, shape, feed_id=feed_id, connection_id=link.id, actor="ann")


def noted(made: Engine, slug: str) -> list[tuple[str, str]]:
    """Who did what about vanished records."""
    return look(
        made,
        slug,
        lambda scope: [
            (row.action, row.actor)
            for row in scope.tx.execute(scope.select(audit).where(audit.c.action.startswith("vanish")))
        ],
    )


def receipt(made: Engine, slug: str, press_id: str) -> Any:
    return look(made, slug, lambda scope: status.press_state(scope, press_id))


def whole_lists_begun(made: Engine, tenant: str) -> int:
    """How often page 1 of the whole list was asked for, and given."""
    return len(
        [
            call
            for call in made.sandbox.calls()
            if call["tenant"] == tenant
            and call["if_modified_since"] is None
            and "page=1&" in call["query"] + "&"
        ]
    )


def assert_equal(made: Engine, *slugs: str, resource: str = CONTACTS) -> None:
    for slug in slugs:
        assert made.parsed(slug, resource) == made.at_provider(slug, resource)

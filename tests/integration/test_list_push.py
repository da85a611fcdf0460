"""Xero's lists go into Dext: by one press, only what changed, whatever is killed or lost on the way."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from config import points
from sandbox.testing import Sandbox
from store import organisations
from sync.lists import overview
from sync.lists.mapping import UPSTREAM
from sync.providers import LIST_PUSH
from sync.services import SHAPES
from tests.integration.engine import Engine, engine
from tests.integration.joined import (
    ACCOUNTS,
    CONTACTS,
    KINDS,
    PLENTY,
    carry_through,
    differences,
    in_dext,
    is_done,
    joined,
    pushes,
    pushing,
    rename,
    send,
    slug,
    with_room,
)

__all__ = ["joined", "pushing", "slug"]


class Killed(BaseException):
    """As far as this process can tell, it ended here."""


def lines(engine: Engine, slug: str, words: str) -> list[overview.EntryLine]:
    feed_id = engine.feed_id(slug, LIST_PUSH)
    with engine.services.database.reading() as tx:
        scope = tx.scope(organisations.find(tx, slug).id)
        return overview.find(scope, SHAPES.__getitem__, feed_id, words)


def test_dext_has_what_xero_has_and_our_copy_of_its_lists_is_read_again(pushing: Engine, slug: str) -> None:
    assert pushing.line(slug, LIST_PUSH).state == "up to date"
    assert differences(pushing, slug) == []
    for resource in KINDS.values():
        assert pushing.parsed(slug, resource) == pushing.at_provider(slug, resource), resource


def test_one_press_runs_both_hops_and_sends_only_what_changed(pushing: Engine, slug: str) -> None:
    other = next(one for one in pushing.tenants if one != slug)
    contact = rename(pushing, slug, "Renamed Supplies")
    nobody_pressed = f"Nobody pressed for this on {pushing.services.database.engine.dialect.name}"
    rename(pushing, other, nobody_pressed)
    (gone,) = pushing.sandbox.edit(pushing.tenants[slug], ACCOUNTS, "archive", which="first")
    before = pushing.sandbox.last_call()

    press = pushing.press(slug, LIST_PUSH)
    (first,) = pushing.work(list(press.messages[:1]))[:1]
    assert (first.state, first.reason) == ("snoozed", "xero first")
    carry_through(pushing, slug, press)

    assert differences(pushing, slug) == []
    assert in_dext(pushing, slug, "suppliers")[f"xero:contact:{contact}"] == "Renamed Supplies"
    sent = pushes(pushing, slug, before)
    assert sent in (["categories", "suppliers"], ["bank_accounts", "suppliers"])
    run = pushing.runs(slug, LIST_PUSH)[-1]
    assert (run.changed, run.archived, run.rejected) == (1, 1, 0)
    assert f"xero:account:{gone}" not in in_dext(pushing, slug, sent[0])
    assert nobody_pressed not in in_dext(pushing, other, "suppliers").values()
    (line,) = lines(pushing, slug, contact)
    assert line.state == overview.IN_DEXT
    assert line.xero_read_at is not None
    assert line.dext_took_at is not None
    assert line.xero_read_at <= line.dext_took_at


def test_a_press_while_xero_is_read_for_another_is_answered_by_a_push_of_its_own(
    pushing: Engine, slug: str
) -> None:
    first = pushing.press(slug, LIST_PUSH)
    pushing.work(list(first.messages))
    contact = rename(pushing, slug, "Too Late For The First")
    second = pushing.press(slug, LIST_PUSH)
    runs_before = len(pushing.runs(slug, LIST_PUSH))

    carry_through(pushing, slug, second)

    assert in_dext(pushing, slug, "suppliers")[f"xero:contact:{contact}"] == "Too Late For The First"
    assert len(pushing.runs(slug, LIST_PUSH)) == runs_before + 1


def test_a_press_waits_until_dext_has_taken_it(pushing: Engine, slug: str) -> None:
    pushing.sandbox.dext_switch(pushing.accounts[slug], job_seconds=30)
    contact = rename(pushing, slug, "Taken Slowly")

    press = pushing.press(slug, LIST_PUSH)
    send(pushing, press)

    line = pushing.line(slug, LIST_PUSH)
    assert (line.state, line.reason, is_done(pushing, slug, press)) == ("syncing", "dext at work", False)
    assert [one.state for one in lines(pushing, slug, contact)] == [overview.ON_ITS_WAY]
    pushing.sandbox.advance(31)
    carry_through(pushing, slug, press)
    assert "Taken Slowly" in in_dext(pushing, slug, "suppliers").values()


def test_a_job_that_never_ends_is_sent_again_under_another_key(pushing: Engine, slug: str) -> None:
    pushing.sandbox.dext_switch(pushing.accounts[slug], job_seconds=10_000_000)
    rename(pushing, slug, "Lost In A Job")
    press = pushing.press(slug, LIST_PUSH)
    send(pushing, press)
    pushing.pass_time(timedelta(minutes=62))
    pushing.settle()
    assert "more than an hour" in (pushing.line(slug, LIST_PUSH).error or "")

    pushing.sandbox.dext_switch(pushing.accounts[slug], job_seconds=0)
    carry_through(pushing, slug, press)

    assert "Lost In A Job" in in_dext(pushing, slug, "suppliers").values()
    assert pushing.line(slug, LIST_PUSH).error is None


def test_what_dext_refuses_is_kept_with_its_sentence_until_it_takes_it(pushing: Engine, slug: str) -> None:
    contact = rename(pushing, slug, "Not Welcome")
    identity = f"xero:contact:{contact}"
    pushing.sandbox.dext_switch(pushing.accounts[slug], reject=[identity])

    carry_through(pushing, slug, pushing.press(slug, LIST_PUSH))

    line = pushing.line(slug, LIST_PUSH)
    assert (line.state, line.set_aside) == ("up to date with warnings", 1)
    (refused,) = lines(pushing, slug, contact)
    assert (refused.state, refused.sentence) == (overview.REFUSED, "Dext does not accept “Not Welcome”.")

    pushing.sandbox.dext_switch(pushing.accounts[slug], reject=[])
    carry_through(pushing, slug, pushing.press(slug, LIST_PUSH))

    assert pushing.line(slug, LIST_PUSH).state == "up to date"
    assert differences(pushing, slug) == []


def test_an_account_that_takes_no_lists_is_off_and_says_so(pushing: Engine, slug: str) -> None:
    pushing.sandbox.dext_switch(pushing.accounts[slug], features={"list_push": False})

    send(pushing, pushing.press(slug, LIST_PUSH))
    before = pushing.sandbox.last_call()
    pushing.pass_time(timedelta(hours=25), comparisons=True)
    pushing.settle()

    line = pushing.line(slug, LIST_PUSH)
    assert (line.state, line.reason) == ("off", "off")
    assert "takes no lists" in (line.error or "")
    assert pushes(pushing, slug, before) == []

    pushing.sandbox.dext_switch(pushing.accounts[slug], features={"list_push": True})
    pushing.switch_on(slug, LIST_PUSH)
    pushing.settle()
    assert pushing.line(slug, LIST_PUSH).state == "up to date"


def test_a_full_push_brings_back_what_somebody_archived_in_dext(pushing: Engine, slug: str) -> None:
    dump = pushing.sandbox.dump(pushing.accounts[slug], "dext.categories")
    entry = next(row for row in dump if row["external_id"] and row["active"])
    pushing.sandbox.edit(
        pushing.accounts[slug], "dext.categories", ids=[entry["id"]], fields={"active": False}
    )
    carry_through(pushing, slug, pushing.press(slug, LIST_PUSH))
    assert differences(pushing, slug) == ["categories"]

    before = pushing.sandbox.last_call()
    carry_through(pushing, slug, pushing.press(slug, LIST_PUSH, full=True))

    assert differences(pushing, slug) == []
    assert sorted(set(pushes(pushing, slug, before))) == sorted(KINDS)


def test_a_press_that_waits_for_a_dead_xero_says_so_and_goes_on_once_it_is_back(
    pushing: Engine, slug: str
) -> None:
    rename(pushing, slug, "After The Reconnect")
    pushing.sandbox.faults(
        "status",
        status=403,
        endpoint="Contacts",
        tenant=pushing.tenants[slug],
        body='{"Detail": "AuthorizationUnsuccessful"}',
    )
    press = pushing.press(slug, LIST_PUSH)
    send(pushing, press)

    assert pushing.line(slug, CONTACTS).reason == "permission missing"
    line = pushing.line(slug, LIST_PUSH)
    assert (line.reason, is_done(pushing, slug, press)) == ("xero first", False)
    assert "xero.contacts waits until somebody acts (permission missing)" in (line.error or "")

    pushing.sync(slug, CONTACTS)
    carry_through(pushing, slug, press)
    assert "After The Reconnect" in in_dext(pushing, slug, "suppliers").values()
    assert pushing.line(slug, LIST_PUSH).error is None


def test_answers_that_are_lost_cost_nothing(pushing: Engine, slug: str) -> None:
    before = pushing.sandbox.last_call()
    rename(pushing, slug, "Sent Into The Dark")
    pushing.sandbox.faults("lost_answer", endpoint="dext.push", count=4)

    press = pushing.press(slug, LIST_PUSH)
    send(pushing, press)
    assert pushing.line(slug, LIST_PUSH).reason == "back-off"
    rename(pushing, slug, "Newer Than The Dark")
    carry_through(pushing, slug, press)
    carry_through(pushing, slug, pushing.press(slug, LIST_PUSH))

    assert differences(pushing, slug) == []
    assert len(pushes(pushing, slug, before)) >= 5


def test_a_worker_killed_at_any_step_loses_nothing_and_sends_nothing_old(pushing: Engine, slug: str) -> None:
    for point in points.PUSH_POINTS:
        contact = rename(pushing, slug, f"Before {point}")
        press = pushing.press(slug, LIST_PUSH)
        with killed_at(point):
            carry_through(pushing, slug, press)
        pushing.pass_time(timedelta(seconds=50))  # the lease runs out
        name = f"Before {point}"
        if point in IN_DOUBT:
            name = f"After {point}"
            contact = rename(pushing, slug, name)
            carry_through(pushing, slug, pushing.press(slug, LIST_PUSH))
        carry_through(pushing, slug, press)

        assert in_dext(pushing, slug, "suppliers")[f"xero:contact:{contact}"] == name
    assert differences(pushing, slug) == []
    assert pushing.line(slug, LIST_PUSH).state == "up to date"


# Dext may have the call or not: whatever is sent again must not come after what is newer.
IN_DOUBT = ("push.sending", "push.answered", "push.noted")


@contextmanager
def killed_at(point: str) -> Iterator[None]:
    """Whoever works dies at this point, its transaction with it."""

    def kill(name: str) -> None:
        if name == point:
            points.watch(None)
            raise Killed

    points.watch(kill)
    try:
        with pytest.raises(Killed):
            yield
    finally:
        points.watch(None)


def test_nothing_is_sent_before_xero_was_read_and_then_in_calls_of_500(
    sandbox: Sandbox, database_url: str, redis_url: str
) -> None:
    with_room(sandbox)
    with engine(sandbox, database_url, redis_url, limits=PLENTY) as fresh:
        (slug,) = fresh.connect(resources=list(UPSTREAM), which=[2])
        slugs = fresh.connect_dext(resources=["dext.suppliers", LIST_PUSH], organisations_wanted=3)
        stranger = {"external_id": "xero:contact:of-old", "name": "Of old", "active": True}
        fresh.sandbox.edit(fresh.accounts[slug], "dext.suppliers", "add", fields=stranger)
        before = fresh.sandbox.last_call()
        fresh.sandbox.faults("status", status=503, endpoint="Contacts", count=9)
        fresh.settle()
        fresh.pass_time(timedelta(seconds=5))
        fresh.settle()

        line = fresh.line(slug, LIST_PUSH)
        assert (line.state, line.reason) == ("syncing", "xero first")
        assert pushes(fresh, slug, before) == []

        fresh.sandbox.clear_faults()
        for _ in range(3):
            fresh.pass_time(timedelta(seconds=61))
            fresh.settle()
        assert fresh.line(slug, LIST_PUSH).state == "up to date"
        assert differences(fresh, slug) == []
        assert pushes(fresh, slug, before).count("suppliers") == 3
        # The others have no Xero here, and lose nothing in Dext by that.
        beside = fresh.line(slugs[0], LIST_PUSH)
        assert beside.state == "up to date with warnings"
        assert "Xero is not connected" in (beside.error or "")
        assert in_dext(fresh, slugs[0], "categories") != {}

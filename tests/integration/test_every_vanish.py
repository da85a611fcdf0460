"""P9 over every row of the table: what vanishes or changes without a trace is found, and nothing else is."""

from datetime import timedelta

import pytest

from config.cadence import COMPARISON
from tests.integration.engine import Engine
from tests.integration.watched import SHARED, Watched, watch

# Habits that rely on the order of an answer's rows.
ORDERED = {"seek", "numbered"}
ALWAYS = 1000


@pytest.mark.parametrize(("resource", "database_kind"), SHARED, indirect=["database_kind"])
def test_only_complete_and_agreeing_reads_find_what_vanished_and_what_changed_without_a_trace(
    shared_engine: Engine, resource: str
) -> None:
    its = watch(shared_engine, resource)
    shared_engine.settle()
    its.assert_equal()

    a_read_that_breaks_off_says_nothing(its)
    a_row_left_out_says_nothing(its)
    a_list_that_was_not_asked_for_says_nothing(its)
    assert its.gone() == []
    recover(its)
    a_filter_that_is_ignored_for_good_keeps_no_full_read_waiting(its)
    a_list_that_is_suddenly_empty_waits_for_a_person(its)
    assert (its.told("gone"), its.told("restored")) == ([], [])

    a_silent_edit_is_found_by_the_regular_comparison(its)
    removed = a_vanished_record_is_gone_after_two_complete_reads(its)
    a_record_that_is_back_is_restored(its, *removed)
    made, other = shared_engine, its.other
    assert made.parsed(other, resource) == made.at_provider(other, resource)


# --- answers that prove nothing -----------------------------------------------------------------------


def a_read_that_breaks_off_says_nothing(its: Watched) -> None:
    """A web page in place of the whole list's very last answer."""
    before = its.made.sandbox.last_call()
    its.read_whole()
    its.fault("html", count=3, skip=its.made.sandbox.last_call() - before - 1)
    its.read_whole()

    assert its.shows() == ("retrying", "back-off")
    assert (its.gone(), its.candidates()) == ([], {})
    # It goes on by itself, after the hourly read where that falls due meanwhile.
    its.made.pass_time(timedelta(minutes=1))
    its.made.settle()
    assert_recovered(its)


def a_row_left_out_says_nothing(its: Watched) -> None:
    """Every answer is one row short: who announces its length is caught, else no second read agrees."""
    its.fault("short_page", count=ALWAYS)
    its.read_whole()

    assert its.gone() == []
    if its.announces_length:
        assert its.shows() == ("retrying", "back-off")
        assert its.candidates() == {}
    its.made.sandbox.clear_faults()


def a_list_that_was_not_asked_for_says_nothing(its: Watched) -> None:
    """Rows older than asked for, or in another order: they are stored, and nothing is concluded."""
    ignored = ("action needed", "filter ignored")
    if not its.is_whole:
        before = its.made.feed(its.slug, its.resource)
        its.fault("filter_ignored")
        its.sync()
        assert its.shows() == ignored
        after = its.made.feed(its.slug, its.resource)
        assert (after.newest_at, after.cursor) == (before.newest_at, before.cursor)
    its.fault("wrong_order", count=ALWAYS)
    its.read_whole()
    assert its.shows() == (ignored if its.endpoint.paging in ORDERED else ("up to date", None))


def a_filter_that_is_ignored_for_good_keeps_no_full_read_waiting(its: Watched) -> None:
    """It asks for none, but where it seeks its way from page to page, and answers the press at once."""
    its.fault("filter_ignored", count=ALWAYS)
    before = its.made.feed(its.slug, its.resource)
    outcomes = its.read_whole()

    states = [outcome.state for outcome in outcomes]
    if its.endpoint.paging == "seek":
        assert (states, its.shows()) == (["yielded", "snoozed"], ("action needed", "filter ignored"))
    else:
        after = its.made.feed(its.slug, its.resource)
        assert states == (["done"] if its.is_whole else ["yielded", "done"])
        assert after.served == after.asked == before.asked + 1
        assert after.last_full_read_at > before.last_full_read_at
    recover(its)


def a_list_that_is_suddenly_empty_waits_for_a_person(its: Watched) -> None:
    """Twice, with every sign of health."""
    everything = len(its.stored())
    its.fault("empty_list", count=ALWAYS)
    its.read_whole()
    assert (its.gone(), set(its.candidates().values())) == ([], {False})
    its.read_whole()

    assert its.shows() == ("action needed", "vanish held")
    assert list(its.candidates().values()) == [True] * everything
    recover(its)


# --- what is true -------------------------------------------------------------------------------------


def a_silent_edit_is_found_by_the_regular_comparison(its: Watched) -> None:
    """It moves no stamp: a whole list shows it at once, changes since a time never do."""
    silent = its.edit("silent", count=3, which="first")
    its.sync()
    assert silent
    if not its.is_whole:
        assert sorted(its.stale(silent)) == sorted(silent)
        its.made.pass_time(COMPARISON)
        its.made.settle()
    its.assert_equal()


def a_vanished_record_is_gone_after_two_complete_reads(its: Watched) -> list[str]:
    """The first one makes it a candidate, and finds silent edits as well; the row stays for ever."""
    removed = sorted(list(its.there())[-2:])
    its.edit("remove", ids=removed)
    silent = its.edit("silent", count=3, which="first")
    if not its.is_whole:
        its.sync()
        assert its.candidates() == {}
        assert sorted(its.stale(silent)) == sorted(silent)

    its.read_whole()
    assert (its.candidates(), its.gone()) == (dict.fromkeys(removed, False), [])
    assert its.stale(silent) == []
    its.read_whole()
    assert (its.candidates(), its.gone(), its.told("gone")) == ({}, removed, removed)

    assert its.shows() == ("up to date", None)
    assert removed == [key for key in removed if its.rows()[key].record]
    its.assert_equal()
    return removed


def a_record_that_is_back_is_restored(its: Watched, back: str, away: str) -> None:
    """Whichever read meets it."""
    restored = its.told("restored")
    its.edit("add", fields={its.endpoint.id: back})
    its.sync()

    assert (its.gone(), its.told("restored")) == ([away], sorted([*restored, back]))
    its.assert_equal()


# --- what the steps above say in their own words ------------------------------------------------------


def recover(its: Watched) -> None:
    """The provider is itself again, and the whole list is read."""
    its.made.sandbox.clear_faults()
    its.read_whole()
    assert_recovered(its)


def assert_recovered(its: Watched) -> None:
    assert its.made.sandbox.faults_left() == []
    assert its.shows() == ("up to date", None)
    assert (its.gone(), its.candidates()) == ([], {})
    its.assert_equal()

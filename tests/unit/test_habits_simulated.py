"""Lists of one answer, by number and one by one, while they change between any two answers: none is lost."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors import paging
from connectors.pages import FILTER_IGNORED
from connectors.sheets import Sheet
from tests.unit.simulated import (
    LONGEST_LATENESS,
    MILLISECOND,
    START,
    Reader,
    SimulatedList,
    Versions,
    additions,
    anything,
    filled,
    gaps,
    happen,
    late,
    pauses,
    quick,
    stamps,
    ticks,
)

HOUR = timedelta(hours=1)
posted = st.one_of(ticks, additions, additions, late, pauses)  # a ledger only grows


def sheet(*rows: tuple[str, datetime], numbers: tuple[int, ...] = ()) -> Sheet:
    return Sheet(rows=rows, pagination=None, answered_at=START, numbers=numbers)


# --- Changes: one answer ---


def test_changes_are_asked_for_five_minutes_before_the_newest_and_never_in_a_full_read():
    assert paging.ask(paging.begin("changes", 0, START)).since == START - timedelta(minutes=5)
    assert paging.ask(paging.begin("changes", 0, None)).since is None


def test_a_full_read_of_changes_announces_its_length_and_a_later_run_does_not():
    listed, reader = SimulatedList(order="created"), Reader("changes")
    for minutes in (3, 1, 2):
        listed.add(START - timedelta(minutes=minutes))

    assert reader.run(listed)
    assert reader.announced == 3
    assert reader.run(listed)
    assert reader.announced is None
    assert len(reader.asked) == 2


def test_an_empty_answer_leaves_changes_where_they_were():
    reader = Reader("changes", newest=START - HOUR)

    assert reader.run(SimulatedList())

    assert reader.newest == START - HOUR


def test_a_stamp_from_the_future_does_not_carry_changes_away():
    listed, reader = SimulatedList(), Reader("changes")
    listed.add(START - HOUR)
    listed.add(START)
    listed.rows[-1].modified_at = START + timedelta(days=3000)

    reader.run(listed)
    listed.now += HOUR
    listed.edit(0)
    reader.run(listed)

    assert not reader.lost(listed.versions())


def test_changes_older_than_asked_for_mean_that_the_filter_was_ignored():
    cursor = paging.begin("changes", 0, START)

    step = paging.step(cursor, sheet(("new", START), ("old", START - HOUR)))

    assert step.flaw == FILTER_IGNORED
    assert step.cursor == cursor
    assert not step.last


@settings(max_examples=300, deadline=None)
@given(stamps, gaps(anything), st.booleans(), st.sampled_from(["modified", "created", "newest first"]))
def test_runs_of_changes_lose_nothing_whatever_happens_between_them(stamped, between, inclusive, order):
    listed, reader = filled(stamped, inclusive=inclusive, order=order), Reader("changes")

    for events in between:
        reader.run(listed)
        listed.now += MILLISECOND  # what follows an answer is stamped later than what stood in it
        happen(listed, events)
    listed.now += LONGEST_LATENESS
    reader.run(listed)

    assert not reader.lost(listed.versions())


# --- Numbered ---


def test_a_numbered_list_is_read_by_its_numbers_until_nothing_follows():
    listed, reader = SimulatedList(numbered_size=2), Reader("numbered")
    for minutes in (5, 4, 3, 2, 1):
        listed.add(START - timedelta(minutes=minutes))

    assert reader.run(listed)

    assert [ask.offset for ask in reader.asked] == [0, 2, 4, 5, 5]
    assert not reader.lost(listed.versions())
    assert reader.newest == START - timedelta(minutes=1)


def test_a_later_run_asks_for_what_was_made_since_and_an_empty_list_ends_at_once():
    listed, reader = SimulatedList(), Reader("numbered", newest=START - HOUR)

    assert reader.run(listed)

    (ask,) = reader.asked
    assert ask.since == START - HOUR - timedelta(minutes=5)
    assert reader.newest == START - HOUR


@pytest.mark.parametrize("numbers", [(3, 4), (6, 6), (7, 6), (5,), ()])
def test_numbers_that_do_not_grow_mean_that_the_question_was_ignored(numbers):
    cursor = {**paging.begin("numbered", 0, None), "offset": 5}

    step = paging.step(cursor, sheet(*((str(number), START) for number in numbers or (9,)), numbers=numbers))

    assert step.flaw == FILTER_IGNORED
    assert step.cursor == cursor


def test_journals_older_than_asked_for_mean_that_the_filter_was_ignored():
    cursor = paging.begin("numbered", 0, START)

    assert paging.step(cursor, sheet(("1", START - HOUR), numbers=(1,))).flaw == FILTER_IGNORED


def test_a_numbered_run_that_paused_for_hours_misses_no_record_that_showed_up_late():
    listed, reader = SimulatedList(numbered_size=2), Reader("numbered")
    listed.add(START - timedelta(seconds=40))
    listed.add(START - timedelta(seconds=15), late=timedelta(seconds=30))
    listed.add(START - timedelta(seconds=10))
    listed.add(START - timedelta(seconds=5))

    def pause_before_the_second_answer():
        if len(reader.asked) == 1:
            listed.now += timedelta(hours=11)
            listed.add()

    reader.run(listed, pause_before_the_second_answer)
    listed.now += HOUR
    reader.run(listed)

    assert not reader.lost(listed.versions())


@settings(max_examples=300, deadline=None)
@given(stamps, gaps(posted), gaps(posted), st.booleans(), st.integers(1, 5), st.integers(1, 9))
@example([0], [[], [("late", 1000), ("add", 0)], [("tick", 39_600_000), ("add", 0)]], [], True, 1, 9)
def test_numbered_runs_lose_nothing_whatever_is_posted_and_wherever_they_stop(
    stamped, first, second, inclusive, size, stop_after
):
    listed = filled(stamped, inclusive=inclusive, numbered_size=size)
    reader = Reader("numbered")

    for between in (first, second):
        reader.run(
            listed, lambda left=between: happen(listed, left.pop(0) if left else []), stop_after=stop_after
        )
    listed.now += LONGEST_LATENESS
    reader.run(listed)

    assert not reader.lost(listed.versions())


# --- Each: one by one ---


def three_groups() -> SimulatedList:
    listed = SimulatedList(order="created")
    for _ in range(3):
        listed.add()
    return listed


def test_each_record_is_asked_for_alone_in_the_lists_order():
    listed, reader = three_groups(), Reader("each")

    assert reader.run(listed)

    assert [ask.id for ask in reader.asked] == [None, "00000", "00001", "00002"]
    assert reader.stored == listed.versions()
    assert reader.announced == 3


def test_what_only_the_list_told_is_not_stored():
    listed, reader = three_groups(), Reader("each")

    reader.run(listed, stop_after=1)

    assert reader.stored == {}


def test_a_record_that_is_not_found_is_passed_over_and_leaves_the_read_unproven():
    listed, reader = three_groups(), Reader("each")

    def remove_the_second():
        if len(reader.asked) == 2:
            listed.remove(1)

    assert reader.run(listed, remove_the_second)

    assert reader.stored.keys() == {"00000", "00002"}
    assert reader.announced == 3


def test_the_last_record_may_be_the_one_that_is_not_found():
    listed, reader = three_groups(), Reader("each")

    def remove_the_last():
        if len(reader.asked) == 3:
            listed.remove(2)

    assert reader.run(listed, remove_the_last)

    assert reader.announced == 3


def test_a_single_answer_without_the_record_counts_as_told_so_that_the_read_proves_nothing():
    cursor = {**paging.begin("each", 0, None), "left": ["one"]}

    step = paging.step(cursor, sheet())

    assert step.last
    assert step.announced == 1


def test_an_empty_list_of_records_ends_at_once():
    reader = Reader("each")

    assert reader.run(SimulatedList())

    assert len(reader.asked) == 1
    assert reader.announced == 0


def test_a_record_listed_twice_is_asked_for_once_and_one_without_an_id_counts():
    step = paging.step(paging.begin("each", 0, None), sheet(("a", START), ("", START), ("a", START)))

    assert step.listing
    assert step.cursor["left"] == ["a"]
    assert step.cursor["told"] == 1


@settings(max_examples=300, deadline=None)
@given(stamps, gaps(quick))
def test_reading_each_meets_all_that_stayed_in_a_version_no_older_than_the_list(stamped, between):
    listed, reader = filled(stamped, order="created"), Reader("each")
    at_first: list[Versions] = []

    def events():
        happen(listed, between.pop(0) if between else [])
        at_first.append(listed.versions())

    assert reader.run(listed, events)

    stayed = listed.versions().keys()
    assert not {key for key in reader.lost(at_first[0]) if key in stayed}
    assert (reader.announced or 0) >= len(reader.stored)


# --- Every habit ---


@pytest.mark.parametrize("kind", ["whole", "changes", "seek", "numbered", "backward", "each"])
@pytest.mark.parametrize("newest", [None, START - timedelta(days=1)])
def test_every_cursor_comes_back_from_json_as_it_was(kind, newest):
    listed = replace(three_groups(), numbered_size=2)
    cursor = paging.begin(kind, 2, newest)

    for _ in range(9):
        assert json.loads(json.dumps(cursor)) == cursor
        answer = listed.answer(paging.ask(cursor))
        assert answer is not None
        step = paging.step(cursor, answer)
        assert paging.step(json.loads(json.dumps(cursor)), answer) == step
        cursor = step.cursor
        if step.last:
            break
    assert step.last

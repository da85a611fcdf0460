"""Paging against a simulated list that changes between any two answers: nothing may be lost.

That the simulation can lose rows at all is shown by the well-known forward offset.
"""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.sheets import Ask
from tests.unit.simulated import (
    LONGEST_LATENESS,
    MILLISECOND,
    START,
    Order,
    Reader,
    SimulatedList,
    Versions,
    anything,
    filled,
    gaps,
    happen,
    quick,
    stamps,
)


def three_hundred_in_one_second(*, inclusive: bool = True, order: Order = "modified") -> SimulatedList:
    listed = SimulatedList(order=order, inclusive=inclusive)
    second = START - timedelta(days=1)
    for number in range(300):
        listed.add(second + number * 3 * MILLISECOND)
    for number in range(50):
        listed.add(second + timedelta(hours=1, minutes=number))
    return listed


# --- The simulation can lose rows ---


def test_a_forward_offset_loses_rows_in_this_simulation():
    listed = three_hundred_in_one_second()
    stored: set[str] = set()

    for page in range(1, 5):
        stored |= {key for key, _ in listed.answer(Ask(page=page, size=100)).rows}
        listed.now += timedelta(seconds=1)
        listed.edit(0)

    assert len(set(listed.versions()) - stored) == 3


# --- Seek ---


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("announces", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_seek_loses_nothing_of_300_records_in_one_second(inclusive, announces, seed):
    listed, reader, random = (
        three_hundred_in_one_second(inclusive=inclusive),
        Reader("seek", 100),
        Random(seed),
    )
    listed.announces = announces

    def edits():
        listed.now += timedelta(seconds=1)
        if len(reader.asked) < 20:
            for _ in range(random.randrange(4)):
                listed.edit(random.choice([0, random.randrange(350)]))

    assert reader.run(listed, edits)

    assert not reader.lost(listed.versions())


def test_a_window_that_stands_still_is_walked_back_to_its_first_page():
    listed, reader = three_hundred_in_one_second(), Reader("seek", 100)

    def edit_a_row_of_page_one():
        if reader.asked and reader.asked[-1].page == 1 and len(reader.asked) < 3:
            listed.now += timedelta(seconds=1)
            listed.edit(0)

    assert reader.run(listed, edit_a_row_of_page_one)

    assert not reader.lost(listed.versions())
    assert [ask.page for ask in reader.asked[:6]] == [1, 1, 2, 3, 2, 1]


def test_a_record_that_shows_up_after_its_stamp_is_read_by_the_next_run():
    listed, reader = SimulatedList(), Reader("seek", 100)
    listed.add(START - timedelta(hours=1))
    listed.add(START - timedelta(seconds=60), late=timedelta(seconds=90))
    listed.add(START)

    reader.run(listed)
    listed.now += timedelta(hours=1)
    reader.run(listed)

    assert not reader.lost(listed.versions())


def test_a_record_that_shows_up_late_is_not_missed_by_a_run_that_paused_for_hours():
    listed, reader = SimulatedList(), Reader("seek", 2)
    for seconds in (40, 30, 20, 10):
        listed.add(START - timedelta(seconds=seconds))
    listed.add(START - timedelta(seconds=15), late=timedelta(seconds=30))

    def pause_before_the_third_answer():
        if len(reader.asked) == 2:
            listed.now += timedelta(hours=11)
            for place in (0, 1, 2):
                listed.edit(place)

    reader.run(listed, pause_before_the_third_answer)
    listed.now += timedelta(hours=1)
    reader.run(listed)

    assert not reader.lost(listed.versions())


def test_a_stamp_from_the_future_does_not_carry_the_cursor_away():
    listed, reader = SimulatedList(), Reader("seek", 100)
    listed.add(START - timedelta(hours=1))
    listed.add(START)
    listed.rows[-1].modified_at = START + timedelta(days=3000)

    reader.run(listed)
    listed.now += timedelta(hours=1)
    listed.edit(0)
    reader.run(listed)

    assert not reader.lost(listed.versions())


def test_records_from_before_1970_are_read_by_walking_the_pages():
    listed, reader = SimulatedList(), Reader("seek", 3)
    for number in range(10):
        listed.add(datetime(1969, 1, 1 + number, tzinfo=UTC))
        listed.add(START - timedelta(hours=number))

    assert reader.run(listed)

    assert not reader.lost(listed.versions())


# --- Backward ---


@pytest.mark.parametrize("announces", [True, False])
@pytest.mark.parametrize("order", ["modified", "created", "newest first"])
@pytest.mark.parametrize("seed", range(3))
def test_backward_loses_nothing_of_300_records_in_one_second(order, announces, seed):
    listed, reader = three_hundred_in_one_second(order=order), Reader("backward", 100)
    listed.announces, random = announces, Random(seed)
    before = listed.versions()

    def edits():
        listed.now += timedelta(seconds=1)
        if len(reader.asked) < 12:
            for _ in range(random.randrange(4)):
                listed.edit(random.choice([0, random.randrange(350)]))

    assert reader.run(listed, edits)

    assert not reader.lost(before)


def test_a_row_edited_before_its_page_is_read_is_found_by_the_next_pass():
    listed, reader = three_hundred_in_one_second(), Reader("backward", 100)
    before = listed.versions()

    def edit_an_unread_row():
        if len(reader.asked) == 2:  # the last page has been read
            listed.now += timedelta(seconds=1)
            listed.edit(0)

    assert reader.run(listed, edit_an_unread_row)

    assert not reader.lost(before)
    assert [ask.page for ask in reader.asked] == [1, 4, 3, 2, 1, 4]


def test_a_list_of_one_page_costs_one_call():
    listed, reader = SimulatedList(), Reader("backward", 100)
    listed.add()

    assert reader.run(listed)

    assert len(reader.asked) == 1


def test_a_list_that_never_stands_still_is_left_unproven():
    listed, reader = three_hundred_in_one_second(order="newest first"), Reader("backward", 100)

    def edit():
        listed.now += timedelta(seconds=1)
        listed.edit(-1)

    assert not reader.run(listed, edit)


# --- Any interleaving ---


@settings(max_examples=400, deadline=None)
@given(stamps, gaps(quick), st.booleans(), st.booleans(), st.integers(2, 6))
def test_after_a_seek_run_the_store_equals_the_list(stamped, between, inclusive, announces, size):
    listed = filled(stamped, inclusive=inclusive, announces=announces)
    reader = Reader("seek", size)
    seen: list[Versions] = []

    def events():
        listed.now += MILLISECOND  # what follows an answer is stamped later than what stood in it
        happen(listed, between.pop(0) if between else [])
        seen.append(listed.versions())

    proven = reader.run(listed, events)

    # The run speaks for the moment of the highest page of its last way down: mostly its very last answer.
    moment = len(seen) - 1
    while moment and reader.asked[moment - 1].page == reader.asked[moment].page + 1:
        moment -= 1
    if proven:  # with pages of two, a page that rightly repeats looks like a list that ignores `page`
        unchanged = dict(seen[moment].items() & listed.versions().items())
        assert not reader.lost(unchanged)


@settings(max_examples=400, deadline=None)
@given(stamps, gaps(anything), gaps(anything), st.booleans(), st.booleans(), st.integers(2, 6))
@example(  # a late record stays unseen on the way up, and the way down pauses for hours
    [0, 0],
    [],
    [[], [("late", 1001)], [("tick", 1000), ("add", 0)], [("tick", 39_600_000), ("add", 0)]],
    False,
    False,
    2,
)
def test_seek_runs_lose_no_late_record_whatever_the_pauses(
    stamped, first, second, inclusive, announces, size
):
    listed = filled(stamped, inclusive=inclusive, announces=announces)
    reader = Reader("seek", size)

    for between in (first, second):
        reader.run(listed, lambda left=between: happen(listed, left.pop(0) if left else []))
    listed.now += LONGEST_LATENESS
    reader.run(listed)

    assert not reader.lost(listed.versions())


@settings(max_examples=400, deadline=None)
@given(
    stamps,
    gaps(quick),
    st.sampled_from(["modified", "created", "newest first"]),
    st.booleans(),
    st.integers(2, 6),
)
def test_a_proven_backward_read_has_met_every_row(stamped, between, order, announces, size):
    listed = filled(stamped, order=order, announces=announces)
    reader = Reader("backward", size)
    before: list[Versions] = []

    def events():
        listed.now += MILLISECOND  # what follows an answer is stamped later than what stood in it
        happen(listed, between.pop(0) if between else [])
        before.append(listed.versions())

    proven = reader.run(listed, events)

    if proven:
        still_there = listed.versions().keys()
        assert not {key for key in reader.lost(before[0]) if key in still_there}


@settings(max_examples=400, deadline=None)
@given(stamps, gaps(anything), st.sampled_from(["modified", "created"]), st.booleans(), st.integers(2, 6))
def test_backward_runs_lose_no_late_record_whatever_the_pauses(stamped, between, order, announces, size):
    listed = filled(stamped, order=order, announces=announces)
    reader = Reader("backward", size)

    reader.run(listed, lambda: happen(listed, between.pop(0) if between else []))
    listed.now += LONGEST_LATENESS

    assert reader.run(listed)
    assert not reader.lost(listed.versions())

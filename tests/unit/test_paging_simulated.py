"""Paging against a simulated list that changes between any two answers: nothing may be lost.

The simulation knows the provider's habits and nothing of ours; that it can lose rows at all is shown by
the well-known forward offset.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors import paging
from connectors.sheets import Ask, Pagination, Sheet

Order = Literal["modified", "created", "newest first"]
Versions = dict[str, datetime]

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
LONGEST_LATENESS = timedelta(minutes=4)


@dataclass
class Row:
    """One record at the provider."""

    key: str
    modified_at: datetime
    visible_at: datetime


@dataclass
class SimulatedList:
    """A provider's list; `order` is how it is sorted, `inclusive` how it reads If-Modified-Since."""

    order: Order = "modified"
    inclusive: bool = True
    announces: bool = True
    now: datetime = START
    rows: list[Row] = field(default_factory=list)
    keys: Iterable[int] = field(default_factory=count)

    def add(self, modified_at: datetime | None = None, *, late: timedelta = timedelta()) -> None:
        modified_at = modified_at or self.now
        self.rows.append(Row(f"{next(iter(self.keys)):05}", modified_at, modified_at + late))

    def edit(self, place: int) -> None:
        shown = self.shown()
        if shown:
            shown[place % len(shown)].modified_at = self.now

    def remove(self, place: int) -> None:
        shown = self.shown()
        if shown:
            self.rows.remove(shown[place % len(shown)])

    def shown(self) -> list[Row]:
        visible = [row for row in self.rows if row.visible_at <= self.now]
        if self.order == "created":
            return visible
        return sorted(visible, key=lambda row: row.modified_at, reverse=self.order == "newest first")

    def versions(self) -> Versions:
        return {row.key: row.modified_at for row in self.shown()}

    def answer(self, ask: Ask) -> Sheet:
        rows = [row for row in self.shown() if ask.since is None or self._is_since(row, ask.since)]
        start = (ask.page - 1) * ask.size
        return Sheet(
            rows=tuple((row.key, row.modified_at) for row in rows[start : start + ask.size]),
            pagination=Pagination(ask.size, len(rows)) if self.announces else None,
            answered_at=self.now.replace(microsecond=0),
        )

    def _is_since(self, row: Row, since: datetime) -> bool:
        # The header counts whole seconds: read exclusively, everything of the named second is left out.
        return row.modified_at >= since if self.inclusive else row.modified_at >= since + timedelta(seconds=1)


@dataclass
class Reader:
    """Follows a cursor, and stores as the store does: newer wins."""

    kind: Literal["seek", "backward"]
    size: int
    stored: Versions = field(default_factory=dict)
    newest: datetime | None = None
    asked: list[Ask] = field(default_factory=list)

    def run(self, listed: SimulatedList, between: Callable[[], None] = lambda: None) -> bool:
        """One run; `between` happens before each answer. False when the run cannot prove its outcome."""
        cursor = paging.begin(self.kind, self.size, self.newest)
        for answers in count():
            assert answers < 20_000, "the run does not end"
            cursor = json.loads(json.dumps(cursor))  # as if it had been put away for hours
            between()
            ask = paging.ask(cursor)
            self.asked.append(ask)
            sheet = listed.answer(ask)
            self._store(sheet)
            step = paging.step(cursor, sheet)
            cursor = step.cursor
            self.newest = paging.newest(cursor)
            if step.last or step.flaw:
                return step.flaw is None
        raise AssertionError

    def _store(self, sheet: Sheet) -> None:
        for key, modified_at in sheet.rows:
            assert modified_at is not None
            self.stored[key] = max(modified_at, self.stored.get(key, modified_at))

    def lost(self, versions: Versions) -> set[str]:
        """What of these versions, or newer ones, is not in the store."""
        return {key for key, at in versions.items() if key not in self.stored or self.stored[key] < at}


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

ticks = st.tuples(st.just("tick"), st.sampled_from([1, 300, 1000, 2500, 60_000]))
pauses = st.tuples(st.just("tick"), st.just(11 * 3600 * 1000))
edits = st.tuples(st.just("edit"), st.integers(0, 40))
removals = st.tuples(st.just("remove"), st.integers(0, 40))
additions = st.tuples(st.just("add"), st.just(0))
late = st.tuples(st.just("late"), st.integers(1, LONGEST_LATENESS // MILLISECOND))
quick = st.one_of(ticks, edits, edits, additions, removals)
anything = st.one_of(ticks, edits, edits, additions, late, pauses)
stamps = st.lists(st.integers(0, 4000) | st.just(1500), max_size=25)


def gaps(events: st.SearchStrategy[tuple[str, int]]) -> st.SearchStrategy[list[list[tuple[str, int]]]]:
    return st.lists(st.lists(events, max_size=4), max_size=30)


def happen(listed: SimulatedList, events: list[tuple[str, int]]) -> None:
    for what, number in events:
        match what:
            case "tick":
                listed.now += number * MILLISECOND
            case "edit":
                listed.edit(number)
            case "remove":
                listed.remove(number)
            case "add":
                listed.add()
            case "late":
                listed.add(late=number * MILLISECOND)


def filled(stamped: list[int], **habits: object) -> SimulatedList:
    listed = SimulatedList(**habits)
    for stamp in sorted(stamped):
        listed.add(START - timedelta(minutes=9) + stamp * MILLISECOND)
    return listed


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

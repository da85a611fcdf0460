"""A provider's list that changes between any two answers, and a reader that follows a cursor through it.

The simulation knows the provider's habits and nothing of ours.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Literal

from hypothesis import strategies as st

from connectors import paging
from connectors.endpoints import Paging
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

    @property
    def number(self) -> int:
        return int(self.key) + 1


@dataclass
class SimulatedList:
    """A provider's list; `order` is how it is sorted, `inclusive` how it reads If-Modified-Since."""

    order: Order = "modified"
    inclusive: bool = True
    announces: bool = True
    numbered_size: int = 100
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

    def answer(self, ask: Ask) -> Sheet | None:
        """None when the one record that is asked for is not there."""
        rows = self.shown()
        if ask.id is not None:
            rows = [row for row in rows if row.key == ask.id]
            return self._sheet(rows, None) if rows else None
        rows = [row for row in rows if ask.since is None or self._is_since(row, ask.since)]
        if ask.offset is not None:
            rows = sorted((row for row in rows if row.number > ask.offset), key=lambda row: row.number)
            return self._sheet(rows[: self.numbered_size], None)
        if ask.page is None:
            return self._sheet(rows, None)
        start = (ask.page - 1) * ask.size
        announced = Pagination(ask.size, len(rows)) if self.announces else None
        return self._sheet(rows[start : start + ask.size], announced)

    def _sheet(self, rows: list[Row], pagination: Pagination | None) -> Sheet:
        return Sheet(
            rows=tuple((row.key, row.modified_at) for row in rows),
            pagination=pagination,
            answered_at=self.now.replace(microsecond=0),
            numbers=tuple(row.number for row in rows),
        )

    def _is_since(self, row: Row, since: datetime) -> bool:
        # The header counts whole seconds: read exclusively, everything of the named second is left out.
        return row.modified_at >= since if self.inclusive else row.modified_at >= since + timedelta(seconds=1)


@dataclass
class Reader:
    """Follows a cursor, and stores as the store does: newer wins."""

    kind: Paging
    size: int = 100
    stored: Versions = field(default_factory=dict)
    newest: datetime | None = None
    asked: list[Ask] = field(default_factory=list)
    announced: int | None = None

    def run(
        self,
        listed: SimulatedList,
        between: Callable[[], None] = lambda: None,
        *,
        stop_after: int = 20_000,
    ) -> bool:
        """One run; `between` happens before each answer. False when the run cannot prove its outcome."""
        cursor = paging.begin(self.kind, self.size, self.newest)
        for answers in count():
            assert answers < 20_000, "the run does not end"
            if answers == stop_after:
                return False
            cursor = json.loads(json.dumps(cursor))  # as if it had been put away for hours
            between()
            ask = paging.ask(cursor)
            self.asked.append(ask)
            sheet = listed.answer(ask)
            step = paging.step(cursor, sheet) if sheet else paging.not_found(cursor)
            if sheet and not step.listing:
                self._store(sheet)
            cursor, self.announced = step.cursor, step.announced
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


# --- What may happen between two answers ---

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

"""How a list is read, answer by answer: pure functions over a JSON cursor, one file for each habit.

A cursor can be put away after any answer and taken up again after any pause.

    whole      one answer, everything, every time
    changes    one answer; it can be asked for what changed since a time
    seek       pages, ordered by change; it can be asked for what changed since a time
    numbered   pages that follow a number which only grows
    backward   pages that cannot be asked for changes
    through    the same, where the list is ordered by change and its pages may be opaque
    each       a list of which records there are, then each record alone
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from connectors import backward, changes, each, numbered, seek, through, whole
from connectors.backward import Backward
from connectors.changes import Changes
from connectors.each import Each
from connectors.endpoints import Paging
from connectors.numbered import Numbered
from connectors.pages import Cursor
from connectors.seek import Seek
from connectors.sheets import Ask, Sheet, State, Step
from connectors.through import Through
from connectors.whole import Whole

S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class Habit(Generic[S]):
    """One way to read a list. Without `newest` the list cannot be asked for changes."""

    state: type[S]
    begin: Callable[[int, datetime | None], S]
    ask: Callable[[S], Ask]
    step: Callable[[S, Sheet], Step]
    newest: Callable[[S], datetime | None] = lambda _: None


HABITS: Mapping[Paging, Habit[Any]] = {
    "whole": Habit(Whole, lambda _size, _newest: whole.begin(), whole.ask, whole.step),
    "changes": Habit(
        Changes, lambda _size, newest: changes.begin(newest), changes.ask, changes.step, changes.newest
    ),
    "seek": Habit(Seek, seek.begin, seek.ask, seek.step, seek.newest),
    "numbered": Habit(
        Numbered, lambda _size, newest: numbered.begin(newest), numbered.ask, numbered.step, numbered.newest
    ),
    "backward": Habit(Backward, lambda size, _newest: backward.begin(size), backward.ask, backward.step),
    "through": Habit(Through, lambda size, _newest: through.begin(size), through.ask, through.step),
    "each": Habit(Each, lambda _size, _newest: each.begin(), each.ask, each.step),
}


def begin(paging: Paging, page_size: int, newest: datetime | None) -> Cursor:
    """The cursor of a run that goes on from `newest`; None, or a list without changed-since, reads it all."""
    state: State = HABITS[paging].begin(page_size, newest)
    return state.dump(paging)


def ask(cursor: Cursor) -> Ask:
    """What to ask the provider next."""
    habit = _habit(cursor)
    return habit.ask(habit.state.load(cursor))


def step(cursor: Cursor, sheet: Sheet) -> Step:
    """Where reading stands after the answer to `ask(cursor)`."""
    habit = _habit(cursor)
    return habit.step(habit.state.load(cursor), sheet)


def not_found(cursor: Cursor) -> Step:
    """Where reading stands when the one record that `ask(cursor)` named is not there any more."""
    return each.not_found(Each.load(cursor))


def newest(cursor: Cursor) -> datetime | None:
    """Up to here the list has been read without a gap; None where it cannot be asked for changes."""
    habit = _habit(cursor)
    return habit.newest(habit.state.load(cursor))


def _habit(cursor: Cursor) -> Habit[Any]:
    return HABITS[cursor["paging"]]

"""Changes: one answer without pages holds all that changed since a time, or the whole list.

One answer is one moment, so the order of its rows does not matter. A run starts OVERLAP before its cursor,
for rows that became visible later than their stamp says.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from connectors.pages import FILTER_IGNORED
from connectors.sheets import OVERLAP, Ask, Sheet, State, Step, earlier


@dataclass(frozen=True)
class Changes(State):
    """Since when a list is asked for, and up to when it is known."""

    TIMES: ClassVar[frozenset[str]] = frozenset({"since", "newest"})

    since: datetime | None = None
    """None asks for the whole list."""
    newest: datetime | None = None
    """Everything modified up to here has been read."""


def begin(newest: datetime | None) -> Changes:
    """Start a run that goes on from `newest`; None reads the whole list."""
    return Changes(since=earlier(newest, OVERLAP), newest=newest)


def ask(changes: Changes) -> Ask:
    """What to ask."""
    return Ask(since=changes.since)


def newest(changes: Changes) -> datetime | None:
    """Up to here the list has been read without a gap: a next run starts OVERLAP before it."""
    return changes.newest


def step(changes: Changes, sheet: Sheet) -> Step:
    """Take in the one answer."""
    if sheet.has_older_than(changes.since):
        return Step(changes.dump("changes"), flaw=FILTER_IGNORED)
    # Never later than the answer itself: what was still invisible then is inside the next run's overlap.
    moments = [moment for moment in (changes.newest, *sheet.times()) if moment]
    known = min(max(moments), sheet.answered_at or max(moments)) if moments else None
    announced = sheet.count() if changes.since is None else None
    return Step(replace(changes, newest=known).dump("changes"), last=True, announced=announced)

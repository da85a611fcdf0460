"""Seek paging: reads a list ordered by change without ever counting on a page's place.

Rows that are edited meanwhile jump to the end of such a list and pull the rows behind them one place
forward, so a page asked for by its number skips what slipped onto the page before. Instead:

1. Ask page 1 of what changed since (the last record's second - 1 s). One answer is one moment: nothing
   slips inside it. The window moves on with the last record read, until the list ends.
2. More records in two seconds than a page holds: the window does not move. Then read pages 2, 3... until
   it does or the list ends, and from there back down to page 1. Rows only slip to lower pages, and those
   are still to come. The highest page's answer counts as the first of the way down.
3. A run starts OVERLAP before its cursor, for rows that became visible later than their stamp says.

The window begins a second early because If-Modified-Since counts whole seconds, and whether it includes
its boundary is unknown: this holds for both readings.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

from connectors.pages import FILTER_IGNORED
from connectors.sheets import OVERLAP, Ask, Sheet, State, Step, earlier

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Seek(State):
    """How far a list ordered by change has been read."""

    TIMES: ClassVar[frozenset[str]] = frozenset({"since", "newest", "reached_at", "tail"})

    size: int
    since: datetime | None = None
    """The window's beginning; None is the list's."""
    newest: datetime | None = None
    """Everything modified up to here has been read."""
    reached_at: datetime | None = None
    """When this run first read records so fresh that others of their age may not have been visible yet."""
    page: int = 1
    top: int | None = None
    """The highest page of a walk, once it goes down."""
    tail: datetime | None = None
    """The last record's modified time on the highest page that held any."""
    ended: bool = False
    """The list ended on the walk's highest page."""
    before: str | None = None
    """The page before, while a walk goes up."""
    announced: int | None = None
    """The whole list's length, when it is read from its beginning."""


def begin(size: int, newest: datetime | None) -> Seek:
    """Start a run that goes on from `newest`; None reads the list from its beginning."""
    return Seek(size=size, since=earlier(newest, OVERLAP), newest=newest)


def ask(seek: Seek) -> Ask:
    """What to ask next."""
    return Ask(page=seek.page, size=seek.size, since=seek.since)


def newest(seek: Seek) -> datetime | None:
    """Up to here the list has been read without a gap: a next run starts OVERLAP before it.

    Never later than the answer in which the run first met records younger than OVERLAP: what was still
    invisible then is inside the next run's overlap, however long this run went on or paused.
    """
    if seek.newest and seek.reached_at:
        return min(seek.newest, seek.reached_at)
    return seek.newest


def step(seek: Seek, sheet: Sheet) -> Step:
    """Take in the answer to `ask(seek)`."""
    if _is_not_what_was_asked(seek, sheet):
        return Step(seek.dump("seek"), announced=seek.announced, flaw=FILTER_IGNORED)
    seek = _note_freshness(_note_length(seek, sheet), sheet)
    seek, last = _down(seek, sheet) if seek.top else _up(seek, sheet)
    return Step(seek.dump("seek"), last=last, announced=seek.announced)


def _up(seek: Seek, sheet: Sheet) -> tuple[Seek, bool]:
    tail = _last(sheet)
    if seek.page == 1:
        seek = _read_up_to(seek, tail)
    ended = sheet.is_end(seek.page, seek.size)
    if ended or _moved(seek, tail):
        return _down(replace(seek, top=seek.page, tail=None, ended=ended, before=None), sheet)
    return replace(seek, page=seek.page + 1, before=sheet.fingerprint()), False


def _down(seek: Seek, sheet: Sheet) -> tuple[Seek, bool]:
    seek = replace(seek, tail=seek.tail or _last(sheet))
    if seek.page > 1:
        return replace(seek, page=seek.page - 1), False
    seek = _read_up_to(seek, seek.tail)
    # After a walk, whose way down took its time, the window once more: what came meanwhile is in it.
    if _moved(seek, seek.tail) and not (seek.ended and seek.top == 1):
        return replace(
            seek, since=earlier(seek.tail, SECOND), page=1, top=None, tail=None, ended=False
        ), False
    if seek.ended:
        return seek, True
    # Rows vanished on the way down, so that the window stands still although the list goes on.
    return replace(seek, page=(seek.top or 1) + 1, top=None, tail=None), False


def _is_not_what_was_asked(seek: Seek, sheet: Sheet) -> bool:
    # Without an announced length, a list that ignores `page` would be walked for ever.
    is_repeated = sheet.pagination is None and bool(sheet.rows) and sheet.fingerprint() == seek.before
    return sheet.has_older_than(seek.since) or not sheet.is_ordered() or is_repeated


def _note_length(seek: Seek, sheet: Sheet) -> Seek:
    if seek.announced is not None or seek.since is not None or seek.page > 1:
        return seek
    if sheet.pagination:
        return replace(seek, announced=sheet.pagination.item_count)
    return replace(seek, announced=len(sheet.rows)) if sheet.is_end(1, seek.size) else seek


def _note_freshness(seek: Seek, sheet: Sheet) -> Seek:
    last, answered_at = _last(sheet), sheet.answered_at
    is_fresh = last is not None and answered_at is not None and last > answered_at - OVERLAP
    return replace(seek, reached_at=seek.reached_at or answered_at) if is_fresh else seek


def _read_up_to(seek: Seek, moment: datetime | None) -> Seek:
    return replace(seek, newest=max(seek.newest or moment, moment)) if moment else seek


def _moved(seek: Seek, tail: datetime | None) -> bool:
    since = earlier(tail, SECOND)
    return since is not None and (seek.since is None or since > seek.since)


def _last(sheet: Sheet) -> datetime | None:
    times = sheet.times()
    return times[-1] if times else None

"""Backward paging: reads a paged list that cannot be asked for changes, from its last page to its first.

Where new and edited rows go to the end, unread rows only slip to lower pages, and those are still to come.
Rows that jumped from an unread page to a page already read are caught by passing again:

1. Find the last page (announced; otherwise walk up to it). Its answer is the first of the way down.
2. Pass down to page 1. One page alone is one moment, and done.
3. Pass again. While the list shows itself ordered by change, down to the first page that reaches back
   before the first pass (less OVERLAP); otherwise to page 1.
4. Done, when such a pass was a single answer, or met exactly the same fresh versions as the pass before:
   then nothing changed in between. Not done after MOST_PASSES: the list is unproven.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from connectors.pages import FILTER_IGNORED, UNPROVEN
from connectors.sheets import OVERLAP, Ask, Sheet, State, Step

MOST_PASSES = 10


@dataclass(frozen=True)
class Backward(State):
    """How far a list is read from its end."""

    TIMES: ClassVar[frozenset[str]] = frozenset({"fresh_since", "first", "final"})

    size: int
    page: int = 1
    passing: bool = False
    """On the way down; otherwise still looking for the last page."""
    before: str | None = None
    """The page before, while walking up."""
    passes: int = 0
    answers: int = 0
    """How many answers this pass took so far."""
    fresh_since: datetime | None = None
    """Versions younger than this may have been made, or become visible, during the run. None: any may."""
    ordered: bool = True
    """So far the rows stood in the order of their modified times."""
    first: datetime | None = None
    """The first and the last modified time on the page read before, in this pass."""
    final: datetime | None = None
    digest: int = 0
    """Sum of the hashes of all fresh versions that this pass met."""
    length: int = 0
    """The list's length when this pass began."""
    settled: str | None = None
    """Digest and length of the pass before."""


def begin(size: int) -> Backward:
    """Start reading the list, all of it."""
    return Backward(size=size)


def ask(state: Backward) -> Ask:
    """What to ask next."""
    return Ask(page=state.page, size=state.size)


def step(state: Backward, sheet: Sheet) -> Step:
    """Take in the answer to `ask(state)`."""
    if sheet.pagination is None and sheet.rows and sheet.fingerprint() == state.before:
        return Step(state.dump("backward"), flaw=FILTER_IGNORED)  # it ignores `page`: it would never end
    if not state.passing:
        if not sheet.is_end(state.page, state.size):
            up = replace(state, page=_higher(state, sheet), before=sheet.fingerprint())
            return Step(up.dump("backward"))
        state = _start_pass(state, sheet)
    return _down(_take_in(state, sheet), sheet)


def _down(state: Backward, sheet: Sheet) -> Step:
    if not _is_pass_over(state, sheet):
        # The list may have become shorter than the page that was asked for.
        return Step(replace(state, page=min(state.page - 1, _pages(state, sheet))).dump("backward"))
    settled = f"{state.digest:x}/{state.length}"
    if state.answers == 1 or settled == state.settled:
        return Step(state.dump("backward"), last=True, announced=state.length)
    if state.passes >= MOST_PASSES:
        return Step(state.dump("backward"), announced=state.length, flaw=UNPROVEN)
    again = replace(state, passing=False, page=_pages(state, sheet), settled=settled)
    return Step(again.dump("backward"))


def _start_pass(state: Backward, sheet: Sheet) -> Backward:
    seen = (state.page - 1) * state.size + len(sheet.rows)
    fresh_since = sheet.answered_at - OVERLAP if sheet.answered_at else None
    return replace(
        state,
        passing=True,
        before=None,
        passes=state.passes + 1,
        answers=0,
        fresh_since=fresh_since if state.passes == 0 else state.fresh_since,
        first=None,
        final=None,
        digest=0,
        length=sheet.pagination.item_count if sheet.pagination else seen,
    )


def _take_in(state: Backward, sheet: Sheet) -> Backward:
    times = sheet.times()
    ordered = state.ordered and sheet.is_ordered()
    if times and state.first and state.final:
        ordered = ordered and times[0] <= state.first and times[-1] <= state.final
    return replace(
        state,
        answers=state.answers + 1,
        ordered=ordered,
        first=times[0] if times else state.first,
        final=times[-1] if times else state.final,
        digest=(state.digest + _fresh_digest(state, sheet)) % 2**64,
    )


def _fresh_digest(state: Backward, sheet: Sheet) -> int:
    # A sum, so that the rows' places do not matter, only which versions were met.
    return sum(
        int.from_bytes(hashlib.blake2b(f"{key} {time}".encode(), digest_size=8).digest())
        for key, time in sheet.rows
        if time is not None and (state.fresh_since is None or time >= state.fresh_since)
    )


def _is_pass_over(state: Backward, sheet: Sheet) -> bool:
    if state.page == 1:
        return True
    times = sheet.times()
    reaches_back = bool(times) and state.fresh_since is not None and times[0] < state.fresh_since
    return state.passes > 1 and state.ordered and reaches_back


def _higher(state: Backward, sheet: Sheet) -> int:
    return max(state.page + 1, _pages(state, sheet)) if sheet.pagination else state.page + 1


def _pages(state: Backward, sheet: Sheet) -> int:
    if sheet.pagination:
        return max(1, -(-sheet.pagination.item_count // sheet.pagination.page_size))
    return max(1, -(-state.length // state.size))

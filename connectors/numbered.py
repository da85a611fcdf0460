"""Numbered: reads a list by a number that each record keeps for ever and that only grows.

Ask for what follows the greatest number read so far, until nothing follows. A full read asks twice whether
nothing follows, since no length is announced that would show an answer wrongly empty. Nothing slips: new
records go to the end, and no record ever moves. A record that becomes visible after its followers were read
is found by the next run: that starts OVERLAP before what was newest, or before this run's first answer if
that was earlier.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import ClassVar

from connectors.pages import FILTER_IGNORED
from connectors.sheets import OVERLAP, Ask, Sheet, State, Step, earlier


@dataclass(frozen=True)
class Numbered(State):
    """How far a numbered list has been read."""

    TIMES: ClassVar[frozenset[str]] = frozenset({"since", "newest", "met", "began_at"})

    since: datetime | None = None
    """Only records made since then are asked for; None: all."""
    offset: int = 0
    """The greatest number read so far."""
    newest: datetime | None = None
    """Everything made up to here has been read: it moves when the list has been read to its end."""
    met: datetime | None = None
    """The newest record met in this run."""
    ended: bool = False
    """The answer before said that nothing follows."""
    began_at: datetime | None = None
    """When the first answer of this run was given."""


def begin(newest: datetime | None) -> Numbered:
    """Start a run that goes on from `newest`; None reads the list from its beginning."""
    return Numbered(since=earlier(newest, OVERLAP), newest=newest, met=newest)


def ask(numbered: Numbered) -> Ask:
    """What to ask next."""
    return Ask(offset=numbered.offset, since=numbered.since)


def newest(numbered: Numbered) -> datetime | None:
    """Up to here the list has been read without a gap: a next run starts OVERLAP before it."""
    return numbered.newest


def step(numbered: Numbered, sheet: Sheet) -> Step:
    """Take in the answer to `ask(numbered)`."""
    if sheet.has_older_than(numbered.since) or not _grows(numbered, sheet):
        return Step(numbered.dump("numbered"), flaw=FILTER_IGNORED)
    began_at = numbered.began_at or sheet.answered_at
    met = max([moment for moment in (numbered.met, *sheet.times()) if moment], default=None)
    read = replace(numbered, met=met, began_at=began_at)
    if sheet.rows:
        return Step(replace(read, offset=sheet.numbers[-1], ended=False).dump("numbered"))
    if numbered.since is None and not numbered.ended:
        return Step(replace(read, ended=True).dump("numbered"))
    known = min(met, began_at or met) if met else None
    return Step(replace(read, newest=known).dump("numbered"), last=True)


def _grows(numbered: Numbered, sheet: Sheet) -> bool:
    # A row without a readable number stands between its neighbours; such rows alone lead nowhere.
    is_ordered = all(lower < higher for lower, higher in pairwise((numbered.offset, *sheet.numbers)))
    return is_ordered and bool(sheet.numbers or not sheet.rows)

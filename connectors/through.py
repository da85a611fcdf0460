"""Through: reads the pages of a list that cannot be asked for changes, from the first to the last.

The list is ordered by change, so that rows which are edited meanwhile jump to its end, and are met there.
They leave a gap: where a page is a mere place in the list, the rows behind slip one place forward, and one of
them onto a page already read. So a pass that met rows changed since it began is made again.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from connectors.pages import FILTER_IGNORED, UNPROVEN
from connectors.sheets import Ask, Sheet, State, Step

MOST_PASSES = 3
"""After so many it waits for a quieter hour: the next read is a whole one again."""


@dataclass(frozen=True)
class Through(State):
    """How far a list is read from its beginning."""

    TIMES: ClassVar[frozenset[str]] = frozenset({"began"})

    size: int
    page: int = 1
    passes: int = 1
    began: datetime | None = None
    """When this pass had its first answer, by the provider's clock."""
    disturbed: bool = False
    """This pass met rows changed since then."""
    before: str | None = None
    """The page before, in this pass."""


def begin(size: int) -> Through:
    """Start reading the list, all of it."""
    return Through(size=size)


def ask(state: Through) -> Ask:
    """What to ask next."""
    return Ask(page=state.page, size=state.size)


def step(state: Through, sheet: Sheet) -> Step:
    """Take in the answer to `ask(state)`."""
    if sheet.more is None and sheet.rows and sheet.fingerprint() == state.before:
        return Step(state.dump("through"), flaw=FILTER_IGNORED)  # it ignores `page`: it would never end
    began = sheet.answered_at if state.page == 1 else state.began
    # The first answer is one moment: what it shows changed before it.
    fresh = state.page > 1 and began is not None and any(time >= began for time in sheet.times())
    state = replace(state, began=began, disturbed=state.disturbed or fresh, before=sheet.fingerprint())
    if not sheet.is_end(state.page, state.size):
        return Step(replace(state, page=state.page + 1).dump("through"))
    if not state.disturbed:
        return Step(state.dump("through"), last=True, announced=sheet.count() if state.page == 1 else None)
    if state.passes >= MOST_PASSES:
        return Step(state.dump("through"), flaw=UNPROVEN)
    return Step(Through(size=state.size, passes=state.passes + 1).dump("through"))

"""Each: a list that only tells which records there are; what they hold is asked of each one alone.

1. Ask for the list. Nothing of it is stored, as it leaves out what matters.
2. Ask for one record after the other, in the list's order. One that is not found is passed over, but counts:
   perhaps it vanished since the list was read, perhaps it is only not shown. So this read proves nothing; the
   next list tells.
"""

from dataclasses import dataclass, replace

from connectors.sheets import Ask, Sheet, State, Step


@dataclass(frozen=True)
class Each(State):
    """The records still to be asked for."""

    left: list[str] | None = None
    """Their ids; None while the list itself has not been read."""
    told: int = 0
    """How many records there are, as far as asked, by what the list said."""


def begin() -> Each:
    """Start reading the list, all of it."""
    return Each()


def ask(each: Each) -> Ask:
    """What to ask next."""
    return Ask(id=each.left[0]) if each.left else Ask()


def step(each: Each, sheet: Sheet) -> Step:
    """Take in the answer to `ask(each)`."""
    if each.left is None:
        ids = dict.fromkeys(record_id for record_id, _ in sheet.rows if record_id)
        nameless = sum(not record_id for record_id, _ in sheet.rows)
        return _then(replace(each, left=list(ids), told=nameless), listing=True)
    # It counts even when the answer holds nothing: then the whole read is left unproven, and nothing is gone.
    return _then(replace(each, left=each.left[1:], told=each.told + 1))


def not_found(each: Each) -> Step:
    """Take in that the record of `ask(each)`, which the list named, is not shown."""
    return _then(replace(each, left=(each.left or [])[1:], told=each.told + 1))


def _then(each: Each, *, listing: bool = False) -> Step:
    last = not each.left
    return Step(each.dump("each"), last=last, announced=each.told if last else None, listing=listing)

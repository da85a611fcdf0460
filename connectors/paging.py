"""How a list is read, page by page: seek, backward or whole, as pure functions over a JSON cursor.

A cursor can be put away after any answer and taken up again after any pause. Each kind has its own file:
`seek.py` for lists ordered by change, `backward.py` for paged lists that cannot be asked for changes; a whole
list is one answer.
"""

from datetime import datetime

from connectors import backward, seek
from connectors.backward import Backward
from connectors.endpoints import Paging
from connectors.pages import Cursor
from connectors.seek import Seek
from connectors.sheets import Ask, Sheet, Step


def begin(paging: Paging, page_size: int, newest: datetime | None) -> Cursor:
    """The cursor of a run that goes on from `newest`; None, or a list without changed-since, reads it all."""
    match paging:
        case "seek":
            return seek.begin(page_size, newest).dump("seek")
        case "backward":
            return backward.begin(page_size).dump("backward")
        case "whole":
            return {"paging": "whole"}


def ask(cursor: Cursor) -> Ask:
    """What to ask the provider next."""
    match cursor["paging"]:
        case "seek":
            return seek.ask(Seek.load(cursor))
        case "backward":
            return backward.ask(Backward.load(cursor))
        case _:
            return Ask(page=1, size=0)


def step(cursor: Cursor, sheet: Sheet) -> Step:
    """Where reading stands after the answer to `ask(cursor)`."""
    match cursor["paging"]:
        case "seek":
            return seek.step(Seek.load(cursor), sheet)
        case "backward":
            return backward.step(Backward.load(cursor), sheet)
        case _:
            return Step(cursor, last=True, announced=len({key for key, _ in sheet.rows}))


def newest(cursor: Cursor) -> datetime | None:
    """Up to here a list ordered by change has been read without a gap; None for every other list."""
    return seek.newest(Seek.load(cursor)) if cursor["paging"] == "seek" else None

"""One list of Xero's and its habits, as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sandbox.endpoints.changes import Act, Silent, Text, Turn
from sandbox.endpoints.sizes import Size
from sandbox.generators.making import Generator
from sandbox.rendering import rounded

TARGETS = ("archive", "restore", "void")  # actions that lead to a status
ACTS = ("publish", "republish", "unpublish", "delete")  # actions that do more


class Paging(Enum):
    """How a list is cut."""

    WHOLE = "whole"  # one answer holds everything
    PAGED = "paged"  # page and pageSize (100, up to 1,000) with a pagination block; summaries without page
    HUNDREDS = "hundreds"  # always pages of 100, never a pagination block
    NUMBERED = "numbered"  # the next 100 after offset=, by a number that only grows


@dataclass(frozen=True)
class Hidden:
    """Records that a list leaves out unless a parameter asks for them."""

    name: str
    value: str
    unless: str

    def holds(self, fields: Mapping[str, Any]) -> bool:
        """Whether a record is one of them."""
        return fields.get(self.name) == self.value


@dataclass(frozen=True)
class Inside:
    """Where records stand that are told only inside the records of another list."""

    resource: str
    under: str  # the field of the outer record that holds them
    by: str  # the outer record's id; told by the place alone, so never shown


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One list and its habits, how its records are made and how many, and what may happen to them."""

    resource: str
    path: str
    key: str
    id: str
    scope: str
    make: Generator
    size: Size
    paging: Paging
    edited: Text | Turn  # what an edit changes

    stamp: str | None = "UpdatedDateUTC"
    restamped: bool = True  # a change sets the stamp to now; False: only the creation does
    grain_ms: int = 1  # what a stamp is accurate to
    spelt: Callable[[int], str] | None = None  # how a date is spelt, where not as Xero does
    zone: str = "+0000"  # what stands after the milliseconds of a date
    since: bool = True  # obeys If-Modified-Since
    where: bool = True  # understands where=
    alone: bool = True  # one record can be read by its id
    number: str | None = None  # a second name by which one record can be read; what offset= counts
    hidden: Hidden | None = None
    inside: Inside | None = None
    order_trap: bool = False  # with order= every page holds every row
    compact: bool = False
    root: Mapping[str, Any] = field(default_factory=dict)
    emptied: tuple[str, ...] = ()  # lists that stand empty in a summary; a whole list is always one
    dropped: tuple[str, ...] = ()  # fields that are absent from a summary
    unit_amounts: tuple[str, ...] = ()  # rounded to cents without unitdp=4: "LineItems.UnitAmount"
    filters: Mapping[str, str] = field(default_factory=dict)  # parameter (comma-separated) → field
    forces_paging: tuple[str, ...] = ()

    status: str = "Status"
    targets: Mapping[str, Any] = field(default_factory=dict)  # the status that an action leads to
    acts: Mapping[str, Act] = field(default_factory=dict)  # actions that do more than that
    merged: str | None = None  # the field that names the record another was merged into
    silent: Silent | None = None  # else a silent change is an edit without a new stamp

    @property
    def counted(self) -> str | None:
        """The number by which the list is in order, where it is not in order of time."""
        return self.number if self.paging is Paging.NUMBERED else None

    @property
    def has_summary(self) -> bool:
        """Whether some answers tell less of a record than others."""
        return bool(self.emptied or self.dropped)

    def shown(
        self, fields: Mapping[str, Any], *, brief: bool = False, exact: bool = True
    ) -> Mapping[str, Any]:
        """What an answer tells of a record: a summary or all, unit amounts exact or in cents."""
        if brief:
            fields = {name: value for name, value in fields.items() if name not in self.dropped}
            fields |= {name: [] for name in self.emptied if name in fields}
        if not exact:
            for path in self.unit_amounts:
                fields = rounded(fields, path)
        if self.inside is not None:
            fields = {name: value for name, value in fields.items() if name != self.inside.by}
        return fields

    def is_hidden(self, fields: Mapping[str, Any]) -> bool:
        """Whether the record is left out of lists that do not ask for it."""
        return self.hidden is not None and self.hidden.holds(fields)

    def date(self, milliseconds: int) -> str:
        """A time as this endpoint spells it."""
        if self.spelt is not None:
            return self.spelt(milliseconds)
        return f"/Date({milliseconds}{self.zone})/"

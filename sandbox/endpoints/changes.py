"""What an edit or Xero itself does to a record's fields, as data that the rows name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Fields = Mapping[str, Any]
Changes = dict[str, Any]


@dataclass(frozen=True)
class Text:
    """A text one step further, so that the same record can be changed any number of times."""

    name: str

    def __call__(self, fields: Fields) -> Changes:
        """The fields that change."""
        whole = str(fields.get(self.name) or "")
        text, _, number = whole.rpartition(" · rev ")
        if not number.isdecimal():
            text, number = whole, "0"
        return {self.name: f"{text} · rev {int(number) + 1}"}


@dataclass(frozen=True)
class Turn:
    """A value that goes to and fro, for lists without a text that people change."""

    name: str
    values: tuple[Any, Any]

    def __call__(self, fields: Fields) -> Changes:
        """The fields that change."""
        there, back = self.values
        return {self.name: back if fields.get(self.name) == there else there}


@dataclass(frozen=True)
class Act:
    """What one action does to a record at a time (as the list spells it), and on which records."""

    change: Callable[[Fields, str], Changes]
    fits: Callable[[Fields], bool]


@dataclass(frozen=True)
class Silent:
    """What Xero changes without a new modified time, and on which records."""

    change: Callable[[Fields], Changes]
    fits: Callable[[Fields], bool] = lambda _fields: True

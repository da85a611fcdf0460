"""What passes between a provider's answer and the store: records, rejects, and the page that carries them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

Cursor = dict[str, Any]
"""Plain JSON: how far one list has been read. Only connectors look inside."""

FILTER_IGNORED = "filter ignored"
"""The answer is not the ordered, filtered list that was asked for."""
UNPROVEN = "unproven"
"""The list kept changing while it was read: nothing can be said about what was not seen."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record, as the provider gave it."""

    id: str
    modified_at: datetime | None
    archived: bool
    raw: str
    """The record's exact JSON text, numbers digit for digit."""
    hash: str
    """SHA-256 of the content: the same whatever the order of keys and the white space."""
    columns: dict[str, Any]
    """A JSON value for each column of the endpoint's shape."""


@dataclass(frozen=True, slots=True)
class Reject:
    """What cannot be stored as a record. Its page goes on without it."""

    id: str | None
    raw: str
    """The text, made safe to store: what could not be written down is escaped."""
    why: str
    """What is wrong with it, as half a sentence."""

    @property
    def sentence(self) -> str:
        """For whoever looks at what was set aside."""
        return f"This record cannot be kept: {self.why}. The others on its page are not affected."


@dataclass(frozen=True, slots=True)
class Page:
    """One answer's records, and the cursor that follows them."""

    records: tuple[Record, ...]
    rejects: tuple[Reject, ...]
    cursor: Cursor
    last: bool
    """The list has been read to its end: the run is done."""
    announced: int | None
    """How many records the list has, as far as the provider said so, when it is read from the beginning."""
    flaw: str | None
    """FILTER_IGNORED or UNPROVEN: store the rows, leave the cursor, end the run, mark nothing gone."""
    calls: int
    bytes: int

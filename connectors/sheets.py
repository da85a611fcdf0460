"""What paging knows of an answer, and what it asks and says: plain values, no HTTP and no content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar, Self

from connectors.pages import Cursor

# A list that ignores `pageSize` serves pages of 100, and may not announce it: the default since ever.
SMALLEST_PAGE = 100


# A record may become visible some time after the moment it is stamped with. Five minutes are used in the
# field; the version rule makes the repeat harmless.
OVERLAP = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Pagination:
    """How long the list is, as the answer itself announces it."""

    page_size: int
    item_count: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows of one answer, in their order, as (id, modified time); None where no time could be read."""

    rows: tuple[tuple[str, datetime | None], ...]
    pagination: Pagination | None
    answered_at: datetime | None
    """The provider's clock when it answered, in whole seconds."""

    def times(self) -> list[datetime]:
        """The readable modified times, in the rows' order."""
        return [modified_at for _, modified_at in self.rows if modified_at is not None]

    def is_ordered(self) -> bool:
        """The oldest change stands first."""
        return all(earlier <= later for earlier, later in pairwise(self.times()))

    def is_end(self, page: int, asked_size: int) -> bool:
        """This was the list's last page. What is announced counts for more than what was asked for."""
        if self.pagination:
            return page * self.pagination.page_size >= self.pagination.item_count
        return len(self.rows) < min(asked_size, SMALLEST_PAGE)

    def fingerprint(self) -> str:
        """Equal only for the same rows in the same versions and order."""
        return hashlib.blake2b(repr(self.rows).encode("utf-8", "replace"), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Ask:
    """The next page to ask for, of what size, and since when."""

    page: int
    size: int
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Where reading stands after an answer."""

    cursor: Cursor
    last: bool = False
    announced: int | None = None
    flaw: str | None = None


@dataclass(frozen=True)
class State:
    """A cursor with names and types; it can be written as JSON at any point and read back after any pause."""

    TIMES: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def load(cls, cursor: Mapping[str, Any]) -> Self:
        """Read back what `dump` wrote."""
        known = {field.name: cursor[field.name] for field in fields(cls) if field.name in cursor}
        return cls(
            **{
                name: datetime.fromisoformat(value) if name in cls.TIMES and value else value
                for name, value in known.items()
            }
        )

    def dump(self, kind: str) -> Cursor:
        """The state as plain JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        written = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in values.items()}
        return {"paging": kind, **written}

"""What paging knows of an answer, and what it asks and says: plain values, no HTTP and no content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
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
    numbers: tuple[int, ...] = ()
    """The rows' numbers, in their order, where the list is read by them; unreadable ones are left out."""
    untold: int = 0
    """How many places there are where records belong and the answer holds no list, not even an empty one."""
    more: bool | None = None
    """Whether the provider says that pages follow; None where it does not say."""

    def count(self) -> int:
        """How many records there are, each counted once."""
        return len({key for key, _ in self.rows})

    def has_older_than(self, since: datetime | None) -> bool:
        """A row is older than what was asked for."""
        return since is not None and any(time < since for time in self.times())

    def times(self) -> list[datetime]:
        """The readable modified times, in the rows' order."""
        return [modified_at for _, modified_at in self.rows if modified_at is not None]

    def is_ordered(self) -> bool:
        """The oldest change stands first."""
        return all(earlier <= later for earlier, later in pairwise(self.times()))

    def is_end(self, page: int, asked_size: int) -> bool:
        """This was the list's last page. What is announced counts for more than what was asked for."""
        if self.more is not None:
            return not self.more
        if self.pagination:
            return page * self.pagination.page_size >= self.pagination.item_count
        return len(self.rows) < min(asked_size, SMALLEST_PAGE)

    def fingerprint(self) -> str:
        """Equal only for the same rows in the same versions and order."""
        return hashlib.blake2b(repr(self.rows).encode("utf-8", "replace"), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Ask:
    """What to ask for next: a page, what follows a number, one record, or without any of them the list."""

    page: int | None = None
    size: int = 0
    since: datetime | None = None
    offset: int | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Where reading stands after an answer."""

    cursor: Cursor
    last: bool = False
    announced: int | None = None
    flaw: str | None = None
    listing: bool = False
    """The answer only told which records there are: nothing of it is to be stored."""


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


# Records carry times such as /Date(0+0000)/ and typos before 1970. No question begins there: such records
# are read with the whole list.
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)


def earlier(moment: datetime | None, by: timedelta) -> datetime | None:
    """The whole second so much before the moment; None, the list's beginning, when that is too long ago."""
    if moment is None or moment < EARLIEST + by:
        return None
    return moment.replace(microsecond=0) - by

"""One organisation's list of one resource: always in order, each record's bytes made once."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from operator import attrgetter
from typing import Any

from sandbox.endpoints import Endpoint
from sandbox.rendering import render

Fields = Mapping[str, Any]

_KEY = attrgetter("key")


class Record:
    """One state of one record; a change makes a new Record, so prepared bytes never go stale."""

    __slots__ = ("_brief", "_wide", "fields", "hidden", "id", "key", "modified_ms")

    def __init__(self, endpoint: Endpoint, fields: Fields, modified_ms: int) -> None:
        self.fields = fields
        self.id: str = fields[endpoint.id]
        self.modified_ms = modified_ms
        self.key = (modified_ms, self.id)
        self.hidden = endpoint.is_hidden(fields)
        self._wide: bytes | None = None
        self._brief: bytes | None = None

    def wide(self, endpoint: Endpoint) -> bytes:
        """The record as pages and single reads show it."""
        if self._wide is None:
            self._wide = render(self.fields, compact=endpoint.compact)
        return self._wide

    def brief(self, endpoint: Endpoint) -> bytes:
        """The record as a list without `page` shows it."""
        if self._brief is None:
            self._brief = render(endpoint.summary(self.fields), compact=endpoint.compact)
        return self._brief


class RecordList:
    """Records in the order of their modified time, then id; what was changed since the seed is known."""

    def __init__(self, endpoint: Endpoint, records: Iterable[Record]) -> None:
        self.endpoint = endpoint
        self.rows = sorted(records, key=_KEY)
        self.by_id = {record.id: record for record in self.rows}
        self.serial = len(self.rows)
        self.touched: set[str] = set()
        self.read: set[str] = set()  # as last shown, page 1 beginning anew
        self.pending: list[tuple[float, Record]] = []

    def put(self, record: Record) -> None:
        """Add a record or replace its older state."""
        self._take_out(record.id)
        self.by_id[record.id] = record
        if not self.rows or self.rows[-1].key < record.key:
            self.rows.append(record)
        else:
            insort(self.rows, record, key=_KEY)
        self.touched.add(record.id)
        self.read.discard(record.id)

    def put_later(self, record: Record, visible_at: float) -> None:
        """Keep a new state back: lists show it only from `visible_at` on, under its older stamp."""
        self.pending.append((visible_at, record))

    def settle(self, now: float) -> None:
        """Show what has become visible; called before the list is looked at."""
        if not self.pending:
            return
        due = [record for visible_at, record in self.pending if visible_at <= now]
        self.pending = [entry for entry in self.pending if entry[0] > now]
        for record in due:
            shown = self.by_id.get(record.id)
            if shown is None or shown.key <= record.key:
                self.put(record)

    def remove(self, record_id: str) -> None:
        """Let a record vanish, untold."""
        self._take_out(record_id)
        self.by_id.pop(record_id, None)
        self.touched.add(record_id)
        self.read.discard(record_id)

    def first_at(self, modified_ms: int) -> int:
        """Where in `rows` the records modified at or after a time begin."""
        return bisect_left(self.rows, (modified_ms, ""), key=_KEY)

    def front(self, count: int, *, read: bool) -> list[Record]:
        """The first records in order; with `read`, only those some list answer has shown as they are."""
        rows: Iterator[Record] = (row for row in self.rows if not read or row.id in self.read)
        return list(islice(rows, count))

    def _take_out(self, record_id: str) -> None:
        old = self.by_id.get(record_id)
        if old is not None:
            del self.rows[bisect_left(self.rows, old.key, key=_KEY)]

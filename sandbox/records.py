"""One organisation's list of one resource: always in order, each record's bytes made once."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from sandbox.endpoints import Endpoint
from sandbox.rendering import render

Fields = Mapping[str, Any]

_KEY = attrgetter("key")


class View(NamedTuple):
    """Which side of a record an answer shows; by default all there is."""

    brief: bool = False  # a summary
    exact: bool = True  # unit amounts with all four decimals
    everything: bool = True  # what stands inside, hidden or not


WIDEST = View()


class Record:
    """One state of one record; a change makes a new Record, so prepared bytes never go stale."""

    __slots__ = ("_bodies", "fields", "hidden", "id", "key", "modified_ms")

    def __init__(self, endpoint: Endpoint, fields: Fields, modified_ms: int) -> None:
        self.fields = fields
        self.id: str = fields[endpoint.id]
        self.modified_ms = modified_ms - modified_ms % endpoint.grain_ms
        place = self.modified_ms if endpoint.counted is None else fields[endpoint.counted]
        self.key = (place, self.id)
        self.hidden = endpoint.is_hidden(fields)
        self._bodies: dict[tuple[bool, bool], bytes] = {}

    def body(self, endpoint: Endpoint, view: View) -> bytes:
        """The record's bytes as the view shows them."""
        side = (view.brief and endpoint.has_summary, view.exact or not endpoint.unit_amounts)
        found = self._bodies.get(side)
        if found is None:
            shown = endpoint.shown(self.fields, brief=side[0], exact=side[1])
            found = self._bodies[side] = render(shown, compact=endpoint.compact)
        return found


class RecordList:
    """Records in the order of their modified time, then id; what was changed since the seed is known.

    `parts` is the list whose records are told inside the records of this one, if there is such a list.
    """

    def __init__(
        self, endpoint: Endpoint, records: Iterable[Record], parts: "RecordList | None" = None
    ) -> None:
        self.endpoint = endpoint
        self.parts = parts
        self.under, self.by = (endpoint.inside.under, endpoint.inside.by) if endpoint.inside else ("", "")
        self.rows = sorted(records, key=_KEY)
        self.by_id = {record.id: record for record in self.rows}
        self.serial = len(self.rows)
        self.touched: set[str] = set()
        self.read: set[str] = set()  # as last shown, page 1 beginning anew
        self.pending: list[tuple[float, Record]] = []

    def body(self, record: Record, view: View) -> bytes:
        """A record's bytes, with what stands inside it as that is now."""
        if self.parts is None:
            return record.body(self.endpoint, view)
        part = self.parts.endpoint
        told = [part.shown(each.fields) for each in self._inside(record, view)]
        return render({**record.fields, self.parts.under: told}, compact=self.endpoint.compact)

    def show(self, rows: Sequence[Record], view: View, *, afresh: bool) -> list[bytes]:
        """The rows' bytes for a list's answer; they count as read from now on."""
        if afresh:
            self.read.clear()
        self.read.update(row.id for row in rows)
        if self.parts is not None:
            self.parts.read = {part.id for row in rows for part in self._inside(row, view)}
        return [self.body(row, view) for row in rows]

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
        if self.parts is not None:
            self.parts.settle(now)
        if not self.pending:
            return
        due = [record for visible_at, record in self.pending if visible_at <= now]
        self.pending = [entry for entry in self.pending if entry[0] > now]
        for record in due:
            shown = self.by_id.get(record.id)
            if shown is None or shown.key <= record.key:
                self.put(record)

    def remove(self, record_id: str) -> None:
        """Let a record vanish, untold, and with it what stands inside."""
        if self.parts is not None and record_id in self.by_id:
            for part in self._inside(self.by_id[record_id], WIDEST):
                self.parts.remove(part.id)
        self._take_out(record_id)
        self.by_id.pop(record_id, None)
        self.touched.add(record_id)
        self.read.discard(record_id)

    def since(self, modified_ms: int | None) -> list[Record]:
        """The records modified at or after a time, or all, in order."""
        if modified_ms is None:
            return self.rows[:]
        if self.endpoint.counted is not None:  # in order of their numbers, not of their times
            return [row for row in self.rows if row.modified_ms >= modified_ms]
        return self.rows[bisect_left(self.rows, (modified_ms, ""), key=_KEY) :]

    def _inside(self, record: Record, view: View) -> list[Record]:
        if self.parts is None:
            return []
        mine = (part for part in self.parts.rows if part.fields[self.parts.by] == record.id)
        return [part for part in mine if view.everything or not part.hidden]

    def _take_out(self, record_id: str) -> None:
        old = self.by_id.get(record_id)
        if old is not None:
            del self.rows[bisect_left(self.rows, old.key, key=_KEY)]

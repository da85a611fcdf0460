"""Why is it not in Dext? What Xero has here, beside what Dext took of it, when, and why it did not."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from config.shapes import Shape
from connectors.dext import ListEntry
from store import list_calls, list_entries, records, rejects, upstream
from store.database import Scope
from store.list_entries import Taken
from sync.lists.delivery import reject_id
from sync.lists.mapping import ACCOUNTS, SOURCES, UPSTREAM, Record, Source, codes_of, entries, read, written

ShapeOf = Callable[[str], Shape]
IN_DEXT, ON_ITS_WAY, REFUSED, WAITING, OVER = "in Dext", "on its way", "refused", "waiting", "no longer sent"


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One entry: in Dext, on its way, refused (`sentence` says why), waiting, or no longer sent."""

    kind: str
    external_id: str
    name: str
    state: str
    sentence: str | None
    xero_read_at: datetime | None
    dext_took_at: datetime | None


@dataclass(frozen=True, slots=True)
class ListLine:
    """One list: how many entries it has to hold, and how many are in which state."""

    kind: str
    entries: int
    in_dext: int
    on_its_way: int
    waiting: int
    refused: int
    xero_read_at: datetime | None
    dext_took_at: datetime | None


def lists(scope: Scope, shape_of: ShapeOf, feed_id: str) -> list[ListLine]:
    """A line for each list that is sent."""
    found = []
    for source, lines in _by_list(scope, shape_of, feed_id):
        wanted = [line for line in lines if line.state != OVER]
        states = [line.state for line in wanted]
        took = [line.dext_took_at for line in lines if line.dext_took_at is not None]
        found.append(
            ListLine(
                kind=source.kind,
                entries=len(wanted),
                in_dext=states.count(IN_DEXT),
                on_its_way=states.count(ON_ITS_WAY),
                waiting=states.count(WAITING),
                refused=states.count(REFUSED),
                xero_read_at=_read_at(scope, source),
                dext_took_at=max(took, default=None),
            )
        )
    return found


def find(scope: Scope, shape_of: ShapeOf, feed_id: str, words: str) -> list[EntryLine]:
    """The entries of any list that bear this name, code or identity, or a part of the name."""
    wanted = words.casefold()
    return [
        line
        for _, lines in _by_list(scope, shape_of, feed_id)
        for line in lines
        if wanted in line.name.casefold() or wanted in line.external_id.casefold()
    ]


def refused(scope: Scope, shape_of: ShapeOf, feed_id: str) -> list[EntryLine]:
    """What Dext did not take, each with its sentence."""
    return [
        line for _, lines in _by_list(scope, shape_of, feed_id) for line in lines if line.state == REFUSED
    ]


def _by_list(scope: Scope, shape_of: ShapeOf, feed_id: str) -> Iterator[tuple[Source, list[EntryLine]]]:
    codes = codes_of(_records(scope, shape_of, ACCOUNTS))
    sentences = dict(rejects.of_feed(scope, feed_id))
    sent = {
        (call.kind, entry.external_id)
        for call in list_calls.on_their_way(scope.tx, feed_id)
        for entry in map(read, call.texts)
    }
    for source in SOURCES:
        wanted = entries(source, _records(scope, shape_of, source.resources[0]), codes)
        taken = list_entries.lines(scope, feed_id, source.kind)
        read_at = _read_at(scope, source)
        lines = [
            _line(source, entry, taken.get(entry.external_id), sent, sentences, read_at) for entry in wanted
        ]
        ids = {entry.external_id for entry in wanted}
        lines += [
            EntryLine(source.kind, key, read(one.text).name, OVER, None, read_at, one.taken_at)
            for key, one in taken.items()
            if key not in ids
        ]
        yield source, lines


def _line(
    source: Source,
    entry: ListEntry,
    taken: Taken | None,
    sent: set[tuple[str, str]],
    sentences: Mapping[str, str],
    read_at: datetime | None,
) -> EntryLine:
    sentence = sentences.get(reject_id(source.kind, entry.external_id))
    if taken is not None and taken.text == written(entry):
        state = IN_DEXT
    elif (source.kind, entry.external_id) in sent:
        state = ON_ITS_WAY
    else:
        state = REFUSED if sentence else WAITING
    return EntryLine(
        source.kind,
        entry.external_id,
        entry.name,
        state,
        sentence if state == REFUSED else None,
        read_at,
        taken.taken_at if taken else None,
    )


def _read_at(scope: Scope, source: Source) -> datetime | None:
    """When Xero was last read for a list: no later than what it was read for last."""
    known = {one.resource: one.last_success_at for one in upstream.sources(scope, UPSTREAM)}
    times = [known.get(resource) for resource in source.resources]
    return None if None in times else min(time for time in times if time is not None)


def _records(scope: Scope, shape_of: ShapeOf, resource: str) -> Iterator[Record]:
    for _, text in records.read(scope, shape_of(resource)):
        yield json.loads(text, parse_float=Decimal)

"""What has to be sent so that a list of Dext's holds what it should: pure, from what it was told before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from connectors.dext import ListEntry, Mode
from connectors.dext.port import MOST_ENTRIES
from sync.lists.mapping import written


@dataclass(frozen=True)
class Batch:
    """Entries that go in one call; `replace` archives what is not among them."""

    mode: Mode
    entries: tuple[ListEntry, ...]


def batches(wanted: Sequence[ListEntry], known: Mapping[str, ListEntry], *, full: bool) -> tuple[Batch, ...]:
    """The calls to make, none when Dext has it all.

    `known` is what Dext took of us, by its external id. With `full` everything is sent whether it changed or
    not: as the whole list where one call carries it, else entry by entry.
    """
    if full and len(wanted) <= MOST_ENTRIES:
        return (Batch("replace", tuple(wanted)),)
    ids = {entry.external_id for entry in wanted}
    changed = [entry for entry in wanted if full or _differs(entry, known.get(entry.external_id))]
    withdrawn = [replace(entry, active=False) for entry in known.values() if _is_over(entry, ids)]
    rows = (*changed, *withdrawn)
    return tuple(
        Batch("upsert", rows[start : start + MOST_ENTRIES]) for start in range(0, len(rows), MOST_ENTRIES)
    )


def _differs(entry: ListEntry, known: ListEntry | None) -> bool:
    return known is None or written(entry) != written(known)


def _is_over(known: ListEntry, wanted: set[str]) -> bool:
    return known.active and known.external_id not in wanted

"""What our copy of one of Dext's lists has of ours: it may be older than what was sent."""

import json
from collections.abc import Mapping

from config.shapes import Shape
from connectors.dext import ListEntry
from store import records
from store.database import Scope
from store.list_calls import ListCall
from sync.lists.mapping import read, written


def listed(scope: Scope, shape: Shape) -> Mapping[str, ListEntry]:
    """The entries that bear an identity of ours, in use or not, by that identity."""
    found = {}
    for _, text in records.read(scope, shape):
        row = json.loads(text)
        if row.get("external_id"):
            found[row["external_id"]] = ListEntry(
                row["external_id"],
                row.get("name") or "",
                row.get("code"),
                bool(row.get("active")),
                row.get("attributes") or {},
            )
    return found


def is_news(call: ListCall, copy: Mapping[str, ListEntry]) -> bool:
    """Whether a call changes anything of what our copy says that Dext has."""
    sent = {entry.external_id: entry for entry in map(read, call.texts)}
    differs = any(key not in copy or written(copy[key]) != written(entry) for key, entry in sent.items())
    return differs or (
        call.mode == "replace" and any(one.active and key not in sent for key, one in copy.items())
    )

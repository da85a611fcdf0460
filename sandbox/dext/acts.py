"""What people do to a cost item: change it, publish it, take that back, archive it, delete it."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.endpoints.changes import Act, Text

Fields = Mapping[str, Any]
Changes = dict[str, Any]

EDITED = Text("description")


def publication(fields: Fields, attempt: int) -> Changes:
    """What a publishing is called and where it goes; no two of one item have the same id."""
    source = random.Random(f"{fields['id']}:{fields['version']}")
    return {
        "id": f"pub_{source.randrange(10**9, 10**10)}",
        "attempt": attempt,
        "destination": "purchases",
        "publish_as": "awaiting_approval",
    }


def _has(*statuses: str) -> Callable[[Fields], bool]:
    return lambda fields: fields["status"] in statuses


def _next(fields: Fields, **changes: Any) -> Changes:
    return {"version": fields["version"] + 1, **changes}


def _edit(fields: Fields, _at: str) -> Changes:
    return _next(fields, **EDITED(fields))


def _publish(fields: Fields, at: str) -> Changes:
    told = _next(fields, status="published", published_at=at)
    attempt = fields["publication"]["attempt"] + 1 if fields["publication"] else 1
    return told | {"publication": publication({**fields, **told}, attempt)}


def _unpublish(fields: Fields, _at: str) -> Changes:
    return _next(fields, status="ready", published_at=None, publication=None)


def _archive(fields: Fields, _at: str) -> Changes:
    return _next(fields, status="archived")


def _restore(fields: Fields, _at: str) -> Changes:
    return _next(fields, status="published" if fields["publication"] else "ready")


def _delete(fields: Fields, at: str) -> Changes:
    return _next(fields, status="deleted", deleted_at=at)


_PRESENT = ("processing", "to_review", "ready", "publish_failed", "published", "archived")

ACTS = {
    "edit": Act(_edit, _has(*_PRESENT)),
    "publish": Act(_publish, _has("to_review", "ready", "publish_failed")),
    # The publishing data are cleared and the item is published again: the same item, a new publication.
    "republish": Act(_publish, _has("published", "archived")),
    "unpublish": Act(_unpublish, _has("published", "archived")),
    "archive": Act(_archive, _has("ready", "published")),
    "restore": Act(_restore, _has("archived")),
    "delete": Act(_delete, _has(*_PRESENT)),
}

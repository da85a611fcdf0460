"""Dext's names for things, here and nowhere else: `item_from_wire` and `list_to_wire`, and what they need.

A record keeps Dext's own text; `item_from_wire` only says by which names the rest of the product finds what
is in it. When a real agreement uses other names, this file changes and the rest does not.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.dates import read_time
from connectors.dext.amounts import amount, word
from connectors.dext.values import DextAccount, ListEntry, ListPushJob, Mode, Outcome, RejectedEntry

ROOT = "data"
"""Holds the records of a list; may hold the record that was asked for alone."""


def item_from_wire(content: Mapping[str, Any]) -> dict[str, Any]:
    """A cost item, or an entry of a list, by our names.

    Amounts may be strings, numbers or null; ids may be numbers; a deletion shows in `deleted_at` alone.
    """
    mapped = {name: _from_wire(name, value) for name, value in content.items()}
    if content.get("deleted_at"):
        mapped["status"] = "deleted"
    elif isinstance(content.get("active"), bool):
        mapped["status"] = "active" if content["active"] else "inactive"
    return mapped


def _from_wire(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {inner: _from_wire(inner, content) for inner, content in value.items()}
    if name in _AMOUNTS:
        return amount(value)
    return word(value) if name == "id" else value


_AMOUNTS = frozenset({"net_amount", "tax_amount", "total_amount", "rate"})


def list_to_wire(entries: Iterable[ListEntry], mode: Mode, snapshot_at: datetime) -> bytes:
    """Our lists as Dext takes them."""
    rows = [entry_to_wire(entry) for entry in entries]
    return _bytes({"mode": mode, "snapshot_at": _written(snapshot_at), "entries": rows})


def entry_to_wire(entry: ListEntry) -> dict[str, Any]:
    """One entry of our lists, the same whether we send it or are asked for it."""
    return {
        "external_id": entry.external_id,
        "code": entry.code,
        "name": entry.name,
        "active": entry.active,
        "attributes": dict(entry.attributes),
    }


def outcome_to_wire(outcome: Outcome) -> bytes:
    """What became of an item, as Dext takes it."""
    return _bytes(
        {
            "publication_id": outcome.publication_id,
            "result": outcome.result,
            "code": outcome.code,
            "message": outcome.message,
            "xero": dict(outcome.xero) or None,
            "at": _written(outcome.at),
        }
    )


def account_from_wire(content: Mapping[str, Any]) -> DextAccount:
    """The account; LookupError, TypeError when it has no identity."""
    connection = _inside(content, "connection")
    expires_at = connection.get("expires_at")
    features = _inside(content, "features").items()
    return DextAccount(
        id=_identity(content["id"]),
        name=word(content.get("name")) or "",
        base_currency=word(content.get("base_currency")),
        status=word(connection.get("status")),
        expires_at=read_time(expires_at) if isinstance(expires_at, str) else None,
        features={name: value if isinstance(value, bool) else word(value) for name, value in features},
    )


def job_from_wire(content: Mapping[str, Any]) -> ListPushJob:
    """A list on its way; LookupError, TypeError when it says not which, or what became of it."""
    accepted, rejected = content.get("accepted"), content.get("rejected") or ()
    return ListPushJob(
        id=_identity(content["job_id"]),
        status=_identity(content["status"]),
        accepted=int(word(accepted) or "") if accepted is not None else None,
        rejected=tuple(
            RejectedEntry(*(word(entry.get(name)) or "" for name in ("external_id", "code", "message")))
            for entry in rejected
        ),
    )


def next_cursor(members: Mapping[str, Any]) -> str | None:
    """The key of the page that follows, None at the end; LookupError, TypeError when nothing says so."""
    key = members["page"]["next_cursor"]
    return None if key in (None, "") else _identity(key)


def page_limit(members: Mapping[str, Any]) -> int | None:
    """How many records a page of this list holds at most: Dext may cut to fewer than were asked for."""
    page = members.get("page")
    limit = word(page.get("limit")) if isinstance(page, Mapping) else None
    return int(limit) if limit and limit.isascii() and limit.isdecimal() and len(limit) < 10 else None


def _identity(value: Any) -> str:
    text = word(value)
    if not text:
        raise TypeError("neither text nor a number")
    return text


def _inside(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = content.get(name)
    return value if isinstance(value, Mapping) else {}


def _bytes(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")

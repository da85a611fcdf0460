"""How Dext tells of changes, by the contract that is proposed: one at a time, its time signed with it."""

import hashlib
import hmac
import json
import random
from datetime import UTC, datetime
from typing import Any

from sandbox.webhooks.happening import Happening

KINDS = {
    "publish": "cost_item.published",
    "republish": "cost_item.published",
    "edit": "cost_item.updated",
    "add": "cost_item.updated",
    "archive": "cost_item.updated",
    "restore": "cost_item.updated",
    "unpublish": "cost_item.unpublished",
    "delete": "cost_item.deleted",
}


def is_told(happening: Happening) -> bool:
    """Whether Dext has a webhook for it."""
    return happening.resource == "dext.items" and happening.action in KINDS


def body(happening: Happening, account: str, source: random.Random) -> bytes:
    """One event about an item."""
    return event(KINDS[happening.action], account, happening.at_ms, source, item_id=happening.record_id)


def event(kind: str, account: str, at_ms: int, source: random.Random, **data: Any) -> bytes:
    """Any event, such as a ping, or that the lists are wanted again."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    told = {
        "id": f"evt_{source.getrandbits(80):020x}",
        "type": kind,
        "created_at": at,
        "account_id": account,
        "attempt": 1,
        "data": data,
    }
    return json.dumps(told).encode()


def headers(content: bytes, key: str, at: float, *, wrong: bool = False) -> dict[str, str]:
    """The signature of these bytes at this time, or one with a digit changed."""
    stamp = str(int(at))
    made = hmac.new(key.encode(), f"{stamp}.".encode() + content, hashlib.sha256).hexdigest()
    if wrong:
        made = ("1" if made[0] == "0" else "0") + made[1:]
    return {"X-Dext-Signature": f"t={stamp},v1={made}", "Content-Type": "application/json"}

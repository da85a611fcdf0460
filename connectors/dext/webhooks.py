"""Dext's webhooks, by the contract that is proposed: whether an event is Dext's and new, and what it tells.

`X-Dext-Signature: t=1795000000,v1=…`: hex of HMAC-SHA256 over the time, a dot, and the body as it came.
"""

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from connectors.dates import read_time
from connectors.webhooks import Notice, NotUnderstoodError, SignatureError, is_name

SIGNATURE_HEADER = "x-dext-signature"

ITEMS, LIST_PUSH = "dext.items", "dext.list_push"
RELOAD = "list.reload_requested"
# What an event is a reason to read, or to push. A connection that ends shows in the next read.
RESOURCES: Mapping[str, str] = {
    "cost_item.published": ITEMS,
    "cost_item.updated": ITEMS,
    "cost_item.unpublished": ITEMS,
    "cost_item.deleted": ITEMS,
    "connection.expiring": ITEMS,
    "connection.revoked": ITEMS,
    RELOAD: LIST_PUSH,
}


def verify(
    body: bytes, signature: str, secrets: Sequence[str], *, now: datetime, tolerance: timedelta
) -> None:
    """Raise SignatureError unless one of our secrets signed these very bytes, within the tolerance of now.

    The time is signed as well: what somebody recorded cannot be sent again later.
    """
    parts = [part.strip().partition("=") for part in signature.split(",")]
    times = [value for name, _, value in parts if name == "t" and value.isascii() and value.isdecimal()]
    if len(times) != 1 or len(times[0]) > len("1795000000") + 2:
        raise SignatureError("it bears no time")
    if abs(now.timestamp() - int(times[0])) > tolerance.total_seconds():
        raise SignatureError("it is too old, or too new")
    given = [value.encode("utf-8", "replace") for name, _, value in parts if name == "v1"]
    made = [sign(body, times[0], secret).encode() for secret in secrets]
    if not any([hmac.compare_digest(one, other) for one in given for other in made]):  # noqa: C419 - all of them
        raise SignatureError("none of the secrets made this signature")


def sign(body: bytes, at: str, secret: str) -> str:
    """The signature of a body at a time."""
    return hmac.digest(secret.encode(), at.encode() + b"." + body, "sha256").hex()


def read(body: bytes) -> Callable[[str], Notice | None]:
    """What a verified body tells, once it is known whose it is: None where it is no reason to do anything.

    Raises NotUnderstoodError when it is no event at all. Dext's own id makes the key.
    """
    try:
        content = json.loads(body)
        event_id, kind = content["id"], content["type"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotUnderstoodError(f"it is no event ({type(error).__name__})") from None
    if not is_name(event_id) or not is_name(kind):
        raise NotUnderstoodError("its id or its type is no name")
    data = content.get("data")
    record_id = data.get("item_id") if isinstance(data, dict) else None

    def of(tenant_id: str) -> Notice | None:
        if kind not in RESOURCES:
            return None
        return Notice(
            tenant_id=tenant_id,
            resource=RESOURCES[kind],
            key=event_id,
            kind=kind,
            record_id=record_id if is_name(record_id) else None,
            happened_at=read_time(str(content.get("created_at"))),
        )

    return of

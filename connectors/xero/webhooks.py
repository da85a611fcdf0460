"""Xero's webhooks: whether a delivery is Xero's, and which lists it says have changed.

developer.xero.com, "Webhooks": base64 of HMAC-SHA256 over the body as it came, in `x-xero-signature`.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connectors.dates import read_time
from connectors.endpoints import Endpoint
from connectors.webhooks import Delivery, Notice, NotUnderstoodError, SignatureError, is_name
from connectors.xero.table import ENDPOINTS

SIGNATURE_HEADER = "x-xero-signature"


def resources_by_category(endpoints: Iterable[Endpoint] = ENDPOINTS) -> Mapping[str, str]:
    """Category of an event → the list that it tells of."""
    return {endpoint.webhook: endpoint.resource for endpoint in endpoints if endpoint.webhook}


RESOURCES = resources_by_category()


def verify(body: bytes, signature: str, keys: Sequence[str]) -> str:
    """The name of the key that signed these very bytes; raises SignatureError when none of ours did.

    Every key is tried, and each comparison takes the same time wherever the difference is.
    """
    given = signature.encode("utf-8", "replace")
    signers = [key for key in keys if hmac.compare_digest(sign(body, key).encode(), given)]
    if not signers:
        raise SignatureError("none of the keys made this signature")
    # Xero counts a subscription's events; each has a key of its own, and a name that gives nothing away.
    return hashlib.sha256(f"sequence of {signers[0]}".encode()).hexdigest()[:16]


def sign(body: bytes, key: str) -> str:
    """The signature that Xero gives a body."""
    # Not hmac.digest: it lets other threads run meanwhile, and then waits for its turn, in a storm for longer
    # than all that it does.
    return base64.b64encode(hmac.new(key.encode(), body, "sha256").digest()).decode()


def read(body: bytes, sequence: str) -> Delivery:
    """What a verified delivery says; raises NotUnderstoodError when it is no delivery at all.

    Events of categories that tell of no list of ours are left out, and so are those that lack what it takes.
    """
    try:
        content = json.loads(body)
        events, first, last = content["events"], content["firstEventSequence"], content["lastEventSequence"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotUnderstoodError(f"it holds no events ({type(error).__name__})") from None
    if not isinstance(events, list) or not all(
        type(number) is int and 0 <= number < 2**63 for number in (first, last)
    ):
        raise NotUnderstoodError("its events or their numbers are of another kind than they were")
    if not events:  # it only asks whether we are there
        return Delivery(None, ())
    notices = (_notice(event, sequence, number) for number, event in enumerate(events, start=first))
    return Delivery((sequence, first, last), tuple(notice for notice in notices if notice))


def _notice(event: Any, sequence: str, number: int) -> Notice | None:
    if not isinstance(event, dict):
        return None
    named = [event.get(name) for name in ("tenantId", "eventCategory", "resourceId", "eventType")]
    tenant_id, category, record_id, kind = named
    if not all(map(is_name, named)) or category not in RESOURCES:
        return None
    happened = str(event.get("eventDateUtc"))
    return Notice(
        tenant_id=str(tenant_id),
        resource=RESOURCES[str(category)],
        key=_key(*map(str, named), happened, sequence, number),
        kind=str(kind),
        record_id=str(record_id),
        happened_at=read_time(happened),
    )


def _key(*parts: object) -> str:
    """Xero gives its events no id.

    The number counts too: a record that changes twice in a second has two events that differ in nothing else,
    and the second must not be taken for the first.
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

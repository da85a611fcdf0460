"""How Xero tells of changes: which it tells of, how a delivery looks, how it is signed."""

import base64
import hashlib
import hmac
import json
import random
import string
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox.webhooks.happening import Happening

# All that Xero has; nothing is told of payments, purchase orders, quotes, items and the rest.
CATEGORIES = {
    "xero.contacts": ("CONTACT", "Contacts"),
    "xero.invoices": ("INVOICE", "Invoices"),
    "xero.credit_notes": ("CREDITNOTE", "CreditNotes"),
    "xero.prepayments": ("PREPAYMENT", "Prepayments"),
    "xero.overpayments": ("OVERPAYMENT", "Overpayments"),
}


def is_told(happening: Happening) -> bool:
    """Whether Xero has a webhook for it: a silent change has none, nor has what is removed."""
    return happening.resource in CATEGORIES and happening.action not in {"silent", "remove"}


def body(happenings: Sequence[Happening], first: int, source: random.Random, *, fraction: bool) -> bytes:
    """One delivery, its spaces as irregular as Xero's: nobody can write it anew and verify that."""
    events = json.dumps([_event(each, fraction=fraction) for each in happenings], separators=(",", ":"))
    last = max(first, first + len(happenings) - 1)
    entropy = "".join(source.choices(string.ascii_uppercase, k=20))
    numbers = f'"firstEventSequence": {first},"lastEventSequence": {last}'
    return f'{{"events":{events},{numbers}, "entropy": "{entropy}"}}'.encode()


def headers(content: bytes, key: str, *, wrong: bool = False) -> dict[str, str]:
    """The signature, or one with a character changed."""
    signature = base64.b64encode(hmac.new(key.encode(), content, hashlib.sha256).digest()).decode()
    if wrong:
        signature = ("B" if signature[0] == "A" else "A") + signature[1:]
    return {"x-xero-signature": signature, "Content-Type": "application/json; charset=utf-8"}


def _event(happening: Happening, *, fraction: bool) -> dict[str, Any]:
    category, path = CATEGORIES[happening.resource]
    at = datetime.fromtimestamp(happening.at_ms / 1000, UTC).replace(tzinfo=None)
    return {
        "resourceUrl": f"https://api.xero.com/api.xro/2.0/{path}/{happening.record_id}",
        "resourceId": happening.record_id,
        "eventDateUtc": at.isoformat(timespec="milliseconds" if fraction else "seconds"),
        "eventType": "CREATE" if happening.action == "add" else "UPDATE",
        "eventCategory": category,
        "tenantId": happening.tenant,
        "tenantType": "ORGANISATION",
        **({"data": {"Type": "ACCPAYCREDIT", "Status": "DRAFT"}} if category == "CREDITNOTE" else {}),
    }

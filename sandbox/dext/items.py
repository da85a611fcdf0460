"""Makes cost items: what people photographed, in every state of its way to the books."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sandbox.dext import files
from sandbox.dext.acts import publication
from sandbox.dext.lines import make_lines, tax_of, tracked
from sandbox.generators.making import Fields, Making, Organisation
from sandbox.generators.values import DAY_MS, money, stamp_string
from sandbox.generators.words import CURRENCIES, FIRST_NAMES, LAST_NAMES

Entry = Mapping[str, Any]

# By turns; a list long enough has every status with every type.
_STATUSES = (
    *("published",) * 9,
    *("archived", "archived", "ready", "to_review", "processing", "publish_failed", "deleted"),
    *("published",) * 4,
)
_TYPES = ("invoice", "invoice", "receipt", "invoice", "credit_note", "invoice", "receipt", "invoice", "other")
_NOTHING: Fields = {"id": None, "external_id": None, "name": None}
_MINUTE_MS = 60_000


def items(mine: Organisation) -> int:
    """How many there are."""
    return round(mine.bulk.invoices * 0.5)


def item(making: Making) -> Fields:
    """One item; what is added to the seed's is ready and waits for its publishing."""
    added = making.serial >= items(making.organisation)
    status = "ready" if added else _STATUSES[making.serial % len(_STATUSES)]
    item_id = str(5_300_000_000 + making.organisation.index * 1_000_000 + making.serial * 7)
    owner = f"{making.source.choice(FIRST_NAMES)} {making.source.choice(LAST_NAMES)}"
    told = _head(making, item_id, status, owner)
    told |= _paper(making, owner) | _amounts(making) | _extras(making)
    told["file"] = files.told(item_id, f"{(told['document']['reference'] or item_id).lower()}.pdf")
    if status == "processing":
        told |= _UNREAD
    return told | {"links": {"web": f"https://example.test/items/{item_id}"}}


_UNREAD: Fields = {
    # The paper is there, and nothing on it has been read yet.
    "supplier": _NOTHING,
    "document": {"reference": None, "date": None, "due_date": None},
    **dict.fromkeys(("net_amount", "tax_amount", "total_amount", "base", "category", "tax_rate")),
    "line_items": [],
}


def _head(making: Making, item_id: str, status: str, owner: str) -> Fields:
    at = making.modified_ms
    published = at - (1000 if status == "published" else 9 * _MINUTE_MS)
    is_published = status in {"published", "archived"}
    head: Fields = {
        "id": item_id,
        "version": 1 if status in {"ready", "processing"} else 2 + making.serial % 3,
        "type": _TYPES[making.serial % len(_TYPES)],
        "status": status,
        "created_at": stamp_string(published - 39 * _MINUTE_MS),
        "updated_at": "",
        "published_at": stamp_string(published) if is_published else None,
        "deleted_at": stamp_string(at) if status == "deleted" else None,
    }
    user = {"id": f"u_{31 + making.serial % 5}", "name": owner, "email": f"user{making.serial}@example.test"}
    return head | {"publication": publication(head, 1) if is_published else None, "owner": user}


def _paper(making: Making, owner: str) -> Fields:
    is_invoice = _TYPES[making.serial % len(_TYPES)] in {"invoice", "credit_note"}
    date = making.modified_ms - making.source.randrange(1, 12) * DAY_MS
    missing = not is_invoice or making.every(37, 8)  # no number and no due date was found
    reference = None if missing else f"INV-{making.serial + 2000}"
    return {
        "supplier": _supplier(making, owner),
        "document": {
            "reference": reference,
            "date": _day(date),
            "due_date": None if missing else _day(date + 30 * DAY_MS),
        },
    }


def _supplier(making: Making, owner: str) -> Fields:
    if making.every(41, 9):
        return _NOTHING | {"name": f"{owner} - Expense report"}
    found = making.peer("dext.suppliers")
    if found is None or making.every(13, 2):  # nobody has told Xero of this one yet
        return _NOTHING | {"id": f"sup_new_{making.serial}", "name": f"New Supplier {making.serial} & Co"}
    return _named(found)


def _amounts(making: Making) -> Fields:
    tax, per_cent = tax_of(making)
    lines, net, taxed = make_lines(making, tax, per_cent)
    if making.every(17, 3):
        taxed += 1  # within what rounding explains
    if making.every(23, 5):
        net += 50  # the lines do not add up to the header
    own = making.organisation.country.currency
    currency = making.source.choice(sorted(CURRENCIES)) if making.every(10, 7) else own
    rate = Decimal(1) if currency == own else Decimal("1.3700")
    rates = {each["code"]: each for each in making.seeded("dext.tax_rates", None)}
    categories = {each["code"]: each for each in making.seeded("dext.categories", None)}
    category = categories[lines[0]["category_code"]]
    unrated = making.every(29, 6)  # a tax amount, and nothing says at which rate
    told: Fields = {
        "currency": currency,
        "net_amount": str(money(net)),
        "tax_amount": str(money(taxed)),
        "total_amount": str(money(net + taxed)),
        "amounts_include_tax": True,
        "base": {
            "currency": own,
            "total_amount": str((money(net + taxed) * rate).quantize(Decimal("0.01"))),
            "tax_amount": str((money(taxed) * rate).quantize(Decimal("0.01"))),
        },
        "category": _named(category) | {"code": category["code"]},
        "tax_rate": None if unrated else _named(rates[tax]) | {"rate": rates[tax]["attributes"]["rate"]},
    }
    # Without lines the header is the one line.
    return told | {"line_items": [] if making.every(5, 4) or unrated else lines}


def _extras(making: Making) -> Fields:
    paid = making.every(7, 3)
    bank = making.peer("dext.bank_accounts") if paid or making.every(43, 10) else None
    project = making.peer("dext.projects") if making.every(6, 2) else None
    customer = making.peer("dext.customers") if making.every(15, 11) else None
    return {
        "paid": paid,
        "payment_method": _named(bank) if bank else _NOTHING,
        "tracking": tracked(making),
        "project": _named(project) if project else None,
        "customer": _named(customer) if customer else None,
        "description": making.source.choice(("Paper", "Ōtaki yard / May", "“Team” lunch ☕", "")),
        "note": "Please pay before Friday" if making.every(14, 5) else None,
    }


def _named(entry: Entry) -> Fields:
    return {name: entry[name] for name in ("id", "external_id", "name")}


def _day(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d")

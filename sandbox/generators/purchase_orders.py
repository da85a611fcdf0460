"""Makes purchase orders, which tell more of their contact than other documents, and its time wrongly."""

from decimal import Decimal

from sandbox.generators import nested
from sandbox.generators.lines import make_lines
from sandbox.generators.making import Fields, Making
from sandbox.generators.values import DAY_MS, date_string, guid, midnight, money, rate
from sandbox.generators.words import STREETS

_STATUSES = ("BILLED",) * 6 + ("AUTHORISED",) * 4 + ("DRAFT", "SUBMITTED", "DELETED")
_LOCAL_HOURS = {"NZ": 12, "AU": 10, "GB": 0, "US": -5}
_TOLD = ("ContactStatus", "Name", "FirstName", "LastName", "EmailAddress", "Addresses", "Phones")
_UNIT = Decimal("0.0001")


def purchase_order(making: Making) -> Fields:
    """One purchase order; its unit amounts have four decimals whatever is asked for."""
    amounts = making.source.choice(("Exclusive", "Exclusive", "Inclusive", "NoTax"))
    lines = make_lines(
        making,
        tax_type=making.organisation.country.purchases_tax,
        inclusive=amounts == "Inclusive",
        taxed=amounts != "NoTax",
    )
    date = midnight(making.modified_ms) - making.source.randrange(0, 25) * DAY_MS
    currency, currency_rate = nested.currency(making)
    fields: Fields = {
        "PurchaseOrderID": guid(making.source),
        "PurchaseOrderNumber": f"PO-{making.serial + 1:04d}",
        "DateString": date_string(date),
        "Date": f"/Date({date}+0000)/",
    }
    fields |= _delivery(making, date)
    if making.chance(0.5):
        fields["Reference"] = f"Job {making.serial % 31}"
    fields |= {
        "HasErrors": False,
        "IsDiscounted": False,
        "SentToContact": making.chance(0.5),
        "Type": "PURCHASEORDER",
        "CurrencyRate": rate(currency_rate),
        "CurrencyCode": currency,
        "Contact": _contact(making),
    }
    fields |= nested.branding_theme(making)
    return fields | {
        "Status": making.source.choice(_STATUSES),
        "LineAmountTypes": amounts,
        "LineItems": [line | {"UnitAmount": line["UnitAmount"].quantize(_UNIT)} for line in lines.items],
        "SubTotal": money(lines.subtotal),
        "TotalTax": money(lines.tax),
        "Total": money(lines.total),
        "UpdatedDateUTC": "",
        "HasAttachments": making.chance(0.1),
    }


def _delivery(making: Making, date: int) -> Fields:
    fields: Fields = {}
    if making.chance(0.6):
        delivery = date + making.source.randrange(2, 40) * DAY_MS
        fields |= {"DeliveryDateString": date_string(delivery), "DeliveryDate": f"/Date({delivery}+0000)/"}
    if making.chance(0.3):
        city, region, postal_code = making.source.choice(making.organisation.country.places)
        street = f"{making.source.randrange(1, 400)} {making.source.choice(STREETS)}"
        fields |= {
            "DeliveryAddress": f"{street}\n{city}\n{region}\n{postal_code}",
            "AttentionTo": "Goods inwards",
            "Telephone": "64 123-2222",
            "DeliveryInstructions": "Drop off at front  door",
        }
    if making.chance(0.2):
        fields["ExpectedArrivalDate"] = f"/Date({date + 14 * DAY_MS}+0000)/"
    return fields


def _contact(making: Making) -> Fields:
    found = making.peer("xero.contacts")
    if found is None:
        return nested.contact(making)
    # The organisation's local time, labelled as if it were UTC; the order's own is right.
    updated = int(found["UpdatedDateUTC"].removeprefix("/Date(").partition("+")[0])
    local = updated + _LOCAL_HOURS[making.organisation.country.code] * 3_600_000
    return (
        {"ContactID": found["ContactID"]}
        | nested.some(found, *_TOLD)
        | {
            "UpdatedDateUTC": f"/Date({local}+0000)/",
            "ContactGroups": [],
            "ContactPersons": [],
            "HasValidationErrors": False,
        }
    )

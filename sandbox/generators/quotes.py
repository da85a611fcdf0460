"""Makes quotes: a newer make of Xero's, with its own spellings."""

from sandbox.generators import nested
from sandbox.generators.lines import make_lines
from sandbox.generators.making import Fields, Making
from sandbox.generators.values import DAY_MS, date_string, guid, midnight, money, rate
from sandbox.generators.words import QUOTE_TITLES

_STATUSES = ("DRAFT", "SENT", "SENT", "ACCEPTED", "DECLINED", "INVOICED", "INVOICED", "DELETED")


def quote(making: Making) -> Fields:
    """One quote; now and then with a status that no list of values holds."""
    amounts = making.source.choice(("EXCLUSIVE", "INCLUSIVE", "NOTAX"))
    lines = make_lines(
        making,
        tax_type=making.organisation.country.sales_tax,
        inclusive=amounts == "INCLUSIVE",
        taxed=amounts != "NOTAX",
    )
    date = midnight(making.modified_ms) - making.source.randrange(0, 20) * DAY_MS
    contact = making.peer("xero.contacts")
    fields: Fields = {"QuoteID": guid(making.source), "QuoteNumber": f"QU-{making.serial:04d}"}
    if making.chance(0.5):
        fields["Reference"] = f"REF-{making.serial}"
    if making.chance(0.6):
        fields["Terms"] = "Not valid after the expiry date"
    fields |= {
        "Contact": {
            "ContactID": contact["ContactID"] if contact else guid(making.source),
            "Name": contact["Name"] if contact else "Adam",
        },
        "LineItems": [_own_order(line) for line in lines.items],
        "Date": f"/Date({date})/",
        "DateString": date_string(date),
    }
    if making.chance(0.8):
        expiry = date + 30 * DAY_MS
        fields |= {"ExpiryDate": f"/Date({expiry})/", "ExpiryDateString": date_string(expiry)}
    fields |= {
        "Status": "UNDERREVIEW" if making.every(53, 8) else making.source.choice(_STATUSES),
        "CurrencyRate": rate(1_000_000),
        "CurrencyCode": making.organisation.country.currency,
        "SubTotal": money(lines.subtotal),
        "TotalTax": money(lines.tax),
        "Total": money(lines.total),
        "TotalDiscount": money(0),
        "Title": making.source.choice(QUOTE_TITLES),
    }
    if making.chance(0.4):
        fields["Summary"] = "Please buy this"
    return (
        fields
        | nested.branding_theme(making)
        | {
            "UpdatedDateUTC": "",
            "LineAmountTypes": amounts,
        }
    )


def _own_order(line: Fields) -> Fields:
    first = ("LineItemID", "AccountCode", "Description", "UnitAmount", "LineAmount")
    return {name: line[name] for name in first} | {
        name: value for name, value in line.items() if name not in first
    }

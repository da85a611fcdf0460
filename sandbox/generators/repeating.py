"""Makes repeating invoices: templates that Xero copies on schedule, and of whose changes it tells nothing."""

from datetime import UTC, datetime

from sandbox.generators import nested
from sandbox.generators.lines import make_lines
from sandbox.generators.making import Fields, Making
from sandbox.generators.values import DAY_MS, guid, midnight, money

_STATUSES = ("AUTHORISED",) * 6 + ("DRAFT",) * 3 + ("DELETED",)
_DUE = (
    "DAYSAFTERBILLDATE",
    "DAYSAFTERINVOICEDATE",
    "DAYSAFTERINVOICEMONTH",
    "OFCURRENTMONTH",
    "OFFOLLOWINGMONTH",
)


def repeating_invoice(making: Making) -> Fields:
    """One template; only the older of them know when they began."""
    bill, country = making.chance(0.5), making.organisation.country
    amounts = making.source.choice(("Exclusive", "Inclusive", "NoTax"))
    lines = make_lines(
        making,
        tax_type=country.purchases_tax if bill else country.sales_tax,
        inclusive=amounts == "Inclusive",
        taxed=amounts != "NoTax",
    )
    repeating = guid(making.source)
    status = making.source.choice(_STATUSES)
    fields: Fields = {
        "Schedule": _schedule(making),
        "RepeatingInvoiceID": repeating,
        "Type": "ACCPAY" if bill else "ACCREC",
        "Reference": making.source.choice(("[Week]", "[Month] [Year]", f"Lease {making.serial}", "")),
        "HasAttachments": making.chance(0.1),
        "ApprovedForSending": status == "AUTHORISED" and not bill and making.chance(0.5),
        "SendCopy": False,
        "MarkAsSent": making.chance(0.1),
        "IncludePDF": making.chance(0.2),
        "ID": repeating,
        "Contact": nested.contact(making),
    }
    if not bill:
        fields |= nested.branding_theme(making)
    return fields | {
        "Status": status,
        "LineAmountTypes": amounts,
        "LineItems": lines.items,
        "SubTotal": money(lines.subtotal),
        "TotalTax": money(lines.tax),
        "Total": money(lines.total),
        "CurrencyCode": country.currency,
    }


def _schedule(making: Making) -> Fields:
    unit = making.source.choice(("WEEKLY", "MONTHLY", "MONTHLY", "MONTHLY"))
    period = making.source.choice((1, 1, 1, 2, 3, 6, 12))
    start = midnight(making.organisation.created_ms) + making.source.randrange(500) * DAY_MS
    fields: Fields = {
        "Period": period,
        "Unit": unit,
        "DueDate": making.source.choice((7, 10, 20)),
        "DueDateType": making.source.choice(_DUE),
        "StartDate": f"/Date({start}+0000)/",
    }
    coming = _later(start, unit, period * making.source.randrange(1, 9))
    if making.chance(0.3):
        fields["EndDate"] = f"/Date({_later(coming, unit, period * 12)}+0000)/"
    return fields | {"NextScheduledDate": f"/Date({coming}+0000)/"}


def _later(start: int, unit: str, count: int) -> int:
    if unit == "WEEKLY":
        return start + count * 7 * DAY_MS
    day = datetime.fromtimestamp(start / 1000, UTC)
    years, month = divmod(day.month - 1 + count, 12)
    # The last days of a month fall on the 28th of the shortest.
    moved = day.replace(year=day.year + years, month=month + 1, day=min(day.day, 28))
    return int(moved.timestamp()) * 1000

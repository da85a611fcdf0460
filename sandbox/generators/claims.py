"""Makes receipts and the expense claims they are handed in with; Xero gave both up for new customers."""

from sandbox.generators import nested
from sandbox.generators.lines import make_lines
from sandbox.generators.making import Fields, Making
from sandbox.generators.values import DAY_MS, guid, midnight, money

RECEIPTS_IN_A_CLAIM = 3

_RECEIPT_STATUSES = ("AUTHORISED",) * 5 + ("SUBMITTED", "SUBMITTED", "DRAFT", "DECLINED", "VOIDED")
_CLAIM_STATUSES = ("PAID",) * 4 + ("AUTHORISED",) * 2 + ("SUBMITTED", "VOIDED", "DELETED")


def receipt(making: Making) -> Fields:
    """One receipt, of what somebody bought for the business."""
    amounts = making.source.choice(("Inclusive", "Inclusive", "NoTax"))
    lines = make_lines(
        making,
        tax_type=making.organisation.country.purchases_tax,
        inclusive=amounts == "Inclusive",
        taxed=amounts != "NoTax",
    )
    date = midnight(making.modified_ms) - making.source.randrange(0, 20) * DAY_MS
    name = guid(making.source)
    fields: Fields = {
        "ReceiptID": name,
        "ReceiptNumber": str(making.serial + 1),
        "Status": making.source.choice(_RECEIPT_STATUSES),
        "User": nested.user(making),
        "Contact": nested.contact(making),
        "Date": f"/Date({date}+0000)/",
        "UpdatedDateUTC": "",
        "Reference": f"Card {making.serial % 7}" if making.chance(0.4) else "",
        "LineAmountTypes": amounts,
        "LineItems": lines.items,
        "SubTotal": money(lines.subtotal),
        "TotalTax": money(lines.tax),
        "Total": money(lines.total),
        "ID": name,
        "HasAttachments": making.chance(0.6),
    }
    if making.every(19, 8):
        fields["Url"] = f"https://example.com/receipts/{making.serial}"
    return fields


def expense_claim(making: Making) -> Fields:
    """One claim of receipts that no other has; a claim made later takes any one."""
    first = making.serial * RECEIPTS_IN_A_CLAIM
    spare = making.peer("xero.receipts")
    receipts = making.seeded("xero.receipts", None)[first : first + RECEIPTS_IN_A_CLAIM] or [
        each for each in (spare,) if each
    ]
    status = making.source.choice(_CLAIM_STATUSES)
    total = sum((each["Total"] for each in receipts), money(0))
    paid = total if status == "PAID" else money(0)
    on = midnight(making.modified_ms)
    fields: Fields = {
        "ExpenseClaimID": guid(making.source),
        "Status": status,
        "UpdatedDateUTC": "",
        "User": receipts[0]["User"] if receipts else nested.user(making),
        "Receipts": list(receipts),
        "Payments": [],
        "Total": total,
        "AmountDue": total - paid,
        "AmountPaid": paid,
    }
    if status != "SUBMITTED":
        due = on + making.source.randrange(5, 30) * DAY_MS
        fields["PaymentDueDate"] = f"/Date({due}+0000)/"
    return fields | {"ReportingDate": f"/Date({on}+0000)/"}

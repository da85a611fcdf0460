"""Makes bills and sales invoices in every state of their life."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.generators import nested
from sandbox.generators.lines import Lines, make_lines
from sandbox.generators.making import Fields, Making
from sandbox.generators.values import DAY_MS, date_string, guid, midnight, money, rate

_STATUSES = ("PAID",) * 12 + ("AUTHORISED",) * 5 + ("DRAFT", "SUBMITTED", "VOIDED")


@dataclass
class _Paid:
    """What has been paid of an invoice, in cents, and when."""

    amount: int
    on: int
    payments: list[Fields]


def invoice(making: Making) -> Fields:
    """One bill or sales invoice."""
    bill = making.every(67, 5) or making.chance(0.55)
    status = "AUTHORISED" if making.every(67, 5) or making.every(23, 9) else making.source.choice(_STATUSES)
    amounts = making.source.choice(("Inclusive", "Inclusive", "Exclusive", "NoTax"))
    country = making.organisation.country
    lines = make_lines(
        making,
        tax_type=country.purchases_tax if bill else country.sales_tax,
        inclusive=amounts == "Inclusive",
        taxed=amounts != "NoTax",
    )
    # A bill is paid as the supplier wrote it, even where its lines miss the total by 0.03.
    total = lines.total + (3 if making.every(67, 5) else 0)
    date = midnight(making.modified_ms) - making.source.randrange(0, 40) * DAY_MS
    paid = _paid(making, status, total, date)
    due_amount = 0 if status in {"VOIDED", "DELETED"} else total - paid.amount
    fields: Fields = {
        "Type": "ACCPAY" if bill else "ACCREC",
        "InvoiceID": guid(making.source),
        "InvoiceNumber": _number(making, bill=bill),
        "Reference": "" if making.chance(0.5) else f"Yr Ref W{making.serial % 53:02d}-{making.serial}",
    }
    if making.every(41, 17):
        fields["Url"] = f"https://example.com/bills/{making.serial}"
    fields |= {
        "Payments": paid.payments,
        "CreditNotes": _credit_notes(making, date),
        "Prepayments": [],
        "Overpayments": [],
        "AmountDue": money(due_amount),
        "AmountPaid": money(paid.amount),
        "AmountCredited": money(0),
    }
    if not bill and making.chance(0.6):
        fields["SentToContact"] = making.chance(0.7)
    currency, currency_rate = nested.currency(making)
    if status != "DRAFT" or making.chance(0.5):
        fields["CurrencyRate"] = rate(currency_rate)
    fields |= {
        "IsDiscounted": False,
        "HasAttachments": making.chance(0.3),
        "HasErrors": False,
        "Contact": nested.contact(making),
    }
    fields |= _dates(making, date) | _tail(making, lines, total, bill=bill, status=status, amounts=amounts)
    fields["CurrencyCode"] = currency
    if status == "PAID":
        fields["FullyPaidOnDate"] = f"/Date({paid.on}+0000)/"
    return fields


def is_partly_paid_bill(fields: Mapping[str, Any]) -> bool:
    """Whether its due date can still change, and makes no journal when it does."""
    return bool(fields["Type"] == "ACCPAY" and fields["AmountPaid"] > 0 and fields["AmountDue"] > 0)


def falls_due_later(fields: Mapping[str, Any]) -> Fields:
    """The silent change: a due date a week on."""
    due = int(re.findall(r"-?\d+", fields["DueDate"])[0]) + 7 * DAY_MS
    return {"DueDate": f"/Date({due}+0000)/", "DueDateString": date_string(due)}


def _tail(making: Making, lines: Lines, total: int, *, bill: bool, status: str, amounts: str) -> Fields:
    theme: Fields = {} if bill else nested.branding_theme(making)
    return theme | {
        "Status": "DELETED" if making.every(97, 31) else status,
        "LineAmountTypes": amounts,
        "LineItems": lines.items,
        "SubTotal": money(lines.subtotal),
        "TotalTax": money(lines.tax),
        "Total": money(total),
        "UpdatedDateUTC": "",
        "UpdatedDateUTCString": "",
    }


def _number(making: Making, *, bill: bool) -> str:
    if not bill:
        return f"INV-{making.serial:04d}"
    # Numbers of bills are the supplier's, and not unique.
    return making.source.choice(("Elec.", "RPT445-1", "", f"{making.source.randrange(10_000)}", "AP/2026"))


def _paid(making: Making, status: str, total: int, date: int) -> _Paid:
    on = date + making.source.randrange(1, 30) * DAY_MS
    if status == "PAID":
        amount = total
    elif status == "AUTHORISED" and (making.every(23, 9) or making.chance(0.2)):
        amount = total // 3
    else:
        return _Paid(0, on, [])
    payment: Fields = {
        "PaymentID": guid(making.source),
        "Date": f"/Date({on}+0000)/",
        "Amount": money(amount),
        "Reference": "",
        "CurrencyRate": rate(1_000_000),
        "HasAccount": False,
        "HasValidationErrors": False,
    }
    if making.chance(0.3):
        del payment["Reference"]
    return _Paid(amount, on, [payment])


def _credit_notes(making: Making, date: int) -> list[Fields]:
    if not making.every(19, 4):
        return []
    note = guid(making.source)
    return [
        {
            "CreditNoteID": note,
            "CreditNoteNumber": f"CN-{making.serial:04d}",
            "ID": note,
            "HasErrors": False,
            "AppliedAmount": money(0),
            "DateString": date_string(date),
            "Date": f"/Date({date}+0000)/",
            "LineItems": [],
            "Total": money(54_125),
        }
    ]


def _dates(making: Making, date: int) -> Fields:
    due = date + making.source.choice((0, 7, 14, 20, 30)) * DAY_MS
    if making.every(149, 11):
        due = -1_383_091_200_000  # a typist's 1926
    elif making.every(307, 12):
        due = 0
    return {
        "DateString": date_string(date),
        "Date": f"/Date({date}+0000)/",
        "DueDateString": date_string(due),
        "DueDate": f"/Date({due}+0000)/",
    }

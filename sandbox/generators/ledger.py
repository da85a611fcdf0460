"""Makes the general ledger: what each document posted, numbered with gaps and never changed."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.generators.making import Fields, Making
from sandbox.generators.values import guid, midnight, money

# The accounts that Xero itself posts to: code, type, name.
_DEBTORS = ("610", "CURRENT", "Accounts Receivable")
_CREDITORS = ("800", "CURRLIAB", "Accounts Payable")
_TAX = ("820", "CURRLIAB", "GST")
_ROUNDING = ("860", "CURRLIAB", "Rounding")
_BANK = ("090", "BANK", "Business Bank Account")

_NOTHING = money(0)


def journal(making: Making) -> Fields:
    """One journal: by turns of the next paid invoice and of its payment, now and then of a manual one."""
    if making.every(11, 6):
        return _manual(making)
    place, is_payment = divmod(making.serial, 2)
    invoice = making.nth("xero.invoices", place, "Payments")
    if invoice is None:
        return _manual(making)
    return _payment(making, invoice) if is_payment else _invoice(making, invoice)


def number(serial: int) -> int:
    """Journal numbers only grow, and some are missing."""
    return serial + 1 + serial // 5 * 2 + serial // 37 * 11


def _invoice(making: Making, invoice: Mapping[str, Any]) -> Fields:
    sign = 1 if invoice["Type"] == "ACCPAY" else -1
    control = _CREDITORS if sign == 1 else _DEBTORS
    names = {row[1]: row[0] for row in making.organisation.country.tax_rates}
    inclusive = invoice["LineAmountTypes"] == "Inclusive"
    lines = [_line(making, control, -sign * invoice["Total"])]
    for line in invoice["LineItems"]:
        tax = line["TaxAmount"]
        net = line["LineAmount"] - tax if inclusive else line["LineAmount"]
        kind = "EXPENSE" if sign == 1 else "REVENUE"
        told = _line(making, (line["AccountCode"], kind, ""), sign * net, sign * tax)
        told |= {"Description": line["Description"], "TaxType": line["TaxType"]}
        if line["TaxType"] in names:
            told["TaxName"] = names[line["TaxType"]]
        lines.append(told)
    if invoice["TotalTax"]:
        lines.append(_line(making, _TAX, sign * invoice["TotalTax"]))
    missing = invoice["Total"] - invoice["SubTotal"] - invoice["TotalTax"]
    if missing:
        lines.append(_line(making, _ROUNDING, sign * missing))
    return _journal(
        making,
        invoice["Date"],
        lines,
        source=(invoice["Type"], invoice["InvoiceID"]),
        reference=invoice["Reference"],
    )


def _payment(making: Making, invoice: Mapping[str, Any]) -> Fields:
    payment = invoice["Payments"][0]
    sign = 1 if invoice["Type"] == "ACCPAY" else -1
    lines = [
        _line(making, _CREDITORS if sign == 1 else _DEBTORS, sign * payment["Amount"]),
        _line(making, _BANK, -sign * payment["Amount"]),
    ]
    return _journal(
        making, payment["Date"], lines, source=(f"{invoice['Type']}PAYMENT", payment["PaymentID"])
    )


def _manual(making: Making) -> Fields:
    found = making.peer("xero.manual_journals")
    if found is None:
        amount = money(making.source.randrange(100, 900_000))
        lines = [_line(making, _TAX, amount), _line(making, _BANK, -amount)]
        date = f"/Date({midnight(making.modified_ms)}+0000)/"
        return _journal(making, date, lines, source=("MANJOURNAL", guid(making.source)))
    lines = [
        _line(making, (line["AccountCode"], "EXPENSE", ""), line["LineAmount"])
        for line in found["JournalLines"]
    ]
    source = ("MANJOURNAL", found["ManualJournalID"])
    return _journal(making, found["Date"], lines, source=source, reference=found["Narration"])


def _journal(
    making: Making, date: str, lines: list[Fields], *, source: tuple[str, str], reference: str | None = None
) -> Fields:
    fields: Fields = {
        "JournalID": guid(making.source),
        "JournalDate": date,
        "JournalNumber": number(making.serial),
        "CreatedDateUTC": "",
    }
    if reference is not None:
        fields["Reference"] = reference
    return fields | {"SourceID": source[1], "SourceType": source[0], "JournalLines": lines}


def _line(making: Making, account: tuple[str, str, str], net: Decimal, tax: Decimal = _NOTHING) -> Fields:
    code, kind, name = account
    found = next((each for each in making.seeded("xero.accounts", None) if each.get("Code") == code), None)
    return {
        "JournalLineID": guid(making.source),
        "AccountID": found["AccountID"] if found else guid(making.source),
        "AccountCode": code,
        "AccountType": found["Type"] if found else kind,
        "AccountName": found["Name"] if found else name,
        "Description": "",
        "NetAmount": net,
        "GrossAmount": net + tax,
        "TaxAmount": tax + 0,  # never -0.00
        "TrackingCategories": [],
    }

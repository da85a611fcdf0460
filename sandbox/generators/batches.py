"""Makes batch payments: several bills paid, or several invoices collected, at once."""

from collections.abc import Mapping
from typing import Any

from sandbox.generators import nested
from sandbox.generators.making import Fields, Making
from sandbox.generators.values import date_string, guid, midnight, money

IN_A_BATCH = 14  # of so many paid invoices in order, some were paid by the same batch
_LONGEST = 6


def batch_payment(making: Making) -> Fields:
    """One batch; it can be made and deleted, never changed."""
    chosen = _chosen(making)
    on = midnight(making.modified_ms)
    return {
        "Account": nested.some(nested.bank_accounts(making, 1)[0], "AccountID", "CurrencyCode"),
        "Reference": f"Batch {making.serial}" if making.chance(0.7) else "",
        "BatchPaymentID": guid(making.source),
        "DateString": date_string(on),
        "Date": f"/Date({on}+0000)/",
        "Payments": [_payment(each) for each in chosen],
        "Type": "RECBATCH" if chosen and chosen[0]["Type"] == "ACCREC" else "PAYBATCH",
        "Status": "DELETED" if making.every(17, 5) else "AUTHORISED",
        "TotalAmount": sum((each["Payments"][0]["Amount"] for each in chosen), money(0)),
        "UpdatedDateUTC": "",
        "IsReconciled": making.chance(0.8),
    }


def _chosen(making: Making) -> list[Mapping[str, Any]]:
    """Paid invoices of one type that no other batch has; a batch made later takes any one."""
    first = making.serial * IN_A_BATCH
    paid = making.seeded("xero.invoices", "Payments")[first : first + IN_A_BATCH]
    kind = "ACCREC" if making.every(5, 2) else "ACCPAY"
    chosen = [each for each in paid if each["Type"] == kind][:_LONGEST]
    spare = paid[0] if paid else making.one_with("xero.invoices", "Payments")
    return chosen or ([spare] if spare else [])


def _payment(invoice: Mapping[str, Any]) -> Fields:
    told = invoice["Payments"][0]
    return {
        "Invoice": nested.invoice(invoice, "InvoiceID", "CurrencyCode"),
        "PaymentID": told["PaymentID"],
        "Amount": told["Amount"],
        "BankAmount": told["Amount"],
    }

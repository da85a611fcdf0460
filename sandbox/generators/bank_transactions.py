"""Makes money spent and received, and the two sides of transfers."""

from collections.abc import Mapping
from typing import Any

from sandbox.generators import nested
from sandbox.generators.lines import make_lines, one_line
from sandbox.generators.making import Fields, Making
from sandbox.generators.values import DAY_MS, date_string, guid, midnight, money, rate

_STATUSES = ("AUTHORISED",) * 14 + ("DELETED", "VOIDED")

# Where in every so many a bank transaction is one side of something else, that thing's list,
# the field with this side's id, and what this side is called.
_EVERY = 40
_SIDES = {
    7: ("xero.bank_transfers", "FromBankTransactionID", "SPEND-TRANSFER"),
    8: ("xero.bank_transfers", "ToBankTransactionID", "RECEIVE-TRANSFER"),
    27: ("xero.overpayments", "OverpaymentID", None),
    33: ("xero.prepayments", "PrepaymentID", None),
}


def bank_transaction(making: Making) -> Fields:
    """One bank transaction."""
    place, at = divmod(making.serial, _EVERY)
    if at in _SIDES:
        resource, field, kind = _SIDES[at]
        others = making.peers(resource)
        if place < len(others):
            other = others[place]
            return _transfer(making, other, field, kind) if kind else _early(making, other, field)
    return _plain(making)


def _plain(making: Making) -> Fields:
    spend, country = making.chance(0.7), making.organisation.country
    amounts = making.source.choice(("Inclusive", "Inclusive", "Exclusive", "NoTax"))
    lines = make_lines(
        making,
        tax_type=country.purchases_tax if spend else country.sales_tax,
        inclusive=amounts == "Inclusive",
        taxed=amounts != "NoTax",
    )
    date = midnight(making.modified_ms) - making.source.randrange(0, 10) * DAY_MS
    account = nested.some(nested.bank_accounts(making, 1)[0], "AccountID", "Code", "Name")
    fields = _head(making, "SPEND" if spend else "RECEIVE", guid(making.source), account)
    if making.every(43, 19):
        fields["Url"] = f"https://example.com/bank/{making.serial}"
    fields |= {"Contact": nested.contact(making)} | _when(date)
    return fields | {
        "Status": making.source.choice(_STATUSES),
        "LineAmountTypes": amounts,
        "LineItems": lines.items,
        "SubTotal": money(lines.subtotal),
        "TotalTax": money(lines.tax),
        "Total": money(lines.total),
        "UpdatedDateUTC": "",
        "CurrencyCode": country.currency,
    }


def _transfer(making: Making, transfer: Mapping[str, Any], field: str, kind: str) -> Fields:
    """One side of a transfer: it has no contact, and the money is not taxed."""
    side = "From" if kind == "SPEND-TRANSFER" else "To"
    fields = _head(making, kind, transfer[field], transfer[f"{side}BankAccount"])
    cents = int(transfer["Amount"].scaleb(2))
    return fields | {
        "IsReconciled": transfer[f"{side}IsReconciled"],
        "Reference": transfer["Reference"],
        "DateString": transfer["DateString"],
        "Date": transfer["Date"],
        "Status": transfer["Status"],
        "LineAmountTypes": "NoTax",
        "LineItems": one_line(making, "Bank transfer", "877", cents).items,
        "SubTotal": transfer["Amount"],
        "TotalTax": money(0),
        "Total": transfer["Amount"],
        "UpdatedDateUTC": "",
        "CurrencyCode": making.organisation.country.currency,
    }


def _early(making: Making, credit: Mapping[str, Any], field: str) -> Fields:
    """The money that an overpayment or a prepayment came in or went out by."""
    account = nested.some(nested.bank_accounts(making, 1)[0], "AccountID", "Code", "Name")
    fields = _head(making, credit["Type"], guid(making.source), account)
    told = ("Contact", "DateString", "Date", "LineAmountTypes", "LineItems", "SubTotal", "TotalTax", "Total")
    return (
        fields
        | {field: credit[field], "Status": "VOIDED" if credit["Status"] == "VOIDED" else "AUTHORISED"}
        | nested.some(credit, *told, "CurrencyCode")
        | {"UpdatedDateUTC": ""}
    )


def _head(making: Making, kind: str, transaction_id: str, account: Mapping[str, Any]) -> Fields:
    fields: Fields = {"BankTransactionID": transaction_id, "BankAccount": account, "Type": kind}
    if making.chance(0.5):
        fields["Reference"] = f"Txn {making.serial:05d}"
    return fields | {
        "IsReconciled": making.chance(0.8),
        "CurrencyRate": rate(1_000_000),
        "HasAttachments": making.chance(0.1),
    }


def _when(date: int) -> Fields:
    return {"DateString": date_string(date), "Date": f"/Date({date}+0000)/"}

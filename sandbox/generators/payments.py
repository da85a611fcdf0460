"""Makes payments of invoices, and what was paid back."""

from collections.abc import Mapping
from typing import Any

from sandbox.generators import nested
from sandbox.generators.batches import IN_A_BATCH
from sandbox.generators.making import Fields, Making, Organisation
from sandbox.generators.values import DAY_MS, guid, midnight, money, rate

# Of so many payments in order the first ones are those of the next invoices that were paid, then
# come one that was paid back and one that was undone: so the list holds every payment that a
# document tells of, once.
_ROUND, _OF_INVOICES = 20, 18
_PAID_BACK_AT = 18


def payments(mine: Organisation) -> int:
    """How many there are to begin with: all that documents tell of, and some more."""
    return round(mine.bulk.invoices * 0.85)


def payment(making: Making) -> Fields:
    """One payment: it can be made and deleted, never changed."""
    if making.serial >= payments(making.organisation):
        return _other(making, "AUTHORISED")
    turn, at = divmod(making.serial, _ROUND)
    if at < _OF_INVOICES:
        place = turn * _OF_INVOICES + at
        invoice = making.nth("xero.invoices", place, "Payments")
        if invoice is not None:
            return _of_invoice(making, invoice, place)
    elif at == _PAID_BACK_AT:
        for resource, word, about in _PAID_BACK:
            credit = making.nth(resource, turn, "Payments")
            if credit is not None:
                return _paid_back(making, credit, word, about(credit))
            turn -= len(making.seeded(resource, "Payments"))
    return _other(making, "DELETED")


def _of_invoice(making: Making, invoice: Mapping[str, Any], place: int) -> Fields:
    told = invoice["Payments"][0]
    # With the invoice deleted, its payment is, too.
    status = "DELETED" if invoice["Status"] == "DELETED" else "AUTHORISED"
    batch = _batch(making.nth("xero.batch_payments", place // IN_A_BATCH), told["PaymentID"])
    return _payment(making, told, f"{invoice['Type']}PAYMENT", status, batch | _invoice(invoice))


def _paid_back(making: Making, credit: Mapping[str, Any], word: str, about: Fields) -> Fields:
    side = "AR" if credit["Type"].startswith(("ACCREC", "RECEIVE")) else "AP"
    return _payment(making, credit["Payments"][0], f"{side}{word}PAYMENT", "AUTHORISED", about)


def _other(making: Making, status: str) -> Fields:
    """One that no invoice tells of: it was deleted, or has just been made."""
    invoice = making.peer("xero.invoices")
    on = midnight(making.modified_ms) - making.source.randrange(1, 20) * DAY_MS
    told = {
        "PaymentID": guid(making.source),
        "Date": f"/Date({on}+0000)/",
        "Amount": money(making.source.randrange(100, 400_000)),
    }
    kind = invoice["Type"] if invoice else "ACCPAY"
    return _payment(making, told, f"{kind}PAYMENT", status, _invoice(invoice) if invoice else {})


def _payment(making: Making, told: Mapping[str, Any], kind: str, status: str, about: Fields) -> Fields:
    fields: Fields = {"PaymentID": told["PaymentID"], "Date": told["Date"]}
    fields |= {"BankAmount": told["Amount"], "Amount": told["Amount"]}
    if "Reference" in told:
        fields["Reference"] = told["Reference"]
    return (
        fields
        | {
            "CurrencyRate": rate(1_000_000),
            "PaymentType": kind,
            "Status": status,
            "UpdatedDateUTC": "",
            "UpdatedDateUTCString": "",
            "HasAccount": True,
            "IsReconciled": making.chance(0.8),
            "Account": nested.some(nested.bank_accounts(making, 1)[0], "AccountID", "Code"),
        }
        | about
        | {"HasValidationErrors": False}
    )


def _invoice(invoice: Mapping[str, Any]) -> Fields:
    told = nested.invoice(invoice, "Type", "InvoiceID", "InvoiceNumber", "Contact", "CurrencyCode")
    return {"Invoice": told}


def _credit_note(note: Mapping[str, Any]) -> Fields:
    """A credit note stands under `Invoice`, with its own id and type."""
    return _invoice({**note, "InvoiceID": note["CreditNoteID"], "InvoiceNumber": note["CreditNoteNumber"]})


def _overpayment(early: Mapping[str, Any]) -> Fields:
    return {"Overpayment": nested.some(early, "OverpaymentID", "Type", "Contact", "CurrencyCode")}


def _prepayment(early: Mapping[str, Any]) -> Fields:
    return {"Prepayment": nested.some(early, "PrepaymentID", "Type", "Contact", "CurrencyCode")}


def _batch(batch: Mapping[str, Any] | None, payment_id: str) -> Fields:
    """The batch that a payment went out with, if it was one of those."""
    if batch is None or all(each["PaymentID"] != payment_id for each in batch["Payments"]):
        return {}
    told = ("BatchPaymentID", "Date", "Type", "Status", "TotalAmount", "UpdatedDateUTC", "IsReconciled")
    account = nested.some(batch["Account"], "AccountID")
    mention = {"Account": account} | nested.some(batch, *told)
    return {"BatchPaymentID": batch["BatchPaymentID"], "BatchPayment": mention}


# What can be paid back: its list, its word in a PaymentType, and how a payment names it.
_PAID_BACK = (
    ("xero.credit_notes", "CREDIT", _credit_note),
    ("xero.overpayments", "OVERPAYMENT", _overpayment),
    ("xero.prepayments", "PREPAYMENT", _prepayment),
)

"""Makes credit notes, given and received."""

from collections.abc import Mapping
from typing import Any

from sandbox.generators import nested
from sandbox.generators.credit import use_up
from sandbox.generators.lines import Lines, make_lines, one_line
from sandbox.generators.making import Fields, Making
from sandbox.generators.values import DAY_MS, date_string, guid, midnight, money, rate

_STATUSES = ("PAID",) * 6 + ("AUTHORISED",) * 5 + ("DRAFT", "SUBMITTED", "VOIDED")


def credit_note(making: Making) -> Fields:
    """One credit note, against an invoice; first come those that invoices name."""
    named_on = making.nth("xero.invoices", making.serial, "CreditNotes")
    named = named_on["CreditNotes"][0] if named_on else None
    invoice = named_on or making.one_with("xero.invoices", "Payments")
    bill = invoice["Type"] == "ACCPAY" if invoice else making.chance(0.4)
    amounts = "NoTax" if named else making.source.choice(("Inclusive", "Exclusive", "Exclusive", "NoTax"))
    lines = _lines(making, named, bill=bill, amounts=amounts)
    status = "AUTHORISED" if named else making.source.choice(_STATUSES)
    date = midnight(making.modified_ms) - making.source.randrange(0, 30) * DAY_MS
    credit = use_up(making, status, lines.total, date, None if named else invoice)
    fields = _name(making, named, bill=bill)
    fields |= {
        "Payments": credit.refunds,
        "CurrencyRate": invoice.get("CurrencyRate", rate(1_000_000)) if invoice else rate(1_000_000),
        "RemainingCredit": money(credit.left),
        "Allocations": credit.allocations,
        "HasAttachments": making.chance(0.1),
        "Contact": invoice["Contact"] if invoice else nested.contact(making),
        "DateString": date_string(date),
        "Date": f"/Date({date}+0000)/",
        "Status": status,
        "LineAmountTypes": amounts,
        "LineItems": lines.items,
        "SubTotal": money(lines.subtotal),
        "TotalTax": money(lines.tax),
        "Total": money(lines.total),
        "UpdatedDateUTC": "",
        "UpdatedDateUTCString": "",
        "CurrencyCode": invoice["CurrencyCode"] if invoice else making.organisation.country.currency,
    }
    if status == "PAID":
        fields["FullyPaidOnDate"] = (credit.allocations or credit.refunds)[0]["Date"]
    return fields


def _lines(making: Making, named: Mapping[str, Any] | None, *, bill: bool, amounts: str) -> Lines:
    if named:
        return one_line(making, "Goods returned", "310", int(named["Total"].scaleb(2)))
    country = making.organisation.country
    return make_lines(
        making,
        tax_type=country.purchases_tax if bill else country.sales_tax,
        inclusive=amounts == "Inclusive",
        taxed=amounts != "NoTax",
    )


def _name(making: Making, named: Mapping[str, Any] | None, *, bill: bool) -> Fields:
    note = named["CreditNoteID"] if named else guid(making.source)
    # Those received bear the supplier's number, or none.
    number = making.source.choice(("", "CR-7", "AP/2026")) if bill else f"CN-{making.serial:05d}"
    fields: Fields = {
        "CreditNoteID": note,
        "CreditNoteNumber": named["CreditNoteNumber"] if named else number,
        "ID": note,
        "Type": "ACCPAYCREDIT" if bill else "ACCRECCREDIT",
        "Reference": "" if making.chance(0.6) else f"Returned {making.serial}",
    }
    if not bill:
        fields |= nested.branding_theme(making)
        if making.chance(0.5):
            fields["SentToContact"] = making.chance(0.7)
    return fields

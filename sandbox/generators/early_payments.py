"""Makes overpayments and prepayments: money that came in or went out before it was owed."""

from collections.abc import Mapping
from typing import Any

from sandbox.generators import nested
from sandbox.generators.credit import use_up
from sandbox.generators.lines import Lines, make_lines, one_line
from sandbox.generators.making import Fields, Making
from sandbox.generators.values import DAY_MS, date_string, guid, midnight, money, rate

_STATUSES = ("AUTHORISED",) * 4 + ("PAID",) * 3 + ("VOIDED",)


def overpayment(making: Making) -> Fields:
    """One overpayment: a single line without tax, on what the contact owes or is owed."""
    invoice = making.one_with("xero.invoices", "Payments")
    spend = _is_spend(making, invoice)
    cents = making.source.randrange(100, 300_000)
    lines = one_line(making, f"Overpayment {making.serial}", "800" if spend else "610", cents)
    return _early(making, invoice, lines, word="Overpayment", spend=spend, amounts="NoTax")


def prepayment(making: Making) -> Fields:
    """One prepayment, with lines as the invoice to come will have them."""
    invoice = making.one_with("xero.invoices", "Payments")
    spend, country = _is_spend(making, invoice), making.organisation.country
    amounts = making.source.choice(("Exclusive", "Inclusive", "NoTax"))
    lines = make_lines(
        making,
        tax_type=country.purchases_tax if spend else country.sales_tax,
        inclusive=amounts == "Inclusive",
        taxed=amounts != "NoTax",
    )
    fields = _early(making, invoice, lines, word="Prepayment", spend=spend, amounts=amounts)
    if not spend:
        fields |= nested.branding_theme(making)
        fields["InvoiceNumber"] = f"PRE-{making.serial:04d}"
    return fields


def _is_spend(making: Making, invoice: Mapping[str, Any] | None) -> bool:
    return invoice["Type"] == "ACCPAY" if invoice else making.chance(0.5)


def _early(
    making: Making, invoice: Mapping[str, Any] | None, lines: Lines, *, word: str, spend: bool, amounts: str
) -> Fields:
    status = making.source.choice(_STATUSES)
    date = midnight(making.modified_ms) - making.source.randrange(0, 30) * DAY_MS
    credit = use_up(making, status, lines.total, date, invoice)
    early = guid(making.source)
    return {
        f"{word}ID": early,
        "ID": early,
        "CurrencyRate": rate(1_000_000),
        "Type": f"{'SPEND' if spend else 'RECEIVE'}-{word.upper()}",
        "Reference": f"Reference for payment{making.serial}" if making.chance(0.7) else "",
        "RemainingCredit": money(credit.left),
        "Allocations": credit.allocations,
        "Payments": credit.refunds,
        "HasAttachments": making.chance(0.05),
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
        "CurrencyCode": making.organisation.country.currency,
    }

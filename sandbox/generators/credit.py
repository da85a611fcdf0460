"""Uses up what is owed the other way round: credit notes and money paid early or twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.generators import nested
from sandbox.generators.making import Fields, Making
from sandbox.generators.values import DAY_MS, guid, money, rate


@dataclass(frozen=True)
class Credit:
    """What is left of an amount, in cents, and where the rest went."""

    left: int
    allocations: list[Fields]
    refunds: list[Fields]


def use_up(making: Making, status: str, total: int, date: int, invoice: Mapping[str, Any] | None) -> Credit:
    """Allocate an amount to an invoice or pay it back, as far as the status says.

    Of those used up some were paid back; of those still open some are partly allocated.
    """
    if status in {"VOIDED", "DELETED"}:
        return Credit(0, [], [])
    on = date + making.source.randrange(0, 21) * DAY_MS
    if status == "PAID" and (invoice is None or making.chance(0.3)):
        return Credit(0, [], [_refund(making, total, on)])
    if invoice is None or not (status == "PAID" or (status == "AUTHORISED" and making.chance(0.3))):
        return Credit(total, [], [])
    used = total if status == "PAID" else total // 3
    return Credit(total - used, [_allocation(making, used, on, invoice)], [])


def _allocation(making: Making, amount: int, on: int, invoice: Mapping[str, Any]) -> Fields:
    return {
        "AllocationID": guid(making.source),
        "Amount": money(amount),
        "Date": f"/Date({on}+0000)/",
        "Invoice": nested.invoice(invoice, "InvoiceID", "InvoiceNumber"),
        "IsDeleted": False,
    }


def _refund(making: Making, amount: int, on: int) -> Fields:
    return {
        "PaymentID": guid(making.source),
        "Date": f"/Date({on}+0000)/",
        "Amount": money(amount),
        "Reference": "Too much",
        "CurrencyRate": rate(1_000_000),
        "HasAccount": False,
        "HasValidationErrors": False,
    }

"""Compares Dext's tax list with Xero's, rate by rate: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sync.tax.verdicts import blocks, ordered

# Dext may round a rate; more than this is another rate.
TOLERANCE = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Rate:
    """A tax rate as one side has it. `tax_type` is Xero's; what somebody typed into Dext has none."""

    tax_type: str | None
    name: str
    rate: Decimal | None
    active: bool = True
    applies_to: frozenset[str] = frozenset()
    """What Xero allows it for: assets, equity, expenses, liabilities, revenue. Dext is not asked for it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One rate on both sides; a side that has none of it is None."""

    found: tuple[str, ...]
    dext: Rate | None
    xero: Rate | None

    @property
    def tax_type(self) -> str | None:
        """By which Xero knows it."""
        side = self.xero or self.dext
        return side.tax_type if side else None

    @property
    def verdict(self) -> str:
        """The gravest of what was found."""
        return self.found[0]

    @property
    def blocks(self) -> bool:
        """Whether a bill with this rate could not go to Xero."""
        return blocks(self.found)


def compare(dext: Sequence[Rate], xero: Sequence[Rate]) -> list[Row]:
    """Every rate that either side uses: Dext's beside what it means in Xero, then what Dext lacks.

    What neither side uses any more is left out.
    """
    meant = [(theirs, find(theirs, xero)) for theirs in dext]
    named = [ours for _, ours in meant if ours is not None]
    pairs = [*meant, *((None, ours) for ours in xero if ours not in named)]
    return [
        Row(findings(theirs, ours), theirs, ours)
        for theirs, ours in pairs
        if (theirs and theirs.active) or (ours and ours.active)
    ]


def find(rate: Rate, xero: Sequence[Rate]) -> Rate | None:
    """What a rate of Dext's means in Xero: by Xero's tax type, and what has none by its name, then its rate.

    Whoever has a type is never taken for another one: Xero would take it by its type alone. Where a name or
    a rate fits several, nobody can say which is meant, and none is.
    """
    if rate.tax_type is not None:
        return next((ours for ours in xero if ours.tax_type == rate.tax_type), None)
    usable = [ours for ours in xero if ours.active and "expenses" in ours.applies_to]
    by_name = [ours for ours in xero if _name(ours) == _name(rate)]
    by_rate = [ours for ours in usable if _equal(ours.rate, rate.rate)]
    return next((fits[0] for fits in (by_name, by_rate) if len(fits) == 1), None)


def findings(dext: Rate | None, xero: Rate | None) -> tuple[str, ...]:
    """What is to be said of a rate as the two sides have it, the gravest first."""
    if xero is None:
        return ordered(["missing_in_xero"])
    said = {
        "inactive_in_xero": not xero.active,
        "missing_in_dext": xero.active and (dext is None or not dext.active),
        "rate_differs": dext is not None and _differs(dext.rate, xero.rate),
        "name_differs": dext is not None and _name(dext) != _name(xero),
        "not_for_expenses": xero.active and "expenses" not in xero.applies_to,
    }
    return ordered(name for name, holds in said.items() if holds)


def _equal(one: Decimal | None, other: Decimal | None) -> bool:
    return one is not None and other is not None and abs(one - other) <= TOLERANCE


def _differs(one: Decimal | None, other: Decimal | None) -> bool:
    # A rate that one side does not tell is none that differs.
    return one is not None and other is not None and not _equal(one, other)


def _name(rate: Rate) -> str:
    return " ".join(rate.name.split()).casefold()

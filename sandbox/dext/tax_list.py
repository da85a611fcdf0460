"""The tax rates that Dext has of an organisation: Xero's, with every difference that a check must find."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sandbox.endpoints.sizes import Seeded
from sandbox.generators.making import Organisation

Row = dict[str, Any]

MISSING_IN_XERO = "OLDINPUT"


def tax_rows(organisation: Organisation, seeded: Seeded) -> list[Row]:
    """Rows of code, name, rate, active and use; every fourth organisation's agree with Xero altogether.

    The rates that purchases usually bear agree everywhere. Of the others the first has another rate here,
    the second is missing, the third has another name, the fourth is not active; and two old ones are
    unknown to Xero, the second not active.
    """
    rows = [_row(rate) for rate in seeded("xero.tax_rates", None)]
    if organisation.index % 4 == 1:
        return rows
    used = {organisation.country.purchases_tax, organisation.country.untaxed}
    others = [row for row in rows if row["code"] not in used]
    for row, change in zip(others, (_other_rate, rows.remove, _other_name, _inactive), strict=False):
        change(row)
    return [*rows, _old(MISSING_IN_XERO, 12, active=True), _old("OLDINPUT2", 17, active=False)]


def _row(rate: Mapping[str, Any]) -> Row:
    uses = ("Assets", "Equity", "Expenses", "Liabilities", "Revenue")
    return {
        "code": rate["TaxType"],
        "name": rate["Name"],
        "rate": str(rate["EffectiveRate"]),
        "active": rate["Status"] == "ACTIVE",
        "applies_to": _lower(use for use in uses if rate[f"CanApplyTo{use}"]),
    }


def _other_rate(row: Row) -> None:
    row["rate"] = str(Decimal(row["rate"]) + Decimal("2.5000"))


def _other_name(row: Row) -> None:
    row["name"] = f"{row['name']} (old)"


def _inactive(row: Row) -> None:
    row["active"] = False


def _old(code: str, per_cent: int, *, active: bool) -> Row:
    name = f"{per_cent}% (until 2010)"
    return {
        "code": code,
        "name": name,
        "rate": f"{per_cent}.0000",
        "active": active,
        "applies_to": ["expenses"],
    }


def _lower(words: Any) -> Sequence[str]:
    return [word.lower() for word in words]

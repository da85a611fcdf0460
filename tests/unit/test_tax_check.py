"""Dext's tax list beside Xero's: each case of the table, for the list and for the lines of one bill."""

from decimal import Decimal
from typing import Any

import pytest

from connectors.dext.wire import item_from_wire
from sync.tax.bills import Account, Lists, check
from sync.tax.comparing import Rate, compare

ALL = frozenset({"assets", "equity", "expenses", "liabilities", "revenue"})
SALES = frozenset({"revenue"})
VAT = Rate("INPUT2", "20% (VAT on Expenses)", Decimal(20), applies_to=ALL)
ZERO = Rate("ZEROINPUT", "Zero Rated Expenses", Decimal(0), applies_to=ALL)
SALES_VAT = Rate("OUTPUT2", "20% (VAT on Income)", Decimal(20), applies_to=SALES)


def dext(
    tax_type: str | None, name: str = VAT.name, rate: str | None = "20.0000", *, active: bool = True
) -> Rate:
    return Rate(tax_type, name, None if rate is None else Decimal(rate), active)


def changed(rate: Rate, **values: Any) -> Rate:
    return Rate(**{name: getattr(rate, name) for name in Rate.__dataclass_fields__} | values)


# What Dext has, what Xero has → what is found, the gravest first; and whether a bill with it is stopped.
CASES: list[tuple[str, Rate | None, Rate | None, tuple[str, ...], bool]] = [
    ("match", dext("INPUT2"), VAT, ("match",), False),
    ("match within rounding", dext("INPUT2", rate="20.01"), VAT, ("match",), False),
    ("match when Dext tells no rate", dext("INPUT2", rate=None), VAT, ("match",), False),
    ("match by name", dext(None, "20%  (vat on expenses)", None), VAT, ("match",), False),
    ("match by rate", dext(None, "VAT twenty"), VAT, ("name_differs",), False),
    ("missing in Dext", None, VAT, ("missing_in_dext",), False),
    ("switched off in Dext", dext("INPUT2", active=False), VAT, ("missing_in_dext",), False),
    ("missing in Xero", dext("OLDINPUT"), None, ("missing_in_xero",), True),
    ("another type is another rate, whatever its name", dext("INPUT9"), VAT, ("missing_in_xero",), True),
    ("rate differs", dext("INPUT2", rate="17.5"), VAT, ("rate_differs",), True),
    ("rate differs by more than rounding", dext("INPUT2", rate="20.0101"), VAT, ("rate_differs",), True),
    ("name differs", dext("INPUT2", "VAT"), VAT, ("name_differs",), False),
    ("rate and name differ", dext("INPUT2", "VAT", "5"), VAT, ("rate_differs", "name_differs"), True),
    ("inactive in Xero", dext("INPUT2"), changed(VAT, active=False), ("inactive_in_xero",), True),
    ("not for expenses", dext("OUTPUT2", SALES_VAT.name), SALES_VAT, ("not_for_expenses",), False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("theirs", "ours", "found", "blocks"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_each_case_of_the_table(
    theirs: Rate | None, ours: Rate | None, found: tuple[str, ...], blocks: bool
) -> None:
    rows = compare([theirs] if theirs else [], [ours] if ours else [])

    said = next(row for row in rows if row.dext == theirs)
    assert (said.found, said.verdict, said.blocks) == (found, found[0], blocks)


def test_what_neither_side_uses_is_not_spoken_of() -> None:
    assert compare([dext("OLDINPUT", active=False)], [changed(VAT, active=False)]) == []


def test_a_rate_that_fits_two_is_neither() -> None:
    twin = changed(VAT, tax_type="CAPEXINPUT2", name="20% (VAT on Capital)")

    rows = compare([dext(None, "VAT twenty")], [VAT, twin])

    assert [row.verdict for row in rows] == ["missing_in_xero", "missing_in_dext", "missing_in_dext"]


# The lines of one bill.

PRINTING = Account("a1", "461", "EXPENSE", "INPUT2")
EXEMPT = Account("a2", "477", "EXPENSE", "ZEROINPUT")
SALES_ACCOUNT = Account("a3", "200", "REVENUE", "OUTPUT2")
LISTS = Lists(
    dext=[dext("INPUT2"), dext("OUTPUT2", SALES_VAT.name), dext("OLDINPUT", "Old", "12"),
          dext("CUT", "Cut", "15")],
    xero=[VAT, ZERO, SALES_VAT, Rate("CUT", "Cut", Decimal(10), applies_to=ALL),
          Rate("GONE", "Gone", Decimal(5), active=False, applies_to=ALL)],
    accounts=[PRINTING, EXEMPT, SALES_ACCOUNT],
)  # fmt: skip


def line(tax: str | None, amount: Any = "39.00", account: str = "461") -> dict[str, Any]:
    return {"id": "l1", "tax_amount": amount, "category_code": account, "tax_rate_external_id": tax}


# One line → what is found, whether it stops the bill, and the tax type that Xero would be sent.
LINES: list[tuple[str, dict[str, Any], tuple[str, ...], bool, str | None]] = [
    ("all is well", line("xero:tax:INPUT2"), ("match",), False, "INPUT2"),
    ("missing in Xero", line("xero:tax:OLDINPUT"), ("missing_in_xero",), True, None),
    ("inactive in Xero", line("xero:tax:GONE"), ("inactive_in_xero",), True, "GONE"),
    ("rate differs", line("xero:tax:CUT"), ("rate_differs",), True, "CUT"),
    ("not for the account", line("xero:tax:OUTPUT2"), ("not_for_account",), True, "OUTPUT2"),
    ("for its account", line("xero:tax:OUTPUT2", account="200"), ("match",), False, "OUTPUT2"),
    ("no rate, the account has one", line(None), ("no_rate",), False, "INPUT2"),
    ("No VAT: tax, yet 0 %", line(None, account="477"), ("tax_without_rate",), True, "ZEROINPUT"),
    ("no tax, and the account's rate is 0 %", line(None, "0.00", "477"), ("no_rate",), False, "ZEROINPUT"),
    ("no tax amount at all", line(None, None, "477"), ("no_rate",), False, "ZEROINPUT"),
    ("tax, no rate, and an unknown account", line(None, account="999"), ("tax_without_rate",), True, None),
    ("an amount that nobody can read", line(None, "n/a", "477"), ("no_rate",), False, "ZEROINPUT"),
    ("an amount that is a number", line(None, 39, "477"), ("tax_without_rate",), True, "ZEROINPUT"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "found", "blocks", "tax_type"), [case[1:] for case in LINES], ids=[c[0] for c in LINES]
)
def test_each_line_is_stopped_by_what_xero_would_refuse_and_by_nothing_else(
    told: dict[str, Any], found: tuple[str, ...], blocks: bool, tax_type: str | None
) -> None:
    (judged,) = check(named({"line_items": [told]}), LISTS)

    assert (judged.found, judged.blocks, judged.tax_type) == (found, blocks, tax_type)


def test_a_bill_without_lines_is_judged_by_its_header() -> None:
    header = {
        "tax_amount": "39.00",
        "category": {"external_id": "xero:account:a2", "code": "477"},
        "tax_rate": None,
        "line_items": [],
    }

    (judged,) = check(named(header), LISTS)
    (rated,) = check(
        named(header | {"tax_rate": {"external_id": None, "name": VAT.name, "rate": "20.0000"}}), LISTS
    )

    assert (judged.verdict, judged.account_code) == ("tax_without_rate", "477")
    assert (rated.verdict, rated.tax_type) == ("match", "INPUT2")


def named(item: dict[str, Any]) -> Any:
    """As the adapter names an item's parts, whatever spelling the amounts have."""
    return item_from_wire(item)

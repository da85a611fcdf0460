"""Makes budgets: an overall one, then some for one tracking option each."""

from collections.abc import Mapping
from typing import Any

from sandbox.generators.making import Fields, Making, Organisation
from sandbox.generators.tracking import tracked
from sandbox.generators.values import guid, money

_MONTHS = tuple(
    f"{year}-{month:02d}" for year, months in ((2025, range(7, 13)), (2026, range(1, 7))) for month in months
)


def budgets(mine: Organisation) -> int:
    """How many there are."""
    return min(3, mine.bulk.contacts // 60)


def budget(making: Making) -> Fields:
    """One budget with its lines, a month's amount for some accounts each."""
    option = tracked(making) if making.serial > 0 else {}
    accounts = [
        each for each in making.seeded("xero.accounts", "Code") if each["Class"] in {"EXPENSE", "REVENUE"}
    ]
    chosen = making.source.sample(accounts, min(len(accounts), making.source.randrange(4, 14)))
    return {
        "BudgetID": guid(making.source),
        "Type": "TRACKING" if option else "OVERALL",
        "Description": f"Budget {making.serial}, FY2026" if making.serial else "Overall Budget",
        "UpdatedDateUTC": "",
        "BudgetLines": [_line(making, account) for account in chosen],
        "Tracking": [option] if option else [],
    }


def _line(making: Making, account: Mapping[str, Any]) -> Fields:
    amount = making.source.randrange(10_000, 900_000)
    balances = [
        {
            "Period": month,
            "Amount": money(amount + 100 * place),
            "Notes": "Special month" if place == 5 else "",
        }
        for place, month in enumerate(_MONTHS)
    ]
    return {"AccountID": account["AccountID"], "AccountCode": account["Code"], "BudgetBalances": balances}

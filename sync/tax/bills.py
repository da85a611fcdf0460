"""Checks the tax of one bill's lines before they go to Xero: what stops it, and what only warns. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connectors.dext.amounts import amount
from connectors.exact import Number
from sync.tax.comparing import Rate, find, findings
from sync.tax.verdicts import blocks, ordered

PREFIX = "xero:tax:"


@dataclass(frozen=True, slots=True)
class Account:
    """An account of Xero's that a line may be booked to."""

    id: str
    code: str | None
    account_class: str | None
    """ASSET, EQUITY, EXPENSE, LIABILITY or REVENUE."""
    tax_type: str | None


@dataclass(frozen=True, slots=True)
class Lists:
    """What a bill is checked against."""

    dext: Sequence[Rate]
    xero: Sequence[Rate]
    accounts: Sequence[Account]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill, and the tax type that Xero would be sent for it; None while nobody can say."""

    id: str | None
    description: str
    account_code: str | None
    tax_amount: Decimal | None
    tax_type: str | None
    found: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """The gravest of what was found."""
        return self.found[0]

    @property
    def blocks(self) -> bool:
        """Whether it keeps its bill from Xero."""
        return blocks(self.found)


def check(item: Mapping[str, Any], lists: Lists) -> list[Line]:
    """The lines of a cost item, as `item_from_wire` names its parts, judged; without lines its header is one.

    What only the whole list is warned of, such as a name that differs, is left out: it keeps no line back.
    """
    lines = item.get("line_items") or [_header(item)]
    return [_check(item, line, lists) for line in lines]


def _check(item: Mapping[str, Any], line: Mapping[str, Any], lists: Lists) -> Line:
    account = _account(item, line, lists.accounts)
    tax_amount = decimal(line.get("tax_amount"))
    told = _told(item, line)
    rate = _as_listed(told, lists.dext) if told else None
    meant = find(rate, lists.xero) if rate else _usual(account, lists.xero)
    if rate is None:
        found = _without_rate(meant, tax_amount)
    else:
        found = [one for one in findings(rate, meant) if one not in _OF_THE_LIST]
    if meant is not None and account is not None and not _is_allowed(meant, account):
        found.append("not_for_account")
    return Line(
        id=line.get("id"),
        description=line.get("description") or "",
        account_code=account.code if account else _code(item, line),
        tax_amount=tax_amount,
        tax_type=meant.tax_type if meant else None,
        found=ordered(found),
    )


_OF_THE_LIST = frozenset({"match", "missing_in_dext", "name_differs", "not_for_expenses"})


def _header(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: item.get(name) for name in ("description", "tax_amount")}


def _told(item: Mapping[str, Any], line: Mapping[str, Any]) -> Rate | None:
    """The rate that Dext gives a line: the line's own, or its item's; None where there is none."""
    whole = item.get("tax_rate") or {}
    identity = line.get("tax_rate_external_id")
    if identity and identity != whole.get("external_id"):
        return Rate(tax_type_of(identity), "", None)
    if not any(whole.get(name) for name in ("external_id", "name", "rate")):
        return None
    return Rate(tax_type_of(whole.get("external_id")), whole.get("name") or "", decimal(whole.get("rate")))


def _as_listed(told: Rate, dext: Sequence[Rate]) -> Rate:
    """The same with the rate and name of Dext's list, where a line gives its type alone."""
    if told.rate is not None or told.tax_type is None:
        return told
    return next((one for one in dext if one.tax_type == told.tax_type), told)


def _usual(account: Account | None, xero: Sequence[Rate]) -> Rate | None:
    """The rate that an account has by itself."""
    return next((one for one in xero if account and one.tax_type == account.tax_type), None)


def _without_rate(usual: Rate | None, tax_amount: Decimal | None) -> list[str]:
    """A "No VAT" item: Dext read a tax amount off the paper, and nothing says at which rate."""
    if tax_amount and (usual is None or not usual.rate or not usual.active):
        return ["tax_without_rate"]
    return ["no_rate"]


def _account(item: Mapping[str, Any], line: Mapping[str, Any], accounts: Sequence[Account]) -> Account | None:
    category = item.get("category") or {}
    code = _code(item, line)
    identity = category.get("external_id") if code == category.get("code") else None
    by_id = [one for one in accounts if identity and identity == f"xero:account:{one.id}"]
    return next(iter([*by_id, *(one for one in accounts if code and one.code == code)]), None)


def _code(item: Mapping[str, Any], line: Mapping[str, Any]) -> str | None:
    return line.get("category_code") or (item.get("category") or {}).get("code")


def _is_allowed(rate: Rate, account: Account) -> bool:
    """Xero's classes are ASSET, EQUITY, EXPENSE, LIABILITY, REVENUE; its rates apply to their plurals."""
    use = _USES.get((account.account_class or "").upper())
    return use is None or use in rate.applies_to


_USES = {
    "ASSET": "assets",
    "EQUITY": "equity",
    "EXPENSE": "expenses",
    "LIABILITY": "liabilities",
    "REVENUE": "revenue",
}


def tax_type_of(external_id: str | None) -> str | None:
    """Xero's tax type, out of the identity that we gave it in Dext; None for any other."""
    return external_id.removeprefix(PREFIX) if external_id and external_id.startswith(PREFIX) else None


def decimal(value: Any) -> Decimal | None:
    """The exact amount, however Dext spells it; None when there is none that anybody can read."""
    found = amount(value if isinstance(value, str | Number) else Number(str(value)))
    return None if found is None else Decimal(found.text)

"""Xero's records as entries of Dext's lists: one row of a table for each list.

Identities are ours, so that a rename is a change and never a second entry: `xero:account:…`,
`xero:contact:…`, `xero:tax:…`, `xero:tracking:…`, `xero:option:…`. Only what is in use is an entry; what no
longer is one is sent as inactive by whoever compares (`plan`).
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from connectors.dext import Kind, ListEntry

Record = Mapping[str, Any]
"""As Xero gave it, numbers digit for digit."""
Codes = Mapping[str, str]
"""Accounts by their code: `xero:account:…`."""

ACCOUNTS, CONTACTS = "xero.accounts", "xero.contacts"
TAX_RATES, TRACKING = "xero.tax_rates", "xero.tracking_categories"
USES = ("Assets", "Equity", "Expenses", "Liabilities", "Revenue")


@dataclass(frozen=True)
class Source:
    """Where a list's entries come from: the first resource holds their records, the others are looked up."""

    kind: Kind
    resources: tuple[str, ...]
    is_one: Callable[[Record], bool]
    entry: Callable[[Record, Codes], ListEntry]
    most: int | None = None


def entries(source: Source, records: Iterable[Record], codes: Codes) -> list[ListEntry]:
    """The entries that a list has to hold; the first by name where there may only be some of them."""
    made = [source.entry(record, codes) for record in records if source.is_one(record)]
    return made if source.most is None else sorted(made, key=_by_name)[: source.most]


def codes_of(accounts: Iterable[Record]) -> Codes:
    """The active accounts by their code: contacts name them so."""
    return {
        account["Code"]: account_id(account["AccountID"])
        for account in accounts
        if account.get("Code") and _is_active(account)
    }


def written(entry: ListEntry) -> str:
    """An entry as text: equal texts are equal entries."""
    return json.dumps(asdict(entry), ensure_ascii=False, sort_keys=True)


def read(text: str) -> ListEntry:
    """The entry that was written."""
    return ListEntry(**json.loads(text))


def account_id(xero_id: str) -> str:
    """How Dext knows an account, be it a category or a bank account."""
    return f"xero:account:{xero_id}"


def tax_id(tax_type: str) -> str:
    """How Dext knows a tax rate."""
    return f"xero:tax:{tax_type}"


def _by_name(entry: ListEntry) -> tuple[str, str]:
    return entry.name.casefold(), entry.external_id


def _is_category(account: Record) -> bool:
    return _is_active(account) and account.get("Type") != "BANK"


def _category(account: Record, _codes: Codes) -> ListEntry:
    attributes = {
        "type": account.get("Type"),
        "class": account.get("Class"),
        "default_tax": _tax(account.get("TaxType")),
    }
    return ListEntry(
        account_id(account["AccountID"]), _name(account), account.get("Code"), attributes=attributes
    )


def _is_bank_account(account: Record) -> bool:
    return _is_active(account) and account.get("Type") == "BANK"


def _bank_account(account: Record, _codes: Codes) -> ListEntry:
    # A person recognises the account by these; the whole number is nobody's business there.
    digits = "".join(filter(str.isdecimal, account.get("BankAccountNumber") or ""))
    attributes = {"currency": account.get("CurrencyCode"), "last4": digits[-4:] or None}
    return ListEntry(
        account_id(account["AccountID"]), _name(account), account.get("Code"), attributes=attributes
    )


def _is_supplier(contact: Record) -> bool:
    return contact.get("ContactStatus") == "ACTIVE" and contact.get("IsSupplier") is True


def _supplier(contact: Record, codes: Codes) -> ListEntry:
    attributes = {
        "is_supplier": True,
        "tax_number": contact.get("TaxNumber") or None,
        "default_category": codes.get(contact.get("PurchasesDefaultAccountCode") or ""),
        "default_tax": _tax(contact.get("AccountsPayableTaxType")),
        "currency": contact.get("DefaultCurrency") or None,
    }
    return _contact(contact, attributes)


def _is_customer(contact: Record) -> bool:
    return contact.get("ContactStatus") == "ACTIVE" and contact.get("IsCustomer") is True


def _customer(contact: Record, _codes: Codes) -> ListEntry:
    return _contact(contact, {})


def _contact(contact: Record, attributes: Mapping[str, Any]) -> ListEntry:
    identity = f"xero:contact:{contact['ContactID']}"
    return ListEntry(identity, _name(contact), contact.get("ContactNumber") or None, attributes=attributes)


def _is_active(record: Record) -> bool:
    return record.get("Status") == "ACTIVE"


def _tax_rate(rate: Record, _codes: Codes) -> ListEntry:
    effective = rate.get("EffectiveRate", rate.get("DisplayTaxRate"))
    attributes = {
        "rate": None if effective is None else f"{Decimal(effective):.4f}",
        "applies_to": [use.lower() for use in USES if rate.get(f"CanApplyTo{use}")],
    }
    return ListEntry(tax_id(rate["TaxType"]), _name(rate), rate["TaxType"], attributes=attributes)


def _tracking(category: Record, _codes: Codes) -> ListEntry:
    options = [
        {
            "external_id": f"xero:option:{option['TrackingOptionID']}",
            "name": _name(option),
            "active": _is_active(option),
        }
        for option in category.get("Options") or ()
    ]
    identity = f"xero:tracking:{category['TrackingCategoryID']}"
    return ListEntry(identity, _name(category), attributes={"options": options})


def _name(record: Record) -> str:
    return record.get("Name") or ""


def _tax(tax_type: str | None) -> str | None:
    return tax_id(tax_type) if tax_type else None


# In the order in which they are sent: what others name comes first.
SOURCES: tuple[Source, ...] = (
    Source("tax_rates", (TAX_RATES,), _is_active, _tax_rate),
    Source("categories", (ACCOUNTS,), _is_category, _category),
    Source("bank_accounts", (ACCOUNTS,), _is_bank_account, _bank_account),
    # Dext takes no others, and Xero has no more than two at a time:
    # https://help.dext.com/en/articles/106061-how-to-use-xero-tracking-categories-in-dext
    Source("tracking", (TRACKING,), _is_active, _tracking, most=2),
    # As Xero flags them: a contact becomes a supplier with its first bill.
    Source("suppliers", (CONTACTS, ACCOUNTS), _is_supplier, _supplier),
    Source("customers", (CONTACTS,), _is_customer, _customer),
)
UPSTREAM: tuple[str, ...] = tuple(
    dict.fromkeys(resource for source in SOURCES for resource in source.resources)
)
"""What has to be read from Xero before a list can be sent."""

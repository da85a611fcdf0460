"""Makes the entries of Dext's lists out of the Xero organisation's own, as a refresh would have left them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.endpoints.sizes import Seeded, Size
from sandbox.generators.making import Fields, Generator, Making, Organisation

Row = Mapping[str, Any]
Source = Callable[[Organisation, Seeded], Sequence[Row]]
Telling = Callable[[Making, Row], Fields]

_PROJECTS = ("Fit-out Queen Street", "Van 2", "Website / relaunch", "Winter menu")


def sized(source: Source) -> Size:
    """As many as there are to be told of."""
    return lambda organisation, _source, seeded: len(source(organisation, seeded))


def entry_of(prefix: str, source: Source, tell: Telling) -> Generator:
    """Makes the entry of the source's next row; after the last one, what somebody typed into Dext itself."""

    def make(making: Making) -> Fields:
        rows = source(making.organisation, making.seeded)
        own: Row = {"name": f"Typed in Dext {making.serial}"}
        told = tell(making, rows[making.serial]) if making.serial < len(rows) else dict(own)
        return blank_entry(f"{prefix}_{making.serial + 1}") | told

    return make


def blank_entry(entry_id: str) -> Fields:
    """The fields that every entry has."""
    return {
        "external_id": None,
        "id": entry_id,
        "code": None,
        "name": "",
        "active": True,
        "updated_at": "",
        "attributes": {},
    }


def accounts(_organisation: Organisation, seeded: Seeded) -> Sequence[Row]:
    """The accounts that are no bank accounts."""
    return [account for account in seeded("xero.accounts", None) if account["Type"] != "BANK"]


def category(_making: Making, account: Row) -> Fields:
    """An account as a category."""
    return {
        "external_id": f"xero:account:{account['AccountID']}",
        "code": account["Code"],
        "name": account["Name"],
        "active": account["Status"] == "ACTIVE",
        "attributes": {
            "type": account["Type"],
            "class": account["Class"],
            "default_tax": f"xero:tax:{account['TaxType']}",
        },
    }


def banks(_organisation: Organisation, seeded: Seeded) -> Sequence[Row]:
    """The accounts that are bank accounts."""
    return seeded("xero.accounts", "BankAccountNumber")


def bank_account(_making: Making, account: Row) -> Fields:
    """A bank account as a payment method."""
    digits = "".join(filter(str.isdecimal, account["BankAccountNumber"]))
    return {
        "external_id": f"xero:account:{account['AccountID']}",
        "code": account.get("Code"),
        "name": account["Name"],
        "active": account["Status"] == "ACTIVE",
        "attributes": {"currency": account["CurrencyCode"], "last4": digits[-4:]},
    }


def contacts(flag: str) -> Source:
    """The contacts that Xero flags as suppliers, or as customers; no others come to Dext."""
    return lambda _organisation, seeded: seeded("xero.contacts", flag)


def supplier(making: Making, contact: Row) -> Fields:
    """A contact as a supplier."""
    tax = contact.get("AccountsPayableTaxType")
    usual = making.peer("dext.categories") if making.chance(0.3) else None
    return customer(making, contact) | {
        "attributes": {
            "is_supplier": True,
            "tax_number": contact.get("TaxNumber"),
            "default_category": usual["external_id"] if usual else None,
            "default_tax": f"xero:tax:{tax}" if tax else None,
            "currency": contact.get("DefaultCurrency"),
        }
    }


def customer(_making: Making, contact: Row) -> Fields:
    """A contact as a customer."""
    return {
        "external_id": f"xero:contact:{contact['ContactID']}",
        "code": contact.get("ContactNumber"),
        "name": contact["Name"],
        "active": contact["ContactStatus"] == "ACTIVE",
    }


def tax_rate(_making: Making, row: Row) -> Fields:
    """A tax rate by Xero's type."""
    return {
        "external_id": f"xero:tax:{row['code']}",
        "code": row["code"],
        "name": row["name"],
        "active": row["active"],
        "attributes": {"rate": row["rate"], "applies_to": row["applies_to"]},
    }


def active_tracking(_organisation: Organisation, seeded: Seeded) -> Sequence[Row]:
    """The active tracking categories: Dext takes no others."""
    return [each for each in seeded("xero.tracking_categories", None) if each["Status"] == "ACTIVE"]


def tracking(making: Making, told: Row) -> Fields:
    """A tracking category with its options."""
    options = making.seeded("xero.tracking_options", None)
    return {
        "external_id": f"xero:tracking:{told['TrackingCategoryID']}",
        "name": told["Name"],
        "attributes": {
            "options": [
                {
                    "external_id": f"xero:option:{option['TrackingOptionID']}",
                    "name": option["Name"],
                    "active": option["Status"] == "ACTIVE",
                }
                for option in options
                if option["TrackingCategoryID"] == told["TrackingCategoryID"]
            ]
        },
    }


def projects(_organisation: Organisation, _seeded: Seeded) -> Sequence[Row]:
    """Projects are Dext's own: Xero's ledger has none, so nobody gave them an id of ours."""
    return [{"name": name} for name in _PROJECTS]


def project(_making: Making, told: Row) -> Fields:
    """A project."""
    return {"name": told["name"]}

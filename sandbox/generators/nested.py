"""How documents mention other records: the contact, the account, the invoice, the user in a few words."""

from collections.abc import Mapping
from typing import Any

from sandbox.generators.making import Fields, Making
from sandbox.generators.values import guid


def contact(making: Making) -> Fields:
    """Some contact of the organisation, as a document names it."""
    found = making.peer("xero.contacts")
    return {
        "ContactID": found["ContactID"] if found else guid(making.source),
        "Name": found["Name"] if found else "PowerDirect",
        "Addresses": [],
        "Phones": [],
        "ContactGroups": [],
        "ContactPersons": [],
        "HasValidationErrors": False,
    }


def currency(making: Making) -> tuple[str, int]:
    """The document's currency and its rate in millionths; a few are in foreign money."""
    if making.chance(0.06):
        return "EUR", making.source.randrange(400_000, 1_200_000)
    return making.organisation.country.currency, 1_000_000


def branding_theme(making: Making) -> Fields:
    """Some theme that sales documents are printed in."""
    themes = making.seeded("xero.branding_themes", None)
    return {"BrandingThemeID": making.source.choice(themes)["BrandingThemeID"]}


def bank_accounts(making: Making, count: int) -> list[Mapping[str, Any]]:
    """So many different bank accounts of the organisation; each has three or more."""
    return making.source.sample(making.seeded("xero.accounts", "BankAccountNumber"), count)


def user(making: Making) -> Fields:
    """Some user of the organisation; Xero tells of one wherever it names one."""
    return dict(making.source.choice(making.seeded("xero.users", None)))


def some(fields: Mapping[str, Any], *names: str) -> Fields:
    """Only these fields, where the record has them."""
    return {name: fields[name] for name in names if name in fields}


def invoice(fields: Mapping[str, Any], *names: str) -> Fields:
    """An invoice inside another record: these fields, and its lists left empty."""
    return some(fields, *names) | {
        "Payments": [],
        "CreditNotes": [],
        "Prepayments": [],
        "Overpayments": [],
        "HasErrors": False,
        "IsDiscounted": False,
        "LineItems": [],
    }

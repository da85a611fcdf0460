"""Makes contacts: customers, suppliers, people, and the oddities real books hold."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.generators.making import Fields, Making
from sandbox.generators.people import groups_of
from sandbox.generators.values import guid, money
from sandbox.generators.words import (
    BUSINESS_FIRST,
    BUSINESS_LAST,
    BUSINESS_SECOND,
    FIRST_NAMES,
    LAST_NAMES,
    STREETS,
)


def contact(making: Making) -> Fields:
    """One contact; every 13th is archived, and optional fields are missing as often as in real books."""
    source = making.source
    first, last = source.choice(FIRST_NAMES), source.choice(LAST_NAMES)
    name = _name(making, first, last)
    fields: Fields = {"ContactID": guid(source)}
    if making.chance(0.2):
        fields["ContactNumber"] = f"C{making.serial:06d}"
    if making.chance(0.3):
        fields["AccountNumber"] = f"{source.randrange(10_000, 99_999)}"
    fields |= {"ContactStatus": _status(making), "Name": name}
    if making.chance(0.5):
        fields |= {"FirstName": first, "LastName": last}
    if making.chance(0.2):
        fields["CompanyNumber"] = str(source.randrange(1_000_000, 9_999_999))
    fields["EmailAddress"] = f"{first}.{last}@example.com".lower() if making.chance(0.7) else ""
    fields["BankAccountDetails"] = f"01-0123-{source.randrange(10**7):07d}-00" if making.chance(0.3) else ""
    if making.chance(0.3):
        fields["TaxNumber"] = f"{source.randrange(10, 99)}-{source.randrange(100, 999)}-{making.serial:03d}"
    if making.every(90, 7):
        fields["TaxNumberType"] = "TAXNUMBERTYPE/SSN"  # seen live, in no list of values
    if making.chance(0.3):
        fields["AccountsReceivableTaxType"] = making.organisation.country.sales_tax
        fields["AccountsPayableTaxType"] = making.organisation.country.purchases_tax
    fields |= _reach(making)
    fields["UpdatedDateUTC"] = ""
    fields["ContactGroups"] = groups_of(making)
    fields["IsSupplier"], fields["IsCustomer"] = making.chance(0.5), making.chance(0.5)
    if making.chance(0.2):
        fields["DefaultCurrency"] = making.organisation.country.currency
    fields |= _paged_only(making)
    if making.chance(0.6):
        fields["Balances"] = balances(making)
    fields["ContactPersons"] = _persons(making)
    fields["HasAttachments"] = making.chance(0.1)
    fields["HasValidationErrors"] = False
    return fields


def balances(making: Making) -> Fields:
    """What is owed either way; Xero changes these without touching the contact's stamp."""
    due, owed = making.source.randrange(0, 900_000), making.source.randrange(0, 400_000)
    return {
        "AccountsReceivable": {"Outstanding": money(due), "Overdue": money(due // 3)},
        "AccountsPayable": {"Outstanding": money(owed), "Overdue": money(owed // 4)},
    }


def owes_more(fields: Mapping[str, Any]) -> Fields:
    """The silent change: a balance that rises, and with it what the contact is."""
    payable = fields.get("Balances", {}).get("AccountsPayable", {})
    before = payable.get("Outstanding") or Decimal("0.00")
    nothing = {"Outstanding": money(0), "Overdue": money(0)}
    owed = {"Outstanding": before + Decimal("12.30"), "Overdue": money(0)}
    return {"Balances": {"AccountsReceivable": nothing, "AccountsPayable": owed}, "IsSupplier": True}


def _name(making: Making, first: str, last: str) -> str:
    if making.every(4, 1):
        return f"{first} {last} {making.serial}"
    parts = (making.source.choice(words) for words in (BUSINESS_FIRST, BUSINESS_SECOND, BUSINESS_LAST))
    return " ".join((*parts, str(making.serial))).replace("  ", " ")


def _status(making: Making) -> str:
    if making.every(13, 6):
        return "ARCHIVED"
    return "GDPRREQUEST" if making.every(211, 40) else "ACTIVE"


def _reach(making: Making) -> Fields:
    source, country = making.source, making.organisation.country
    city, region, postal_code = source.choice(country.places)
    pobox: Fields = {"AddressType": "POBOX", "City": "", "Region": "", "PostalCode": "", "Country": ""}
    if making.chance(0.7):
        line = f"{source.randrange(1, 400)} {source.choice(STREETS)}"
        pobox = {
            "AddressType": "POBOX",
            "AddressLine1": line,
            "City": city,
            "Region": region,
            "PostalCode": postal_code,
            "Country": "",
        }
    street: Fields = {"AddressType": "STREET", "City": "", "Region": "", "PostalCode": "", "Country": ""}
    phones = [
        {"PhoneType": kind, "PhoneNumber": "", "PhoneAreaCode": "", "PhoneCountryCode": ""}
        for kind in ("DDI", "DEFAULT", "FAX", "MOBILE")
    ]
    if making.chance(0.6):
        number = f"{source.randrange(100, 999)} {source.randrange(1000, 9999)}"
        phones[1] |= {"PhoneNumber": number, "PhoneAreaCode": "09", "PhoneCountryCode": country.dialling_code}
    return {"Addresses": [street, pobox], "Phones": phones}


def _paged_only(making: Making) -> Fields:
    """Fields that lists without `page` leave out."""
    fields: Fields = {"SalesDefaultLineAmountType": "NONE", "PurchasesDefaultLineAmountType": "NONE"}
    if making.every(5, 0):
        fields["PaymentTerms"] = {"Bills": {"Day": 30, "Type": "DAYSAFTERBILLDATE"}}
    if making.every(31, 3):
        fields["Website"] = "https://example.com/a/b?c=d&e=f"
    if making.every(37, 4):
        fields["Discount"] = money(1250)
    if making.every(29, 5):
        fields["BatchPayments"] = {
            "BankAccountNumber": "01-0123-0456789-00",
            "BankAccountName": "Main",
            "Details": "ref",
        }
    if making.every(39, 6):  # among the archived ones
        fields["MergedToContactID"] = guid(making.source)
    return fields


def _persons(making: Making) -> list[Fields]:
    if not making.every(6, 3):
        return []
    first, last = making.source.choice(FIRST_NAMES), making.source.choice(LAST_NAMES)
    return [{"FirstName": first, "LastName": last, "EmailAddress": "", "IncludeInEmails": making.chance(0.5)}]

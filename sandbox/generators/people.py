"""Makes the users of an organisation and the groups of its contacts."""

import random
from collections.abc import Mapping
from typing import Any

from sandbox.generators.making import Fields, Making, Organisation
from sandbox.generators.values import guid
from sandbox.generators.words import FIRST_NAMES, LAST_NAMES

_ROLES = ("STANDARD", "FINANCIALADVISER", "INVOICEONLY", "READONLY", "STANDARD", "REMOVED", "MANAGEDCLIENT")
_GROUPS = ("Preferred", "Suppliers / monthly", "Ngā hoa", "Overdue, call", "Newsletter", "Old group")


def user(making: Making) -> Fields:
    """One user; the first is the subscriber, the sixth was removed and stays in the list."""
    source = making.source
    first, last = source.choice(FIRST_NAMES), source.choice(LAST_NAMES)
    fields: Fields = {"UserID": guid(source), "EmailAddress": f"user{making.serial}@example.com"}
    if not making.every(5, 3):
        fields |= {"FirstName": first, "LastName": last}
    return fields | {
        "UpdatedDateUTC": "",
        "IsSubscriber": making.serial == 0,
        "OrganisationRole": _ROLES[making.serial % len(_ROLES)],
    }


def contact_groups(mine: Organisation) -> int:
    """How many there are."""
    return min(len(_GROUPS), mine.bulk.contacts // 40)


def contact_group(making: Making) -> Fields:
    """One group with its members; the sixth is deleted."""
    group = _group(making.organisation, making.serial)
    contacts = making.seeded("xero.contacts", "ContactGroups")
    mine = group["ContactGroupID"]
    members = [each for each in contacts if each["ContactGroups"][0]["ContactGroupID"] == mine]
    return group | {"Contacts": [_member(each) for each in members], "HasValidationErrors": False}


def groups_of(making: Making) -> list[Fields]:
    """The group that a contact is in, if it is."""
    groups = min(contact_groups(making.organisation), len(_GROUPS) - 1)
    if not groups or not making.every(9, 2):
        return []
    group = _group(making.organisation, making.serial // 9 % groups)
    return [group | {"Contacts": [], "HasValidationErrors": False}]


def _group(mine: Organisation, serial: int) -> Fields:
    """What a group is by its place alone: its contacts name it before it is made."""
    name = _GROUPS[serial] if serial < len(_GROUPS) else f"Group {serial}"
    return {
        "ContactGroupID": guid(random.Random(f"{mine.tenant_id}:group:{serial}")),
        "Name": name,
        "Status": "DELETED" if serial == len(_GROUPS) - 1 else "ACTIVE",
    }


def _member(contact: Mapping[str, Any]) -> Fields:
    return {
        "ContactID": contact["ContactID"],
        "Name": contact["Name"],
        "Addresses": [],
        "Phones": [],
        "ContactGroups": [],
        "ContactPersons": [],
        "HasValidationErrors": False,
    }

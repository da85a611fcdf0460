"""Contacts and the groups they are in."""

from connectors.endpoints import Endpoint, boolean, statuses, text
from connectors.xero.params import ARCHIVED_TOO, BY_CHANGE

ENDPOINTS = (
    Endpoint(
        "xero.contacts",
        about="customers and suppliers",
        path="Contacts",
        root="Contacts",
        id="ContactID",
        scope="accounting.contacts",
        paging="seek",
        webhook="CONTACT",
        params=BY_CHANGE | ARCHIVED_TOO,
        reference=True,
        statuses=statuses(
            "ContactStatus", "ACTIVE", "ARCHIVED", "GDPRREQUEST", archived=("ARCHIVED", "GDPRREQUEST")
        ),
        fields=(
            text("name", "Name"),
            text("status", "ContactStatus"),
            text("contact_number", "ContactNumber"),
            text("account_number", "AccountNumber"),
            text("company_number", "CompanyNumber"),
            text("first_name", "FirstName"),
            text("last_name", "LastName"),
            text("email_address", "EmailAddress"),
            text("tax_number", "TaxNumber"),
            text("default_currency", "DefaultCurrency"),
            text("merged_to_contact_id", "MergedToContactID"),
            boolean("is_supplier", "IsSupplier"),
            boolean("is_customer", "IsCustomer"),
        ),
    ),
    # The list shows every group as empty; only a group's own answer names its contacts.
    Endpoint(
        "xero.contact_groups",
        about="groups of contacts, with their members",
        path="ContactGroups",
        root="ContactGroups",
        id="ContactGroupID",
        scope="accounting.contacts",
        paging="each",
        modified=None,
        reference=True,
        statuses=statuses("Status", "ACTIVE", "DELETED", archived=("DELETED",)),
        fields=(
            text("name", "Name"),
            text("status", "Status"),
        ),
    ),
)

"""The rows of reference data: what an organisation has few of, and changes seldom.

What each list does is from Xero's documentation and from recordings of the live service: paging and
filters as its OpenAPI file names them.
"""

from sandbox.endpoints.changes import Silent, Text
from sandbox.endpoints.endpoint import Endpoint, Hidden, Paging
from sandbox.endpoints.sizes import exactly, share, told
from sandbox.generators.contacts import contact, owes_more
from sandbox.generators.settings import organisation, tax_rate, tax_rates

REFERENCE = (
    # One answer holds everything; nothing to ask changes by.
    Endpoint(
        resource="xero.organisations",
        path="Organisation",
        key="Organisations",
        id="OrganisationID",
        scope="accounting.settings",
        make=organisation,
        size=exactly(1),
        paging=Paging.WHOLE,
        stamp=None,
        since=False,
        where=False,
        edited=Text("LegalName"),
    ),
    Endpoint(
        resource="xero.tax_rates",
        path="TaxRates",
        key="TaxRates",
        id="TaxType",
        scope="accounting.settings",
        make=tax_rate,
        size=told(tax_rates),
        paging=Paging.WHOLE,
        stamp=None,
        since=False,
        edited=Text("Name"),
        targets={"archive": "ARCHIVED", "restore": "ACTIVE", "void": "DELETED"},
    ),
    # Paged, with changes since a time.
    Endpoint(
        resource="xero.contacts",
        path="Contacts",
        key="Contacts",
        id="ContactID",
        scope="accounting.contacts",
        make=contact,
        size=share("contacts"),
        paging=Paging.PAGED,
        number="ContactNumber",
        hidden=Hidden("ContactStatus", "ARCHIVED", unless="includeArchived"),
        emptied=("ContactPersons",),
        dropped=(
            "MergedToContactID",
            "SalesDefaultLineAmountType",
            "PurchasesDefaultLineAmountType",
            "SalesTrackingCategories",
            "PurchasesTrackingCategories",
            "PaymentTerms",
            "BatchPayments",
            "Website",
            "Discount",
        ),
        filters={"IDs": "ContactID"},
        edited=Text("Name"),
        status="ContactStatus",
        targets={"archive": "ARCHIVED", "restore": "ACTIVE"},
        merged="MergedToContactID",
        silent=Silent(owes_more),
    ),
)

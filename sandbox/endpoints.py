"""Xero's lists as one table, grouped by habit; a new endpoint is one row here and one generator.

What each list does is from Xero's documentation and from recordings of the live service: paging and
filters as its OpenAPI file names them, the `order` trap of ManualJournals from singer-io/tap-xero#104.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Paging(Enum):
    """How a list is cut."""

    WHOLE = "whole"  # one answer holds everything
    PAGED = "paged"  # page and pageSize (100, up to 1,000) with a pagination block; summaries without page
    HUNDREDS = "hundreds"  # always pages of 100, never a pagination block


@dataclass(frozen=True)
class Endpoint:
    """One list and its habits."""

    resource: str
    path: str
    key: str
    id: str
    scope: str
    paging: Paging
    stamp: str | None = "UpdatedDateUTC"
    zone: str = "+0000"  # what stands after the milliseconds of a date
    since: bool = True  # obeys If-Modified-Since
    where: bool = True  # understands where=
    number: str | None = None  # a second name by which one record can be read
    archived: tuple[str, str] | None = None  # left out unless includeArchived=true
    order_trap: bool = False  # with order= every page holds every row
    compact: bool = False
    root: Mapping[str, Any] = field(default_factory=dict)
    emptied: tuple[str, ...] = ()  # lists that stand empty in a summary
    dropped: tuple[str, ...] = ()  # fields that are absent from a summary
    filters: Mapping[str, str] = field(default_factory=dict)  # parameter (comma-separated) → field
    forces_paging: tuple[str, ...] = ()

    def summary(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What a list without `page` tells of a record."""
        kept = {name: value for name, value in fields.items() if name not in self.dropped}
        return kept | {name: [] for name in self.emptied if name in kept}

    def is_archived(self, fields: Mapping[str, Any]) -> bool:
        """Whether the record is left out of lists that do not ask for archived ones."""
        return self.archived is not None and fields.get(self.archived[0]) == self.archived[1]

    def date(self, milliseconds: int) -> str:
        """A time as this endpoint spells it."""
        return f"/Date({milliseconds}{self.zone})/"


ENDPOINTS = (
    # One answer holds everything; nothing to ask changes by.
    Endpoint(
        "xero.organisations",
        path="Organisation",
        key="Organisations",
        id="OrganisationID",
        scope="accounting.settings",
        paging=Paging.WHOLE,
        stamp=None,
        since=False,
        where=False,
    ),
    Endpoint(
        "xero.tax_rates",
        path="TaxRates",
        key="TaxRates",
        id="TaxType",
        scope="accounting.settings",
        paging=Paging.WHOLE,
        stamp=None,
        since=False,
    ),
    # Paged, with changes since a time.
    Endpoint(
        "xero.contacts",
        path="Contacts",
        key="Contacts",
        id="ContactID",
        scope="accounting.contacts",
        paging=Paging.PAGED,
        number="ContactNumber",
        archived=("ContactStatus", "ARCHIVED"),
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
    ),
    Endpoint(
        "xero.invoices",
        path="Invoices",
        key="Invoices",
        id="InvoiceID",
        scope="accounting.invoices",
        paging=Paging.PAGED,
        number="InvoiceNumber",
        emptied=("LineItems",),
        filters={
            "IDs": "InvoiceID",
            "InvoiceNumbers": "InvoiceNumber",
            "ContactIDs": "Contact.ContactID",
            "Statuses": "Status",
        },
        forces_paging=("Statuses",),
    ),
    Endpoint(
        "xero.manual_journals",
        path="ManualJournals",
        key="ManualJournals",
        id="ManualJournalID",
        scope="accounting.manualjournals",
        paging=Paging.PAGED,
        order_trap=True,
        emptied=("JournalLines",),
    ),
    # Pages of 100 with changes since a time; a newer make: compact, dates without an offset.
    Endpoint(
        "xero.quotes",
        path="Quotes",
        key="Quotes",
        id="QuoteID",
        scope="accounting.invoices",
        paging=Paging.HUNDREDS,
        zone="",
        where=False,
        number="QuoteNumber",
        compact=True,
        root={"SummarizeErrors": True},
        filters={"Status": "Status", "ContactID": "Contact.ContactID", "QuoteNumber": "QuoteNumber"},
    ),
    # Pages of 100, and no way to ask for changes.
    Endpoint(
        "xero.linked_transactions",
        path="LinkedTransactions",
        key="LinkedTransactions",
        id="LinkedTransactionID",
        scope="accounting.invoices",
        paging=Paging.HUNDREDS,
        since=False,
        where=False,
        filters={
            "LinkedTransactionID": "LinkedTransactionID",
            "SourceTransactionID": "SourceTransactionID",
            "TargetTransactionID": "TargetTransactionID",
            "ContactID": "ContactID",
            "Status": "Status",
        },
    ),
)

BY_PATH = {endpoint.path: endpoint for endpoint in ENDPOINTS}
BY_RESOURCE = {endpoint.resource: endpoint for endpoint in ENDPOINTS}

"""The rows of documents: what is written every day.

What each list does is from Xero's documentation and from recordings of the live service: paging and
filters as its OpenAPI file names them, the `order` trap of ManualJournals from singer-io/tap-xero#104.
"""

from sandbox.endpoints.changes import Silent, Text, Turn
from sandbox.endpoints.endpoint import Endpoint, Paging
from sandbox.endpoints.sizes import share
from sandbox.generators.invoices import falls_due_later, invoice, is_partly_paid_bill
from sandbox.generators.journals import manual_journal
from sandbox.generators.linked import linked_transaction
from sandbox.generators.quotes import quote

DOCUMENTS = (
    # Paged, with changes since a time.
    Endpoint(
        resource="xero.invoices",
        path="Invoices",
        key="Invoices",
        id="InvoiceID",
        scope="accounting.invoices",
        make=invoice,
        size=share("invoices"),
        paging=Paging.PAGED,
        number="InvoiceNumber",
        emptied=("LineItems",),
        unit_amounts=("LineItems.UnitAmount",),
        filters={
            "IDs": "InvoiceID",
            "InvoiceNumbers": "InvoiceNumber",
            "ContactIDs": "Contact.ContactID",
            "Statuses": "Status",
        },
        forces_paging=("Statuses",),
        edited=Text("Reference"),
        targets={"void": "VOIDED"},
        silent=Silent(falls_due_later, is_partly_paid_bill),
    ),
    Endpoint(
        resource="xero.manual_journals",
        path="ManualJournals",
        key="ManualJournals",
        id="ManualJournalID",
        scope="accounting.manualjournals",
        make=manual_journal,
        size=share("manual_journals"),
        paging=Paging.PAGED,
        order_trap=True,
        emptied=("JournalLines",),
        edited=Text("Narration"),
        targets={"archive": "ARCHIVED", "restore": "POSTED", "void": "VOIDED"},
    ),
    # Pages of 100 with changes since a time; a newer make: compact, dates without an offset.
    Endpoint(
        resource="xero.quotes",
        path="Quotes",
        key="Quotes",
        id="QuoteID",
        scope="accounting.invoices",
        make=quote,
        size=share("quotes"),
        paging=Paging.HUNDREDS,
        zone="",
        where=False,
        number="QuoteNumber",
        compact=True,
        root={"SummarizeErrors": True},
        filters={"Status": "Status", "ContactID": "Contact.ContactID", "QuoteNumber": "QuoteNumber"},
        edited=Text("Title"),
        targets={"void": "DELETED"},
    ),
    # Pages of 100, and no way to ask for changes.
    Endpoint(
        resource="xero.linked_transactions",
        path="LinkedTransactions",
        key="LinkedTransactions",
        id="LinkedTransactionID",
        scope="accounting.invoices",
        make=linked_transaction,
        size=share("linked_transactions"),
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
        edited=Turn("Status", ("BILLED", "APPROVED")),
        targets={"void": "VOIDED"},
    ),
)

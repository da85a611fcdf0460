"""The rows of documents: what is written every day.

What each list does is from Xero's documentation and from recordings of the live service: paging and
filters as its OpenAPI file names them, the `order` trap of ManualJournals from singer-io/tap-xero#104.
"""

from sandbox.endpoints.changes import Silent, Text, Turn
from sandbox.endpoints.endpoint import Endpoint, Hidden, Paging
from sandbox.endpoints.sizes import share, told
from sandbox.generators.bank_transactions import bank_transaction
from sandbox.generators.bank_transfers import bank_transfer
from sandbox.generators.batches import batch_payment
from sandbox.generators.claims import expense_claim, receipt
from sandbox.generators.credit_notes import credit_note
from sandbox.generators.early_payments import overpayment, prepayment
from sandbox.generators.invoices import falls_due_later, invoice, is_partly_paid_bill
from sandbox.generators.journals import manual_journal
from sandbox.generators.ledger import journal
from sandbox.generators.linked import linked_transaction
from sandbox.generators.payments import payment, payments
from sandbox.generators.purchase_orders import purchase_order
from sandbox.generators.quotes import quote
from sandbox.generators.repeating import repeating_invoice

_PRICES = ("LineItems.UnitAmount",)

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
        unit_amounts=_PRICES,
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
    Endpoint(
        resource="xero.credit_notes",
        path="CreditNotes",
        key="CreditNotes",
        id="CreditNoteID",
        scope="accounting.invoices",
        make=credit_note,
        size=share("invoices", 0.12),
        paging=Paging.PAGED,
        emptied=("LineItems",),
        unit_amounts=_PRICES,
        edited=Text("Reference"),
        targets={"void": "VOIDED"},
    ),
    Endpoint(
        resource="xero.purchase_orders",
        path="PurchaseOrders",
        key="PurchaseOrders",
        id="PurchaseOrderID",
        scope="accounting.invoices",
        make=purchase_order,
        size=share("invoices", 0.2),
        paging=Paging.PAGED,
        where=False,
        number="PurchaseOrderNumber",
        filters={"Status": "Status"},
        edited=Text("Reference"),
        targets={"void": "DELETED"},
    ),
    Endpoint(
        resource="xero.bank_transactions",
        path="BankTransactions",
        key="BankTransactions",
        id="BankTransactionID",
        scope="accounting.banktransactions",
        make=bank_transaction,
        size=share("invoices", 0.6),
        paging=Paging.PAGED,
        emptied=("LineItems",),
        unit_amounts=_PRICES,
        filters={"References": "Reference"},
        edited=Text("Reference"),
        targets={"void": "VOIDED"},
    ),
    Endpoint(
        resource="xero.payments",
        path="Payments",
        key="Payments",
        id="PaymentID",
        scope="accounting.payments",
        make=payment,
        size=told(payments),
        paging=Paging.PAGED,
        edited=Text("Reference"),
        targets={"void": "DELETED"},
    ),
    Endpoint(
        resource="xero.overpayments",
        path="Overpayments",
        key="Overpayments",
        id="OverpaymentID",
        scope="accounting.payments",
        make=overpayment,
        size=share("invoices", 0.03),
        paging=Paging.PAGED,
        emptied=("LineItems",),
        unit_amounts=_PRICES,
        filters={"References": "Reference"},
        edited=Text("Reference"),
        targets={"void": "VOIDED"},
    ),
    Endpoint(
        resource="xero.prepayments",
        path="Prepayments",
        key="Prepayments",
        id="PrepaymentID",
        scope="accounting.payments",
        make=prepayment,
        size=share("invoices", 0.03),
        paging=Paging.PAGED,
        emptied=("LineItems",),
        unit_amounts=_PRICES,
        filters={"InvoiceNumbers": "InvoiceNumber", "References": "Reference"},
        edited=Text("Reference"),
        targets={"void": "VOIDED"},
    ),
    # One answer holds everything, or what changed since a time.
    Endpoint(
        resource="xero.batch_payments",
        path="BatchPayments",
        key="BatchPayments",
        id="BatchPaymentID",
        scope="accounting.payments",
        make=batch_payment,
        size=share("invoices", 0.045),
        paging=Paging.WHOLE,
        edited=Text("Reference"),
        targets={"void": "DELETED"},
    ),
    Endpoint(
        resource="xero.receipts",
        path="Receipts",
        key="Receipts",
        id="ReceiptID",
        scope="accounting.invoices",  # which of the newer scopes opens it is not known
        make=receipt,
        size=share("invoices", 0.06),
        paging=Paging.WHOLE,
        unit_amounts=_PRICES,
        edited=Text("Reference"),
        targets={"void": "VOIDED"},
    ),
    Endpoint(
        resource="xero.expense_claims",
        path="ExpenseClaims",
        key="ExpenseClaims",
        id="ExpenseClaimID",
        scope="accounting.invoices",  # which of the newer scopes opens it is not known
        make=expense_claim,
        size=share("invoices", 0.02),
        paging=Paging.WHOLE,
        edited=Turn("Status", ("AUTHORISED", "PAID")),
        targets={"void": "VOIDED"},
    ),
    # One answer holds everything, or what was made since a time: a deletion is not told as a change.
    Endpoint(
        resource="xero.bank_transfers",
        path="BankTransfers",
        key="BankTransfers",
        id="BankTransferID",
        scope="accounting.banktransactions",
        make=bank_transfer,
        size=share("invoices", 0.015),
        paging=Paging.WHOLE,
        stamp="CreatedDateUTC",
        restamped=False,
        hidden=Hidden("Status", "DELETED", unless="includeDeleted"),
        edited=Text("Reference"),
        targets={"void": "DELETED"},
    ),
    # One answer holds everything; nothing to ask changes by.
    Endpoint(
        resource="xero.repeating_invoices",
        path="RepeatingInvoices",
        key="RepeatingInvoices",
        id="RepeatingInvoiceID",
        scope="accounting.invoices",
        make=repeating_invoice,
        size=share("invoices", 0.03),
        paging=Paging.WHOLE,
        stamp=None,
        since=False,
        edited=Text("Reference"),
        targets={"void": "DELETED"},
    ),
    # The next 100 after a number.
    Endpoint(
        resource="xero.journals",
        path="Journals",
        key="Journals",
        id="JournalID",
        scope="accounting.journals",
        make=journal,
        size=share("invoices", 1.2),
        paging=Paging.NUMBERED,
        stamp="CreatedDateUTC",
        restamped=False,
        where=False,
        number="JournalNumber",
        edited=Text("Reference"),
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

"""The older expense claims and their receipts: of use only to organisations that have had them since 2018.

https://developer.xero.com/documentation/api/receipts
"""

from connectors.endpoints import Endpoint, boolean, date, numeric, statuses, text
from connectors.xero.params import FOUR_DECIMALS

# Which of the narrower scopes will open these lists is not known.
_SCOPE = "accounting.transactions"

ENDPOINTS = (
    Endpoint(
        "xero.receipts",
        about="receipts of the older expense claims",
        path="Receipts",
        root="Receipts",
        id="ReceiptID",
        scope=_SCOPE,
        paging="changes",
        params=FOUR_DECIMALS,
        off=True,
        statuses=statuses(
            "Status", "DRAFT", "SUBMITTED", "AUTHORISED", "DECLINED", "VOIDED", archived=("VOIDED",)
        ),
        fields=(
            text("receipt_number", "ReceiptNumber"),
            text("status", "Status"),
            text("reference", "Reference"),
            text("contact_id", "Contact.ContactID"),
            text("contact_name", "Contact.Name"),
            text("user_id", "User.UserID"),
            date("date", "Date"),
            text("line_amount_types", "LineAmountTypes"),
            numeric("sub_total", "SubTotal"),
            numeric("total_tax", "TotalTax"),
            numeric("total", "Total"),
            boolean("has_attachments", "HasAttachments"),
        ),
    ),
    Endpoint(
        "xero.expense_claims",
        about="the older expense claims",
        path="ExpenseClaims",
        root="ExpenseClaims",
        id="ExpenseClaimID",
        scope=_SCOPE,
        paging="changes",
        off=True,
        statuses=statuses(
            "Status", "SUBMITTED", "AUTHORISED", "PAID", "VOIDED", "DELETED", archived=("VOIDED", "DELETED")
        ),
        fields=(
            text("status", "Status"),
            text("user_id", "User.UserID"),
            date("payment_due_date", "PaymentDueDate"),
            date("reporting_date", "ReportingDate"),
            numeric("total", "Total"),
            numeric("amount_due", "AmountDue"),
            numeric("amount_paid", "AmountPaid"),
        ),
    ),
)

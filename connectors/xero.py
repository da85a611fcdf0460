"""Xero's lists and their habits, and the connector that reads one page of them."""

from collections.abc import Callable
from datetime import datetime

from config.limits import CallClass
from connectors import paging
from connectors.answers import Reading, read_answer
from connectors.dates import since_header
from connectors.endpoints import Endpoint, archived, boolean, date, integer, numeric, text, timestamp
from connectors.hints import answered_at
from connectors.http import Access, ApiClient, Request
from connectors.pages import Cursor, Page
from connectors.sheets import Ask, Sheet
from connectors.transport import Answer

# Oldest change first: what a list ordered by anything else cannot give, seek paging checks and refuses.
BY_CHANGE = {"order": "UpdatedDateUTC ASC"}

ENDPOINTS = (
    # --- Whole: one answer holds everything, and it cannot be asked for changes. ---
    Endpoint(
        "xero.organisations",
        path="Organisation",
        root="Organisations",
        id="OrganisationID",
        scope="accounting.settings",
        paging="whole",
        modified=None,
        reference=True,
        fields=(
            text("name", "Name"),
            text("legal_name", "LegalName"),
            text("short_code", "ShortCode"),
            text("status", "OrganisationStatus"),
            text("organisation_type", "OrganisationType"),
            text("edition", "Edition"),
            text("version", "Version"),
            text("country_code", "CountryCode"),
            text("base_currency", "BaseCurrency"),
            text("timezone", "Timezone"),
            text("tax_number", "TaxNumber"),
            text("default_sales_tax", "DefaultSalesTax"),
            text("default_purchases_tax", "DefaultPurchasesTax"),
            boolean("is_demo_company", "IsDemoCompany"),
            integer("financial_year_end_day", "FinancialYearEndDay"),
            integer("financial_year_end_month", "FinancialYearEndMonth"),
            date("period_lock_date", "PeriodLockDate"),
            date("end_of_year_lock_date", "EndOfYearLockDate"),
            timestamp("created_at", "CreatedDateUTC"),
        ),
    ),
    Endpoint(
        "xero.tax_rates",
        path="TaxRates",
        root="TaxRates",
        id="TaxType",  # it has no GUID
        scope="accounting.settings",
        paging="whole",
        modified=None,
        reference=True,
        archived=archived("Status", "ARCHIVED", "DELETED"),
        fields=(
            text("name", "Name"),
            text("status", "Status"),
            text("report_tax_type", "ReportTaxType"),
            numeric("display_tax_rate", "DisplayTaxRate"),
            numeric("effective_rate", "EffectiveRate"),
            boolean("can_apply_to_assets", "CanApplyToAssets"),
            boolean("can_apply_to_equity", "CanApplyToEquity"),
            boolean("can_apply_to_expenses", "CanApplyToExpenses"),
            boolean("can_apply_to_liabilities", "CanApplyToLiabilities"),
            boolean("can_apply_to_revenue", "CanApplyToRevenue"),
        ),
    ),
    # --- Seek: ordered by change, can be asked for changes since a time, pages of up to 1,000. ---
    Endpoint(
        "xero.contacts",
        path="Contacts",
        root="Contacts",
        id="ContactID",
        scope="accounting.contacts",
        paging="seek",
        # Without it an archived contact is simply missing, and stays active in every copy.
        params={**BY_CHANGE, "includeArchived": "true"},
        reference=True,
        archived=archived("ContactStatus", "ARCHIVED", "GDPRREQUEST"),
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
    Endpoint(
        "xero.invoices",
        path="Invoices",
        root="Invoices",
        id="InvoiceID",
        scope="accounting.invoices",
        paging="seek",
        params={**BY_CHANGE, "includeArchived": "true"},
        archived=archived("Status", "VOIDED", "DELETED"),
        fields=(
            text("type", "Type"),
            text("status", "Status"),
            text("invoice_number", "InvoiceNumber"),
            text("reference", "Reference"),
            text("contact_id", "Contact.ContactID"),
            text("contact_name", "Contact.Name"),
            date("date", "Date"),
            date("due_date", "DueDate"),
            date("planned_payment_date", "PlannedPaymentDate"),
            date("fully_paid_on_date", "FullyPaidOnDate"),
            text("currency_code", "CurrencyCode"),
            numeric("currency_rate", "CurrencyRate"),
            text("line_amount_types", "LineAmountTypes"),
            numeric("sub_total", "SubTotal"),
            numeric("total_tax", "TotalTax"),
            numeric("total", "Total"),
            numeric("amount_due", "AmountDue"),
            numeric("amount_paid", "AmountPaid"),
            numeric("amount_credited", "AmountCredited"),
            text("branding_theme_id", "BrandingThemeID"),
            text("repeating_invoice_id", "RepeatingInvoiceID"),
            boolean("sent_to_contact", "SentToContact"),
            boolean("has_attachments", "HasAttachments"),
        ),
    ),
    # Sent an `order`, ManualJournals returned every row on every page; by itself it is oldest change first.
    # https://github.com/singer-io/tap-xero/pull/104
    Endpoint(
        "xero.manual_journals",
        path="ManualJournals",
        root="ManualJournals",
        id="ManualJournalID",
        scope="accounting.manualjournals",
        paging="seek",
        archived=archived("Status", "DELETED", "VOIDED", "ARCHIVED"),
        fields=(
            text("status", "Status"),
            date("date", "Date"),
            text("line_amount_types", "LineAmountTypes"),
            text("url", "Url"),
            boolean("show_on_cash_basis_reports", "ShowOnCashBasisReports"),
            boolean("has_attachments", "HasAttachments"),
        ),
    ),
    # Pages of 100, whatever one asks, and no `pagination` to say how many there are.
    Endpoint(
        "xero.quotes",
        path="Quotes",
        root="Quotes",
        id="QuoteID",
        scope="accounting.invoices",
        paging="seek",
        params=BY_CHANGE,
        page_size=100,
        asks_page_size=False,
        archived=archived("Status", "DELETED"),
        fields=(
            text("quote_number", "QuoteNumber"),
            text("status", "Status"),
            text("reference", "Reference"),
            text("title", "Title"),
            text("contact_id", "Contact.ContactID"),
            text("contact_name", "Contact.Name"),
            date("date", "Date"),
            date("expiry_date", "ExpiryDate"),
            text("currency_code", "CurrencyCode"),
            numeric("currency_rate", "CurrencyRate"),
            text("line_amount_types", "LineAmountTypes"),
            numeric("sub_total", "SubTotal"),
            numeric("total_tax", "TotalTax"),
            numeric("total", "Total"),
            text("branding_theme_id", "BrandingThemeID"),
        ),
    ),
    # --- Backward: paged, but it cannot be asked for changes: each read is a full one. ---
    Endpoint(
        "xero.linked_transactions",
        path="LinkedTransactions",
        root="LinkedTransactions",
        id="LinkedTransactionID",
        scope="accounting.invoices",
        paging="backward",
        page_size=100,
        asks_page_size=False,
        archived=archived("Status", "VOIDED"),
        fields=(
            text("status", "Status"),
            text("type", "Type"),
            text("source_transaction_type", "SourceTransactionTypeCode"),
            text("source_transaction_id", "SourceTransactionID"),
            text("source_line_item_id", "SourceLineItemID"),
            text("target_transaction_id", "TargetTransactionID"),
            text("target_line_item_id", "TargetLineItemID"),
            text("contact_id", "ContactID"),
        ),
    ),
)


class XeroConnector:
    """Reads Xero's lists, one page at a time. One object serves all threads of a process."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self.endpoints = {endpoint.resource: endpoint for endpoint in ENDPOINTS}

    def begin(self, resource: str, newest: datetime | None) -> Cursor:
        """The cursor of a run that goes on from `newest`, less an overlap; None reads from the beginning."""
        endpoint = self.endpoints[resource]
        return paging.begin(endpoint.paging, endpoint.page_size, newest)

    def newest(self, cursor: Cursor) -> datetime | None:
        """Up to here reading is without a gap: the feed's cursor, when the run ends or is broken off.

        None while nothing is known, and for lists that are read whole each time.
        """
        return paging.newest(cursor)

    def read(
        self,
        resource: str,
        cursor: Cursor,
        access: Access,
        call_class: CallClass,
        before_attempt: Callable[[], None],
    ) -> Page:
        """One page, by one GET that succeeded; ConnectorError when none did.

        `before_attempt` is called before each HTTP attempt. The page's cursor is plain JSON and can be taken
        up again after any pause; store it together with the page's records.
        """
        endpoint = self.endpoints[resource]
        ask = paging.ask(cursor)
        got = self._api.get(
            _request(endpoint, ask, access),
            access.account,
            call_class,
            before_attempt,
            lambda answer: _read(endpoint, ask, answer),
        )
        step = paging.step(cursor, got.value.sheet)
        return Page(
            records=got.value.records,
            rejects=got.value.rejects,
            cursor=step.cursor,
            last=step.last,
            announced=step.announced,
            flaw=step.flaw,
            calls=got.calls,
            bytes=got.bytes,
        )


def _request(endpoint: Endpoint, ask: Ask, access: Access) -> Request:
    params = dict(endpoint.params)
    if endpoint.paging != "whole":
        # Without a page Xero sends summaries: no lines, fewer fields.
        params["page"] = str(ask.page)
        if endpoint.asks_page_size:
            params["pageSize"] = str(ask.size)
    headers = {
        "Authorization": f"Bearer {access.token.get_secret_value()}",
        "xero-tenant-id": access.tenant_id,
        "Accept": "application/json",
    }
    if ask.since:
        headers["If-Modified-Since"] = since_header(ask.since)
    return Request(f"/api.xro/2.0/{endpoint.path}", params, headers)


def _read(endpoint: Endpoint, ask: Ask, answer: Answer) -> Reading:
    if answer.status == 304:  # whether Xero ever says so is unconfirmed; it would mean an empty list
        return Reading((), (), Sheet((), None, answered_at(answer)))
    return read_answer(endpoint, ask.page, answer.body, answered_at(answer))

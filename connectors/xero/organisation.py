"""Lists about the organisation itself and who works in it."""

from connectors.endpoints import Endpoint, boolean, date, integer, text, timestamp

ENDPOINTS = (
    Endpoint(
        "xero.organisations",
        path="Organisation",
        root="Organisations",
        id="OrganisationID",
        scope="accounting.settings",
        paging="whole",
        modified=None,
        reference=True,
        alone=False,
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
)

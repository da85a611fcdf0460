"""Lists that lines are coded with: what an account, a tax rate, a tracking option or an item is."""

from connectors.endpoints import Endpoint, boolean, numeric, statuses, text

ENDPOINTS = (
    Endpoint(
        "xero.tax_rates",
        path="TaxRates",
        root="TaxRates",
        id="TaxType",  # it has no GUID
        scope="accounting.settings",
        paging="whole",
        modified=None,
        reference=True,
        statuses=statuses(
            "Status", "ACTIVE", "DELETED", "ARCHIVED", "PENDING", archived=("DELETED", "ARCHIVED")
        ),
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
)

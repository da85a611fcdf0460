"""Lists that lines are coded with: accounts, tax rates, tracking and items, and the budgets set for them."""

from connectors.endpoints import Endpoint, boolean, numeric, statuses, text
from connectors.xero.params import ARCHIVED_TOO, FOUR_DECIMALS

_LIFE = statuses("Status", "ACTIVE", "ARCHIVED", "DELETED", archived=("ARCHIVED", "DELETED"))

ENDPOINTS = (
    Endpoint(
        "xero.accounts",
        path="Accounts",
        root="Accounts",
        id="AccountID",
        scope="accounting.settings",
        paging="changes",
        reference=True,
        statuses=_LIFE,
        fields=(
            text("code", "Code"),
            text("name", "Name"),
            text("type", "Type"),
            text("account_class", "Class"),
            text("status", "Status"),
            text("tax_type", "TaxType"),
            text("currency_code", "CurrencyCode"),
            text("system_account", "SystemAccount"),
            text("bank_account_type", "BankAccountType"),
            text("bank_account_number", "BankAccountNumber"),
            text("reporting_code", "ReportingCode"),
            boolean("enable_payments_to_account", "EnablePaymentsToAccount"),
            boolean("show_in_expense_claims", "ShowInExpenseClaims"),
            boolean("has_attachments", "HasAttachments"),
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
    Endpoint(
        "xero.tracking_categories",
        path="TrackingCategories",
        root="TrackingCategories",
        id="TrackingCategoryID",
        scope="accounting.settings",
        paging="whole",
        params=ARCHIVED_TOO,
        modified=None,
        reference=True,
        statuses=_LIFE,
        fields=(
            text("name", "Name"),
            text("status", "Status"),
        ),
    ),
    # The options have no list of their own: they stand inside their categories.
    Endpoint(
        "xero.tracking_options",
        path="TrackingCategories",
        root="TrackingCategories",
        inside="Options",
        id="TrackingOptionID",
        scope="accounting.settings",
        paging="whole",
        params=ARCHIVED_TOO,
        modified=None,
        alone=False,
        reference=True,
        statuses=_LIFE,
        fields=(
            text("name", "Name"),
            text("status", "Status"),
            text("tracking_category_id", "^.TrackingCategoryID"),
            text("tracking_category_name", "^.Name"),
        ),
    ),
    # An item has no status: one that is deleted is simply missing.
    Endpoint(
        "xero.items",
        path="Items",
        root="Items",
        id="ItemID",
        scope="accounting.settings",
        paging="changes",
        params=FOUR_DECIMALS,
        reference=True,
        fields=(
            text("code", "Code"),
            text("name", "Name"),
            boolean("is_sold", "IsSold"),
            boolean("is_purchased", "IsPurchased"),
            boolean("is_tracked_as_inventory", "IsTrackedAsInventory"),
            text("inventory_asset_account_code", "InventoryAssetAccountCode"),
            numeric("purchase_unit_price", "PurchaseDetails.UnitPrice"),
            text("purchase_account_code", "PurchaseDetails.AccountCode"),
            text("purchase_cogs_account_code", "PurchaseDetails.COGSAccountCode"),
            text("purchase_tax_type", "PurchaseDetails.TaxType"),
            numeric("sales_unit_price", "SalesDetails.UnitPrice"),
            text("sales_account_code", "SalesDetails.AccountCode"),
            text("sales_tax_type", "SalesDetails.TaxType"),
            numeric("total_cost_pool", "TotalCostPool"),
            numeric("quantity_on_hand", "QuantityOnHand"),
        ),
    ),
    # The list leaves out the lines; only a budget's own answer has them.
    Endpoint(
        "xero.budgets",
        path="Budgets",
        root="Budgets",
        id="BudgetID",
        scope="accounting.budgets",
        paging="each",
        reference=True,
        fields=(
            text("type", "Type"),
            text("description", "Description"),
        ),
    ),
)

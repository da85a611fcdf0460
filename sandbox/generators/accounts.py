"""Makes the chart of accounts: what every business has, then what it added."""

from sandbox.generators.making import Fields, Making
from sandbox.generators.values import guid

# Code, name, type, class, which tax applies ("S" on sales, "P" on purchases, "" none), system account.
_Row = tuple[str, str, str, str, str, str]

_CHART: tuple[_Row, ...] = (
    ("090", "Business Bank Account", "BANK", "ASSET", "", ""),
    ("091", "Business Savings Account", "BANK", "ASSET", "", ""),
    ("092", "Company Credit Card", "BANK", "LIABILITY", "", ""),
    ("200", "Sales", "REVENUE", "REVENUE", "S", ""),
    ("260", "Other Revenue", "REVENUE", "REVENUE", "S", ""),
    ("270", "Interest Income", "REVENUE", "REVENUE", "", ""),
    ("310", "Cost of Goods Sold", "DIRECTCOSTS", "EXPENSE", "P", ""),
    ("400", "Advertising", "EXPENSE", "EXPENSE", "P", ""),
    ("404", "Bank Fees", "EXPENSE", "EXPENSE", "", ""),
    ("408", "Cleaning", "EXPENSE", "EXPENSE", "P", ""),
    ("412", "Consulting & Accounting", "EXPENSE", "EXPENSE", "P", ""),
    ("416", "Depreciation", "EXPENSE", "EXPENSE", "", ""),
    ("420", "Entertainment", "EXPENSE", "EXPENSE", "P", ""),
    ("425", "Freight & Courier", "EXPENSE", "EXPENSE", "P", ""),
    ("429", "General Expenses", "EXPENSE", "EXPENSE", "P", ""),
    ("433", "Insurance", "EXPENSE", "EXPENSE", "P", ""),
    ("437", "Interest Expense", "EXPENSE", "EXPENSE", "", ""),
    ("441", "Legal expenses", "EXPENSE", "EXPENSE", "P", ""),
    ("445", "Light, Power, Heating", "EXPENSE", "EXPENSE", "P", ""),
    ("449", "Motor Vehicle Expenses", "EXPENSE", "EXPENSE", "P", ""),
    ("453", "Office Expenses", "EXPENSE", "EXPENSE", "P", ""),
    ("461", "Printing & Stationery", "EXPENSE", "EXPENSE", "P", ""),
    ("469", "Rent", "EXPENSE", "EXPENSE", "P", ""),
    ("473", "Repairs and Maintenance", "EXPENSE", "EXPENSE", "P", ""),
    ("477", "Salaries", "EXPENSE", "EXPENSE", "", ""),
    ("485", "Subscriptions", "EXPENSE", "EXPENSE", "P", ""),
    ("489", "Telephone & Internet", "EXPENSE", "EXPENSE", "P", ""),
    ("493", "Travel – National", "EXPENSE", "EXPENSE", "P", ""),  # noqa: RUF001
    ("497", "Bank Revaluations", "EXPENSE", "EXPENSE", "", "BANKCURRENCYGAIN"),
    ("498", "Unrealised Currency Gains", "EXPENSE", "EXPENSE", "", "UNREALISEDCURRENCYGAIN"),
    ("499", "Realised Currency Gains", "EXPENSE", "EXPENSE", "", "REALISEDCURRENCYGAIN"),
    ("610", "Accounts Receivable", "CURRENT", "ASSET", "", "DEBTORS"),
    ("620", "Prepayments", "CURRENT", "ASSET", "", ""),
    ("630", "Inventory", "INVENTORY", "ASSET", "", ""),
    ("710", "Office Equipment", "FIXED", "ASSET", "P", ""),
    ("711", "Less Accumulated Depreciation on Office Equipment", "FIXED", "ASSET", "", ""),
    ("800", "Accounts Payable", "CURRLIAB", "LIABILITY", "", "CREDITORS"),
    ("801", "Unpaid Expense Claims", "CURRLIAB", "LIABILITY", "", "UNPAIDEXPCLM"),
    ("814", "Wages Payable", "CURRLIAB", "LIABILITY", "", "WAGEPAYABLES"),
    ("820", "GST", "CURRLIAB", "LIABILITY", "", "GST"),
    ("840", "Historical Adjustment", "CURRLIAB", "LIABILITY", "", "HISTORICAL"),
    ("850", "Suspense", "CURRLIAB", "LIABILITY", "", ""),
    ("860", "Rounding", "CURRLIAB", "LIABILITY", "", "ROUNDING"),
    ("877", "Tracking Transfers", "CURRLIAB", "LIABILITY", "", "TRACKINGTRANSFERS"),
    ("900", "Loan", "NONCURRENT", "LIABILITY", "", ""),
    ("960", "Retained Earnings", "EQUITY", "EQUITY", "", "RETAINEDEARNINGS"),
    ("970", "Owner A Share Capital", "EQUITY", "EQUITY", "", ""),
)
_ADDED = (("Project costs", "DIRECTCOSTS", "EXPENSE", "P"), ("Site sales", "SALES", "REVENUE", "S"))


def account(making: Making) -> Fields:
    """One account; some that were added are archived, one bank account has no code."""
    code, name, kind, account_class, taxed, system = (
        _CHART[making.serial] if making.serial < len(_CHART) else _added(making)
    )
    fields: Fields = {"AccountID": guid(making.source)}
    if code != "091":
        fields["Code"] = code
    fields |= {
        "Name": name,
        "Status": "ARCHIVED" if making.every(11, 5) and making.serial >= len(_CHART) else "ACTIVE",
        "Type": kind,
        "TaxType": _tax_type(making, taxed),
    }
    if kind != "BANK" and making.chance(0.4):
        fields["Description"] = f"{name}: see the manual, part {making.serial}/B"
    fields |= {
        "Class": account_class,
        "EnablePaymentsToAccount": code in {"850", "970"},
        "ShowInExpenseClaims": kind == "EXPENSE" and making.chance(0.3),
    }
    if system:
        fields["SystemAccount"] = system
    if kind == "BANK":
        fields |= _bank(making, code)
    if making.chance(0.3):
        fields |= {"ReportingCode": account_class[:3], "ReportingCodeName": account_class.capitalize()}
    return fields | {"HasAttachments": False, "UpdatedDateUTC": "", "AddToWatchlist": making.chance(0.1)}


def account_id(making: Making, code: str) -> str:
    """The id of the account with a code, as it was in the seed."""
    accounts = making.seeded("xero.accounts", None)
    return next(str(each["AccountID"]) for each in accounts if each.get("Code") == code)


def _added(making: Making) -> _Row:
    name, kind, account_class, taxed = _ADDED[making.serial % len(_ADDED)]
    return f"7{making.serial:03d}", f"{name} {making.serial}", kind, account_class, taxed, ""


def _tax_type(making: Making, taxed: str) -> str:
    country = making.organisation.country
    return {"S": country.sales_tax, "P": country.purchases_tax, "": country.untaxed}[taxed]


def _bank(making: Making, code: str) -> Fields:
    return {
        "BankAccountNumber": f"01-0123-{making.source.randrange(10**7):07d}-00",
        "BankAccountType": "CREDITCARD" if code == "092" else "BANK",
        "CurrencyCode": making.organisation.country.currency,
    }

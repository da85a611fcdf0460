"""Makes the organisation's own record and its settings: tax rates, currencies, themes, what it may do."""

from decimal import Decimal

from sandbox.generators.making import Fields, Making, Organisation
from sandbox.generators.values import DAY_MS, guid, midnight
from sandbox.generators.words import CURRENCIES, TaxRow

# The last one is in nobody's list of classes.
_CLASSES = ("STANDARD", "PREMIUM", "COMPREHENSIVE", "GROW", "IGNITE", "ULTRA", "ULTRA_30")


def organisation(making: Making) -> Fields:
    """The one row of `/Organisation`; there is nothing in it to ask changes by."""
    mine, country = making.organisation, making.organisation.country
    city, region, postal_code = making.source.choice(country.places)
    lock = midnight(mine.created_ms) + 90 * DAY_MS
    fields: Fields = {
        "Name": mine.name,
        "LegalName": mine.name,
        "PaysTax": True,
        "Version": country.version,
        "OrganisationType": "COMPANY",
        "BaseCurrency": country.currency,
        "CountryCode": country.code,
        "IsDemoCompany": False,
        "OrganisationStatus": "ACTIVE",
        "TaxNumber": country.tax_number,
        "FinancialYearEndDay": 31,
        "FinancialYearEndMonth": 3 if country.code == "NZ" else 12,
        "SalesTaxBasis": country.sales_tax_basis,
        "SalesTaxPeriod": country.sales_tax_period,
        "DefaultSalesTax": "Tax Exclusive",
        "DefaultPurchasesTax": "Remember previous",
        "PeriodLockDate": f"/Date({lock}+0000)/",
        "CreatedDateUTC": f"/Date({mine.created_ms})/",
        "OrganisationEntityType": "COMPANY",
        "Timezone": country.timezone,
        "ShortCode": "!" + "".join(making.source.choices("abcdefghkmnpqrstuvwxyzABCDEFGH23456789", k=5)),
        "OrganisationID": guid(making.source) if making.serial else mine.tenant_id,
        "Edition": "BUSINESS",
        "Class": _CLASSES[mine.index % len(_CLASSES)],
        "LineOfBusiness": making.source.choice(("Café", "Building/Construction", "Legal", "Retail")),
        "Addresses": [
            {
                "AddressType": "POBOX",
                "AddressLine1": f"PO Box {making.source.randrange(10, 9999)}",
                "City": city,
                "Region": region,
                "PostalCode": postal_code,
                "Country": "",
                "AttentionTo": "",
            }
        ],
        "Phones": [{"PhoneType": "OFFICE", "PhoneNumber": "1234 5678", "PhoneAreaCode": "0800"}],
        "ExternalLinks": [],
        "PaymentTerms": {
            "Bills": {"Day": 20, "Type": "OFFOLLOWINGMONTH"},
            "Sales": {"Day": 14, "Type": "DAYSAFTERBILLDATE"},
        }
        if making.chance(0.6)
        else {},
    }
    if making.chance(0.4):
        del fields["LineOfBusiness"]
    return fields


ACTIONS = (
    "CreateApprovedInvoice",
    "CreateDraftPurchaseOrder",
    "CreateApprovedBill",
    "AttachFilesIntoInvoice",
    "UseMulticurrency",
    "CreateDraftInvoice",
    "CreateRepeatingInvoice",
    "CreateRepeatingBill",
    "CreateSentQuote",
    "CreateInvoicePayment",
    "CreateApprovedPurchaseOrder",
    "CreateDraftQuote",
    "CreateDraftBill",
)


def organisation_action(making: Making) -> Fields:
    """One thing that the connecting user may do here, or may not."""
    name = ACTIONS[making.serial] if making.serial < len(ACTIONS) else f"CreateOther{making.serial}"
    return {"Name": name, "Status": "NOT-ALLOWED" if making.chance(0.1) else "ALLOWED"}


def branding_theme(making: Making) -> Fields:
    """One theme that documents are printed in."""
    return {
        "BrandingThemeID": guid(making.source),
        "Name": "Standard" if making.serial == 0 else f"Theme {making.serial} “très spécial”",
        "LogoUrl": f"https://example.com/logos/{making.organisation.index}/{making.serial}.png",
        "Type": "INVOICE",
        "SortOrder": making.serial,
        "CreatedDateUTC": f"/Date({making.organisation.created_ms + making.serial * DAY_MS}+0000)/",
    }


def currency(making: Making) -> Fields:
    """One currency: the organisation's own, then foreign ones."""
    own = making.organisation.country.currency
    codes = (own, *(code for code in CURRENCIES if code != own))
    code = codes[making.serial] if making.serial < len(codes) else f"X{making.serial:02d}"
    return {"Code": code, "Description": CURRENCIES.get(code, f"Currency {making.serial}")}


def tax_rates(mine: Organisation) -> int:
    """How many there are: the country's own, and up to two more."""
    return len(mine.country.tax_rates) + mine.index % 3


def tax_rate(making: Making) -> Fields:
    """One row of `/TaxRates`: the country's own, then some the organisation added."""
    rows = making.organisation.country.tax_rates
    row = rows[making.serial] if making.serial < len(rows) else _added(making)
    name, tax_type, report_type, per_cent, applies = row
    component = "GST" if making.organisation.country.code in {"NZ", "AU"} else "VAT"
    return {
        "Name": name,
        "TaxType": tax_type,
        "ReportTaxType": report_type,
        "CanApplyToAssets": "A" in applies,
        "CanApplyToEquity": "E" in applies,
        "CanApplyToExpenses": "X" in applies,
        "CanApplyToLiabilities": "L" in applies,
        "CanApplyToRevenue": "R" in applies,
        "DisplayTaxRate": Decimal(per_cent).quantize(Decimal("0.0000")),
        "EffectiveRate": Decimal(per_cent).quantize(Decimal("0.0000")),
        "Status": "ACTIVE",
        "TaxComponents": [
            {
                "Name": component,
                "Rate": Decimal(per_cent).quantize(Decimal("0.0000")),
                "IsCompound": False,
                "IsNonRecoverable": False,
            }
        ],
    }


def _added(making: Making) -> TaxRow:
    per_cent = making.source.randrange(1, 25)
    return (f"Special rate {making.serial}", f"TAX{making.serial:03d}", "OUTPUT", per_cent, "AELXR")

"""The names, places and tax codes that make an organisation look like one of its country."""

from dataclasses import dataclass

# Name, TaxType, ReportTaxType, per cent, and whether it applies to
# assets, equity, expenses, liabilities, revenue.
TaxRow = tuple[str, str, str, int, str]


@dataclass(frozen=True)
class Country:
    """What differs from one edition of Xero to the next."""

    code: str
    version: str
    currency: str
    timezone: str
    tax_number: str
    dialling_code: str
    sales_tax_basis: str
    sales_tax_period: str
    places: tuple[tuple[str, str, str], ...]  # city, region, postal code
    tax_rates: tuple[TaxRow, ...]
    sales_tax: str
    purchases_tax: str
    per_cent: int

    @property
    def untaxed(self) -> str:
        """The tax type of what bears no tax; where NONE is no choice, the country's own first one."""
        types = [row[1] for row in self.tax_rates]
        return "NONE" if "NONE" in types else types[0]


COUNTRIES = (
    Country(
        "NZ",
        "NZ",
        "NZD",
        "NEWZEALANDSTANDARDTIME",
        "111-111-111",
        "64",
        "PAYMENTS",
        "TWOMONTHS",
        (
            ("Auckland", "Auckland", "1010"),
            ("Whangārei", "Northland", "0110"),
            ("Wellington", "", "6011"),
            ("Ōtautahi Christchurch", "Canterbury", "8011"),
        ),
        (
            ("15% GST on Expenses", "INPUT2", "INPUT", 15, "AELX"),
            ("15% GST on Income", "OUTPUT2", "OUTPUT", 15, "AELR"),
            ("GST on Imports", "GSTONIMPORTS", "GSTONIMPORTS", 0, "L"),
            ("No GST", "NONE", "NONE", 0, "AELXR"),
            ("Zero Rated", "ZERORATED", "OUTPUT", 0, "LR"),
        ),
        "OUTPUT2",
        "INPUT2",
        15,
    ),
    Country(
        "AU",
        "AU",
        "AUD",
        "AUSEASTERNSTANDARDTIME",
        "83 914 571 673",
        "61",
        "ACCRUALS",
        "QUARTERLY1",
        (
            ("Sydney", "NSW", "2000"),
            ("Melbourne", "VIC", "3000"),
            ("Fremantle", "WA", "6160"),
            ("Hobart", "TAS", "7000"),
        ),
        (
            ("BAS Excluded", "BASEXCLUDED", "BASEXCLUDED", 0, "AELXR"),
            ("GST Free Expenses", "EXEMPTEXPENSES", "EXEMPTEXPENSES", 0, "AELX"),
            ("GST Free Income", "EXEMPTOUTPUT", "EXEMPTOUTPUT", 0, "AELR"),
            ("GST on Capital", "CAPEXINPUT", "CAPEXINPUT", 10, "A"),
            ("GST on Expenses", "INPUT", "INPUT", 10, "AELX"),
            ("GST on Imports", "GSTONIMPORTS", "GSTONIMPORTS", 0, "AELX"),
            ("GST on Income", "OUTPUT", "OUTPUT", 10, "AELR"),
            ("Luxury Car Tax", "TAX001", "LUXURYCARTAX", 33, "X"),  # a report type nobody has a list of
        ),
        "OUTPUT",
        "INPUT",
        10,
    ),
    Country(
        "GB",
        "UK",
        "GBP",
        "GMTSTANDARDTIME",
        "GB 123 4567 89",
        "44",
        "ACCRUALS",
        "QUARTERLY1",
        (
            ("London", "", "EC1A 1BB"),
            ("Kingston upon Hull", "East Yorkshire", "HU1 1AA"),
            ("Llanfairpwllgwyngyll", "Ynys Môn", "LL61 5UJ"),
        ),
        (
            ("20% (VAT on Expenses)", "INPUT2", "INPUT2", 20, "AELX"),
            ("20% (VAT on Income)", "OUTPUT2", "OUTPUT2", 20, "AELR"),
            ("5% (VAT on Expenses)", "RRINPUT", "INPUT2", 5, "AELX"),
            ("Exempt Expenses", "EXEMPTEXPENSES", "EXEMPTINPUT", 0, "AELX"),
            ("No VAT", "NONE", "NONE", 0, "AELXR"),
            ("Reverse Charge Expenses (20%)", "REVERSECHARGES", "REVERSECHARGES", 20, "AELX"),
            ("Zero Rated Income", "ZERORATEDOUTPUT", "ZERORATEDOUTPUT", 0, "AELR"),
        ),
        "OUTPUT2",
        "INPUT2",
        20,
    ),
    Country(
        "US",
        "US",
        "USD",
        "EASTERNSTANDARDTIME",
        "12-3456789",
        "1",
        "ACCRUALS",
        "1MONTHLY",
        (("Anchorage", "AK", "99501"), ("Palo Alto", "CA", "94020"), ("St. Louis", "MO", "63101")),
        (
            ("Tax Exempt (0%)", "NONE", "NONE", 0, "AELXR"),
            ("Tax on Consulting", "OUTPUT", "OUTPUT", 8, "AELR"),
            ("Tax on Purchases", "INPUT", "INPUT", 8, "AELX"),
        ),
        "OUTPUT",
        "INPUT",
        8,
    ),
)

BUSINESS_FIRST = (
    "Marine", "Ridgeway", "City", "Boom", "Hamilton", "Coastal", "Bayside", "Swanston", "Northern", "Petrie",
    "Golden Bay", "Kererū", "Carlton", "Melrose", "Truxton", "Highland", "Port & Philip", "Jakaranda",
    "Oaktree",
    "Blue Gum", "Tussock", "Harbour", "Saddleback", "Stone", "Brindle", "O'Connell", "Müller", "Núñez",
    "北京",
)  # fmt: skip
BUSINESS_SECOND = (
    "Systems", "University", "Limousines", "FM", "Smith", "Agency", "Club", "Security", "Products",
    "Property",
    "Management", "Rentals", "Bakery", "Cabs", "Paper Supplies", "Plumbing", "Furniture", "Timber", "Dental",
    "Electrical", "Roasters", "Logistics", "Nurseries", "Print/Copy", "Legal", "Freight", "Joinery", "Media",
)  # fmt: skip
BUSINESS_LAST = ("Ltd", "Limited", "Pty Ltd", "& Sons", "Inc.", "(2019) Ltd", "Trust", "Partners", "LLC", "")

FIRST_NAMES = (
    "Anika", "Bede", "Chloë", "Dries", "Eilidh", "Fetu", "Grace", "Hēmi", "Ines", "Jörg", "Katherine", "Lisa",
    "Mere", "Nikau", "Odette", "Priya", "Quentin", "Rangi", "Siobhán", "Tāne", "Ursula", "Wiremu", "Xin",
    "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Ashworth", "Brătianu", "Carver", "D'Souza", "Ellison", "Faumuina", "Garcia", "Henare", "Ivanova",
    "Jansen",
    "Khan", "Lambert", "MacIntyre", "Ngata", "O'Brien", "Parker", "Rawhiti", "Singh", "Tamahori",
    "van der Berg",
    "Warren", "Yıldız", "Zhang",  # noqa: RUF001
)  # fmt: skip
STREETS = (
    "Main Street",
    "Queen Street",
    "Cuba St",
    "Karangahape Rd",
    "High Street",
    "Station Rd",
    "The Esplanade",
)

# What is bought and sold: description, account, the price of one in cents.
GOODS = (
    ("Monthly electricity", "445", 8900),
    ("Golf balls - white single. Buy in packs of 12 & save", "310", 595),
    ('Desk 24" × 30", "as new"', "710", 34_900),  # noqa: RUF001
    ("Project management & implementation - branding workshop with your team", "200", 25_000),
    ("Legal advice on lease\r\n(2 hrs, incl. disbursements)", "441", 42_050),
    ("Broadband / phone", "489", 6_499),
    ("Office cleaning <weekly>", "408", 12_000),
    ("Carpark rental, level C:\\3", "469", 14_500),
    ("Café – staff morning tea ☕", "420", 2_340),  # noqa: RUF001
    ("Development work - developer onsite per day", "200", 65_000),
    ("Printing, 500 × A5 flyers", "461", 20_777),  # noqa: RUF001
    ("Petrol", "449", 7_391),
    ("Xero subscription", "485", 3_391),
    ("Retainer for consulting work", "200", 230_000),
)
ITEM_CODES = ("PR-BR", "GB1-White", "DevD", "Train-MS", "BOOK", "Support-M")
NARRATIONS = (
    "Depreciation for the month",
    "Accrued wages",
    "Reversal: Accrued wages",
    "These aren''t the droids you are looking for",
    "Stock adjustment / write-off",
    "Correct GST on 3 bills\r\n(see note)",
    "Prepaid insurance, month 4 of 12",
)
QUOTE_TITLES = (
    "Your Quote",
    "Kitchen refit",
    "Annual maintenance",
    "Website rebuild",
    "Proposal “A”",
    "Option B/C",
)
CURRENCIES = {
    "EUR": "Euro",
    "USD": "United States Dollar",
    "NZD": "New Zealand Dollar",
    "AUD": "Australian Dollar",
    "GBP": "British Pound",
    "JPY": "Japanese Yen",
    "CHF": "Swiss Franc",
    "XPF": "CFP Franc",
}
REGIONS = ("North", "South", "Eastside", "West Coast")

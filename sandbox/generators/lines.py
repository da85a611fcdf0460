"""Makes the lines of invoices and quotes, and their sums."""

from dataclasses import dataclass

from sandbox.generators.making import Fields, Making
from sandbox.generators.values import guid, money, quantity
from sandbox.generators.words import GOODS, ITEM_CODES, REGIONS

TRACKING_CATEGORY = "351953c4-8127-4009-88c3-f9cd8c9cbe9f"


@dataclass(frozen=True)
class Lines:
    """Lines with their sums in cents."""

    items: list[Fields]
    subtotal: int
    tax: int

    @property
    def total(self) -> int:
        """What is to be paid."""
        return self.subtotal + self.tax


def make_lines(making: Making, *, tax_type: str, inclusive: bool, taxed: bool) -> Lines:
    """One to four lines, tax rounded line by line as Xero does it."""
    items, subtotal, tax = [], 0, 0
    per_cent = making.organisation.country.per_cent
    for _ in range(making.source.choice((1, 1, 1, 2, 2, 3, 4))):
        description, account, price = making.source.choice(GOODS)
        count = making.source.choice((10_000, 10_000, 10_000, 20_000, 50_000, 2_500, 15_000))
        amount = price * count // 10_000
        free = not taxed or making.chance(0.1)
        line_tax = 0 if free else _tax(amount, per_cent, inclusive=inclusive)
        subtotal += amount - line_tax if inclusive else amount
        tax += line_tax
        line: Fields = {"ItemCode": making.source.choice(ITEM_CODES)} if making.chance(0.3) else {}
        items.append(
            line
            | {
                "Description": description,
                "UnitAmount": money(price),
                "TaxType": "NONE" if free else tax_type,
                "TaxAmount": money(line_tax),
                "LineAmount": money(amount),
                "AccountCode": account,
                "Tracking": _tracking(making),
                "Quantity": quantity(count),
                "LineItemID": guid(making.source),
            }
        )
    return Lines(items, subtotal, tax)


def _tax(amount: int, per_cent: int, *, inclusive: bool) -> int:
    return round(amount * per_cent / (100 + per_cent)) if inclusive else round(amount * per_cent / 100)


def _tracking(making: Making) -> list[Fields]:
    if not making.chance(0.2):
        return []
    number = making.source.randrange(len(REGIONS))
    return [
        {
            "Name": "Region",
            "Option": REGIONS[number],
            "TrackingCategoryID": TRACKING_CATEGORY,
            "TrackingOptionID": f"ce205173-7387-4651-9726-{number:012x}",
            "Options": [],
        }
    ]

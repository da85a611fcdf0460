"""Makes the lines of documents, and their sums."""

from dataclasses import dataclass

from sandbox.generators.making import Fields, Making
from sandbox.generators.tracking import tracking
from sandbox.generators.values import guid, money, quantity
from sandbox.generators.words import GOODS, ITEM_CODES


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
    """One to four lines, tax rounded line by line as Xero does it; a few prices are finer than a cent."""
    items: list[Fields] = []
    subtotal, tax = 0, 0
    per_cent = making.organisation.country.per_cent
    for _ in range(making.source.choice((1, 1, 1, 2, 2, 3, 4))):
        description, account, price = making.source.choice(GOODS)
        count = making.source.choice((10_000, 10_000, 10_000, 20_000, 50_000, 2_500, 15_000))
        finer = _finer(making) if not items else 0
        amount = (price * 100 + finer) * count // 1_000_000
        free = not taxed or making.chance(0.1)
        line_tax = 0 if free else _tax(amount, per_cent, inclusive=inclusive)
        subtotal += amount - line_tax if inclusive else amount
        tax += line_tax
        line: Fields = {"ItemCode": making.source.choice(ITEM_CODES)} if making.chance(0.3) else {}
        items.append(
            line
            | {
                "Description": description,
                "UnitAmount": quantity(price * 100 + finer) if finer else money(price),
                "TaxType": making.organisation.country.untaxed if free else tax_type,
                "TaxAmount": money(line_tax),
                "LineAmount": money(amount),
                "AccountCode": account,
                "Tracking": tracking(making),
                "Quantity": quantity(count),
                "LineItemID": guid(making.source),
            }
        )
    return Lines(items, subtotal, tax)


def one_line(making: Making, description: str, account: str, cents: int) -> Lines:
    """A single line without tax."""
    line: Fields = {
        "Description": description,
        "UnitAmount": money(cents),
        "TaxType": making.organisation.country.untaxed,
        "TaxAmount": money(0),
        "LineAmount": money(cents),
        "AccountCode": account,
        "Tracking": [],
        "Quantity": quantity(10_000),
        "LineItemID": guid(making.source),
    }
    return Lines([line], cents, 0)


def _finer(making: Making) -> int:
    """Hundredths of a cent, seen with `unitdp=4`: petrol at 1.7395."""
    return making.serial * 37 % 99 + 1 if making.every(14, 3) else 0


def _tax(amount: int, per_cent: int, *, inclusive: bool) -> int:
    return round(amount * per_cent / (100 + per_cent)) if inclusive else round(amount * per_cent / 100)

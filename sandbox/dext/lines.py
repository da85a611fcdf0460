"""Makes the lines of a cost item and their sums, in cents."""

from collections.abc import Mapping
from typing import Any

from sandbox.dext.tax_list import MISSING_IN_XERO
from sandbox.generators.making import Fields, Making
from sandbox.generators.values import money
from sandbox.generators.words import GOODS

Entry = Mapping[str, Any]

_COSTS = tuple(goods for goods in GOODS if goods[1] != "200")  # sales are nobody's costs


def make_lines(making: Making, tax: str, per_cent: int) -> tuple[list[Fields], int, int]:
    """One to three lines, and the net and tax that they add up to."""
    lines: list[Fields] = []
    net, taxed = 0, 0
    for place in range(making.source.choice((1, 1, 2, 3))):
        description, account, price = making.source.choice(_COSTS)
        count = making.source.choice((1, 1, 2, 10))
        amount = price * count
        line_tax = (amount * per_cent + 50) // 100
        net, taxed = net + amount, taxed + line_tax
        lines.append(
            {
                "id": f"l{place + 1}",
                "description": description,
                "quantity": str(count),
                "unit_amount": str(money(price)),
                "net_amount": str(money(amount)),
                "tax_amount": str(money(line_tax)),
                "total_amount": str(money(amount + line_tax)),
                "category_code": account,
                "tax_rate_external_id": f"xero:tax:{tax}",
                "tracking": tracked(making),
            }
        )
    return lines, net, taxed


def tax_of(making: Making) -> tuple[str, int]:
    """The tax type of an item and its per cent: now and then none, or one that Xero does not know."""
    country = making.organisation.country
    known = {each["code"]: each for each in making.seeded("dext.tax_rates", None)}
    if making.every(19, 4) and MISSING_IN_XERO in known:
        return MISSING_IN_XERO, 12
    return (country.untaxed, 0) if making.every(8, 1) else (country.purchases_tax, country.per_cent)


def tracked(making: Making) -> list[Fields]:
    """The `tracking` of an item or a line: seldom filled."""
    category = making.peer("dext.tracking") if making.chance(0.3) else None
    options = category["attributes"].get("options", []) if category else []
    if category is None or not options:
        return []
    option = making.source.choice(options)
    return [
        {
            "category_external_id": category["external_id"],
            "option_external_id": option["external_id"],
            "category": category["name"],
            "option": option["name"],
        }
    ]

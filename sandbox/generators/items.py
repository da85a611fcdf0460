"""Makes items: what is bought and sold again and again, some of it with prices finer than a cent."""

from sandbox.generators.making import Fields, Making, Organisation
from sandbox.generators.values import guid, money, quantity
from sandbox.generators.words import GOODS, ITEM_CODES


def items(mine: Organisation) -> int:
    """How many there are: at least those that documents name, where there are documents."""
    return max(len(ITEM_CODES), round(mine.bulk.contacts * 0.55)) if mine.bulk.contacts else 0


def item(making: Making) -> Fields:
    """One item; a price may be missing on either side."""
    source, country = making.source, making.organisation.country
    description, account, price = source.choice(GOODS)
    tracked, sold = making.every(7, 3), making.chance(0.9)
    fields: Fields = {"ItemID": guid(source), "Code": _code(making)}
    if making.chance(0.8):
        fields["Description"] = description
    if tracked:
        fields["PurchaseDescription"] = description
    fields["UpdatedDateUTC"] = ""
    fields["PurchaseDetails"] = {}
    if tracked or making.chance(0.4):
        cost = {"COGSAccountCode": "310"} if tracked else {"AccountCode": account}
        fields["PurchaseDetails"] = {
            "UnitPrice": _price(making, price * 2 // 3),
            **cost,
            "TaxType": country.purchases_tax,
        }
    fields["SalesDetails"] = {}
    if sold and making.chance(0.9):
        fields["SalesDetails"] = {
            "UnitPrice": _price(making, price),
            "AccountCode": "200",
            "TaxType": country.sales_tax,
        }
    fields |= {"Name": f"{description.split(',')[0][:36].strip()} {making.serial}"}
    fields |= {"IsTrackedAsInventory": tracked, "IsSold": sold, "IsPurchased": tracked or not sold}
    if tracked:
        count = source.randrange(0, 400)
        fields |= {
            "InventoryAssetAccountCode": "630",
            "TotalCostPool": money(count * price * 2 // 3),
            "QuantityOnHand": quantity(count * 10_000),
        }
    return fields


def _code(making: Making) -> str:
    return ITEM_CODES[making.serial] if making.serial < len(ITEM_CODES) else f"IT/{making.serial:05d}"


def _price(making: Making, cents: int) -> object:
    """Every sixth is told with `unitdp=4` only: 1.7395."""
    if not making.every(6, 2):
        return money(cents)
    return quantity(cents * 100 + making.serial * 37 % 99 + 1)

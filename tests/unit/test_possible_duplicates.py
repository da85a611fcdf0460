"""Which items may be the same paper, and where nothing can be said."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from store.items import Item, possible_duplicates

BILL = Item(
    id="1",
    type="invoice",
    status="published",
    supplier_id="sup_91",
    supplier="Northern Paper",
    reference="INV-2041",
    date=date(2026, 11, 14),
    currency="GBP",
    total=Decimal("234.00"),
    supported=True,
    publication_id="pub_1",
    publications=(),
    file=None,
)
RECEIPT = replace(BILL, type="receipt", reference=None)
OTHER_DAY = date(2026, 11, 15)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (BILL, replace(BILL, date=OTHER_DAY), True),  # a reference says more than a date
        (BILL, replace(BILL, reference=" inv-2041 ", total=Decimal("234.0")), True),
        (BILL, replace(BILL, total=Decimal("234.01")), False),
        (BILL, replace(BILL, reference="INV-2042"), False),
        (BILL, replace(BILL, supplier_id="sup_92"), False),
        (BILL, replace(BILL, currency="EUR"), False),
        (BILL, replace(BILL, type="credit_note"), False),  # it takes back what the other asks for
        (BILL, replace(BILL, status="deleted"), False),
        (RECEIPT, RECEIPT, True),
        (RECEIPT, replace(RECEIPT, date=OTHER_DAY), False),
        (RECEIPT, replace(RECEIPT, date=None), False),
        (RECEIPT, BILL, False),
        (replace(RECEIPT, supplier_id=None, supplier=None), replace(RECEIPT, supplier_id=None), False),
        (replace(BILL, total=None), replace(BILL, total=None), False),
        (
            replace(BILL, supplier_id=None, supplier="NORTHERN PAPER"),
            replace(BILL, supplier_id=None, supplier="Northern Paper "),
            True,
        ),
    ],
)
def test_two_items_are_flagged_together_or_not_at_all(one: Item, other: Item, alike: bool) -> None:
    found = possible_duplicates([one, replace(other, id="2"), replace(BILL, id="3", supplier_id="x")])

    assert found == ({"1": ("2",), "2": ("1",)} if alike else {})

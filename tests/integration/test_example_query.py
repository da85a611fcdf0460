"""The query that docs/tables.md shows finds what the provider has, on either database."""

import re
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.integration.engine import Engine

CONTACTS, BILLS = "xero.contacts", "xero.invoices"
PAGE = Path(__file__).parents[2] / "docs/tables.md"


def test_the_example_finds_the_open_bills_of_live_suppliers_alone(whole_engine: Engine) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS, BILLS])
    whole_engine.settle()
    first, *_, last = open_bills(whole_engine, one).values()
    vanish(whole_engine, one, CONTACTS, first["Contact"]["ContactID"])
    vanish(whole_engine, one, BILLS, last["InvoiceID"])
    (example,) = re.findall(r"```sql\n(.+?)```", PAGE.read_text(), re.DOTALL)

    for slug in (one, other):
        with whole_engine.services.database.reading() as tx:
            rows = tx.execute(text(example.replace("acme-ltd", slug))).all()

        contacts = whole_engine.at_provider(slug, CONTACTS)
        wanted = [
            (contacts[bill["Contact"]["ContactID"]]["Name"], bill["InvoiceNumber"], bill["AmountDue"])
            for bill in open_bills(whole_engine, slug).values()
        ]
        found = [(row.name, row.invoice_number, Decimal(str(row.amount_due))) for row in rows]
        assert Counter(found) == Counter(wanted)
        assert found


def open_bills(made: Engine, slug: str) -> dict[str, Any]:
    """What the provider has of them."""
    suppliers = {
        key
        for key, contact in made.at_provider(slug, CONTACTS).items()
        if contact["IsSupplier"] and contact["ContactStatus"] == "ACTIVE"
    }
    return {
        key: bill
        for key, bill in made.at_provider(slug, BILLS).items()
        if (bill["Type"], bill["Status"]) == ("ACCPAY", "AUTHORISED")
        and bill["Contact"]["ContactID"] in suppliers
    }


def vanish(made: Engine, slug: str, resource: str, record: str) -> None:
    """The provider has it no longer, and two complete reads agree on that."""
    made.sandbox.edit(made.tenants[slug], resource, "remove", ids=[record])
    for _ in range(2):
        made.sync(slug, resource, full=True)

"""Makes believable records, one generator for each list; the same seed makes the same bytes."""

from sandbox.generators.contacts import contact
from sandbox.generators.invoices import invoice
from sandbox.generators.journals import manual_journal
from sandbox.generators.linked import linked_transaction
from sandbox.generators.making import Generator, Making, Organisation
from sandbox.generators.quotes import quote
from sandbox.generators.settings import organisation, tax_rate

__all__ = ["GENERATORS", "Generator", "Making", "Organisation"]

GENERATORS: dict[str, Generator] = {
    "xero.organisations": organisation,
    "xero.tax_rates": tax_rate,
    "xero.contacts": contact,
    "xero.invoices": invoice,
    "xero.manual_journals": manual_journal,
    "xero.quotes": quote,
    "xero.linked_transactions": linked_transaction,
}

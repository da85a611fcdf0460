"""Documents in the sandbox that somebody is to decide about."""

from typing import Any

from config.decisions import KINDS
from tests.integration.engine import Engine

# Nothing is paid on them, and nothing allocated.
_UNPAID: dict[str, dict[str, Any]] = {
    "bill": {"Type": "ACCPAY", "Payments": [], "CreditNotes": [], "AmountPaid": 0},
    "sales_invoice": {"Type": "ACCREC", "Payments": [], "CreditNotes": [], "AmountPaid": 0},
    "credit_note": {"Payments": [], "Allocations": []},
}


class Papers:
    """Makes documents of one organisation, and looks at them there."""

    def __init__(self, engine: Engine, slug: str) -> None:
        self.engine = engine
        self.slug = slug
        self.tenant = engine.tenants[slug]
        contacts = engine.sandbox.dump(self.tenant, "xero.contacts")
        active = next(each for each in contacts if each["ContactStatus"] == "ACTIVE")
        self._contact = {"ContactID": active["ContactID"], "Name": active["Name"]}

    def made(self, kind: str, status: str = "SUBMITTED", *, count: int = 1, **fields: Any) -> list[str]:
        """New documents; nobody here has read them yet."""
        wished = {"Status": status, "Contact": self._contact, **_UNPAID.get(kind, {}), **fields}
        resource = KINDS[kind].resource
        return self.engine.sandbox.edit(self.tenant, resource, "add", count=count, fields=wished)

    def read(self, kind: str) -> None:
        """Bring what is there into the store."""
        self.engine.sync(self.slug, KINDS[kind].resource)

    def one(self, kind: str, status: str = "SUBMITTED", **fields: Any) -> str:
        """A document that is in the store as well."""
        [made] = self.made(kind, status, **fields)
        self.read(kind)
        return made

    def there(self, kind: str, document: str) -> dict[str, Any]:
        """The document as the provider has it."""
        return dict(self.engine.at_provider(self.slug, KINDS[kind].resource)[document])

    def stored(self, kind: str, document: str) -> dict[str, Any]:
        """The document as we have it."""
        return dict(self.engine.parsed(self.slug, KINDS[kind].resource)[document])

    def applied(self, document: str) -> dict[str, int]:
        """How often each status was applied, by the provider's own count."""
        return dict(self.engine.sandbox.writes(self.tenant)["applied"].get(document, {}))

    def notes(self, document: str) -> list[str]:
        """The notes in its history."""
        return list(self.engine.sandbox.writes(self.tenant)["notes"].get(document, []))

    def files(self, document: str) -> list[str]:
        """The names of its files."""
        return list(self.engine.sandbox.writes(self.tenant)["files"].get(document, []))

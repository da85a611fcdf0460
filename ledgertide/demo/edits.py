"""What people do at the provider after the first read, in every list, and who presses for it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

from ledgertide.api import Door, PressHandle
from ledgertide.demo.comparison import told_by
from ledgertide.embedded.sandbox_doors import SandboxDoors
from sync.providers import ENDPOINTS, provider_name

BY = "demo"
RESOURCES = tuple(endpoint.resource for endpoint in ENDPOINTS if not endpoint.off)
# An organisation is one record: none comes beside it.
ITSELF = "xero.organisations"
# Nothing is removed here: so many records would go at once that a person must say so.
KEPT = frozenset({ITSELF, "xero.tracking_categories"})

# What only some lists know.
BESIDES = (
    ("xero.contacts", "archive", 2),
    ("xero.contacts", "merge", 1),
    ("xero.accounts", "archive", 1),
    ("xero.invoices", "void", 1),
    ("xero.quotes", "void", 1),
    ("xero.manual_journals", "void", 1),
    ("dext.items", "publish", 2),
    ("dext.items", "republish", 1),
    ("dext.items", "unpublish", 1),
    ("dext.items", "archive", 1),
    ("dext.items", "delete", 1),
)
EDITS = (
    *((resource, "edit", 2) for resource in RESOURCES),
    *((resource, "add", 1) for resource in RESOURCES if resource != ITSELF),
    *(one for one in BESIDES if one[0] in RESOURCES),
)
# At most so many lists of one organisation are read whole again: it has 60 calls a minute.
FULL_AT_MOST = 6


@dataclass(frozen=True, slots=True)
class Customer:
    """One organisation, here and at the providers that it is connected to."""

    slug: str
    tenants: Mapping[str, str] = field(hash=False)
    """Provider → its id there."""

    def has(self, resource: str) -> bool:
        """Whether it is connected to the resource's provider."""
        return provider_name(resource) in self.tenants

    def tenant(self, resource: str) -> str:
        """Its id at the resource's provider."""
        return self.tenants[provider_name(resource)]


@dataclass
class People:
    """Edit there and press here; ``done`` counts the records by what was done to them."""

    doors: SandboxDoors
    door: Door
    done: Counter[str] = field(default_factory=Counter)

    def edit(self, customers: Iterable[Customer]) -> list[PressHandle]:
        """Change every list of these organisations so that a press finds it."""
        handles = []
        for customer in customers:
            for resource, action, count in EDITS:
                if customer.has(resource):
                    self._do(customer, resource, action, count)
            mine = filter(customer.has, RESOURCES)
            handles += [self.door.sync_now(customer.slug, resource, by=BY) for resource in mine]
        return handles

    def edit_silently(self, customers: Sequence[Customer]) -> list[PressHandle]:
        """Change records without a new modified time: only a full read can find that."""
        dealt = deal(RESOURCES, customers)
        for customer, resource in dealt:
            self._do(customer, resource, "silent", 2)
        return self.read_whole(dealt)

    def read_invoices(self, customers: Iterable[Customer]) -> list[PressHandle]:
        """Press for the bills that were handed in."""
        return [self.door.sync_now(customer.slug, "xero.invoices", by=BY) for customer in customers]

    def remove(self, customers: Sequence[Customer]) -> list[tuple[Customer, str]]:
        """Take records away without a word: two full reads that agree must miss them."""
        dealt = deal([resource for resource in RESOURCES if resource not in KEPT], customers)
        # That a list became empty is not believed either, however short it was.
        removed = [
            (who, resource) for who, resource in dealt if self.doors.count(who.tenant(resource), resource) > 1
        ]
        for customer, resource in removed:
            self._do(customer, resource, "remove", 1)
        return removed

    def read_whole(self, dealt: Iterable[tuple[Customer, str]]) -> list[PressHandle]:
        """Press for a full resync of each, and of the lists that tell the same records."""
        wanted = dict.fromkeys(
            (customer.slug, other)
            for customer, resource in dealt
            for other in RESOURCES
            if customer.has(other) and told_by(other) == told_by(resource)
        )
        return [self.door.sync_full(slug, resource, by=BY) for slug, resource in wanted]

    def _do(self, customer: Customer, resource: str, action: str, count: int) -> None:
        self.done[action] += len(self.doors.edit(customer.tenant(resource), resource, action, count=count))


def deal(resources: Iterable[str], customers: Sequence[Customer]) -> list[tuple[Customer, str]]:
    """Each list to one organisation, in turn, as long as none gets too many."""
    turns = cycle(customers)
    dealt = []
    for resource in resources:
        having = (who for who in islice(turns, len(customers)) if who.has(resource))
        dealt += [(who, resource) for who in islice(having, 1)]
    return dealt[: FULL_AT_MOST * len(customers)]

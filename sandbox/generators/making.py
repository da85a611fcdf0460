"""What a generator is given to make one record from."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.generators.words import Country

Fields = dict[str, Any]


@dataclass(frozen=True)
class Bulk:
    """How much business an organisation does; what else it has is a share of this."""

    contacts: int
    invoices: int
    quotes: int
    manual_journals: int
    linked_transactions: int


@dataclass(frozen=True)
class Organisation:
    """One business: what its records have in common."""

    index: int
    tenant_id: str
    name: str
    country: Country
    created_ms: int
    day_limit: int
    bulk: Bulk


@dataclass(frozen=True)
class Making:
    """One record in the making: its place in the list, its stamp, and the lists it may refer to."""

    source: random.Random
    organisation: Organisation
    serial: int
    modified_ms: int
    peers: Callable[[str], Sequence[Mapping[str, Any]]]
    seeded: Callable[[str, str | None], Sequence[Mapping[str, Any]]]

    def every(self, nth: int, at: int) -> bool:
        """True for one record in `nth`: oddities come in every list long enough, not by luck."""
        return self.serial % nth == at

    def chance(self, share: float) -> bool:
        """True for about this share of the records."""
        return self.source.random() < share

    def peer(self, resource: str) -> Mapping[str, Any] | None:
        """Some record of another list of the organisation, if it has any."""
        others = self.peers(resource)
        return self.source.choice(others) if others else None

    def one_with(self, resource: str, filled: str) -> Mapping[str, Any] | None:
        """Some record of another list's seed in which a field is filled."""
        others = self.seeded(resource, filled)
        return self.source.choice(others) if others else None

    def nth(self, resource: str, place: int, filled: str | None = None) -> Mapping[str, Any] | None:
        """The same record of another list's seed every time, so that each is taken by one record only."""
        others = self.seeded(resource, filled)
        return others[place] if place < len(others) else None


Generator = Callable[[Making], Fields]

"""How many records of a list an organisation has."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.generators.making import Organisation

Seeded = Callable[[str, str | None], Sequence[Mapping[str, Any]]]  # other lists of the organisation's seed
Size = Callable[[Organisation, random.Random, Seeded], int]


def exactly(count: int) -> Size:
    """The same number for everybody."""
    return lambda _organisation, _source, _seeded: count


def between(least: int, most: int) -> Size:
    """Any number from the least to the most, whatever business is done."""
    return lambda _organisation, source, _seeded: source.randint(least, most)


def share(of: str, part: float = 1.0) -> Size:
    """So many for each record that the organisation's bulk names: `share("invoices", 0.5)`."""
    return lambda organisation, _source, _seeded: round(getattr(organisation.bulk, of) * part)


def each(of: Callable[[Organisation], int], least: int, most: int) -> Size:
    """For each record of another list so many."""
    return lambda organisation, source, _seeded: of(organisation) * source.randint(least, most)


def told(by: Callable[[Organisation], int]) -> Size:
    """A number that generators must know, too."""
    return lambda organisation, _source, _seeded: by(organisation)

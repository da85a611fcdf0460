"""What happens in a simulation and when, drawn from a seed before it begins."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STARTER_DAY, USUAL_DAY = 1_000, 5_000
ORGANISATIONS = "xero.organisations"

# How often each is done, of all that people do at the provider. What a list does not know becomes an edit.
ACTIONS = {"edit": 12, "add": 4, "archive": 2, "restore": 1, "void": 1, "merge": 1, "remove": 1, "silent": 1}
# There is always exactly one organisation in its own list.
ONLY_EDITED = frozenset({ORGANISATIONS})


@dataclass(frozen=True)
class Happening:
    """Something that people or the provider do at a time, counted from the beginning."""

    at: timedelta
    kind: str  # edit · press · outage · outage over · leaves · returns · looks
    organisation: int = 0
    resource: str = ""
    action: str = ""
    full: bool = False


@dataclass(frozen=True)
class Plan:
    """How long, how many, and what comes to pass."""

    seed: int
    days: float = 7
    organisations: int = 20
    step: timedelta = timedelta(seconds=60)
    edits_an_hour: float = 3  # of each organisation
    presses_a_day: float = 3  # of each organisation
    full_share: float = 0.2  # of the presses
    outage: timedelta = 5 * HOUR
    away: timedelta = DAY
    windows: str = "fixed"  # the provider's: fixed or rolling

    @property
    def length(self) -> timedelta:
        """From the beginning to the moment from which nothing happens any more."""
        return self.days * DAY

    def day_limit(self, organisation: int) -> int:
        """Every second organisation may make 1,000 calls a day."""
        return STARTER_DAY if organisation % 2 == 0 else USUAL_DAY

    def happenings(self, resources: Sequence[str]) -> list[Happening]:
        """All that happens, in order."""
        source = random.Random(self.seed)
        drawn = [*self._edits(source, resources), *self._presses(source, resources)]
        drawn += [*self._outage(source, resources), *self._absence(source, resources), *self._looks()]
        return sorted(drawn, key=lambda happening: happening.at)

    def _edits(self, source: random.Random, resources: Sequence[str]) -> Iterator[Happening]:
        for at, organisation in self._moments(source, self.edits_an_hour / HOUR.total_seconds()):
            resource = source.choice(resources)
            (action,) = source.choices(list(ACTIONS), list(ACTIONS.values()))
            if resource in ONLY_EDITED:
                action = "edit"
            yield Happening(at, "edit", organisation, resource, action)

    def _presses(self, source: random.Random, resources: Sequence[str]) -> Iterator[Happening]:
        for at, organisation in self._moments(source, self.presses_a_day / DAY.total_seconds()):
            full = source.random() < self.full_share
            yield Happening(at, "press", organisation, source.choice(resources), full=full)

    def _moments(self, source: random.Random, a_second: float) -> Iterator[tuple[timedelta, int]]:
        for organisation in range(self.organisations):
            at = source.expovariate(a_second)
            while at < self.length.total_seconds():
                yield timedelta(seconds=at), organisation
                at += source.expovariate(a_second)

    def _outage(self, source: random.Random, resources: Sequence[str]) -> Iterator[Happening]:
        """Somebody presses meanwhile."""
        begins = self.length * source.uniform(0.3, 0.4)
        presses = begins + self.outage * source.random()
        yield Happening(begins, "outage")
        yield Happening(presses, "press", source.randrange(self.organisations), source.choice(resources))
        yield Happening(begins + self.outage, "outage over")

    def _absence(self, source: random.Random, resources: Sequence[str]) -> Iterator[Happening]:
        """Somebody presses just before the provider is asked again, and again while nothing can be read."""
        organisation, leaves = source.randrange(self.organisations), self.length * source.uniform(0.5, 0.6)
        yield Happening(leaves, "leaves", organisation)
        for part in (0.0, source.random()):
            yield Happening(leaves + self.away * part, "press", organisation, source.choice(resources))
        yield Happening(leaves + self.away, "returns", organisation)

    def _looks(self) -> Iterator[Happening]:
        for day in range(1, int(self.days) + 1):
            yield Happening(day * DAY, "looks")

"""One look at everything that goes on, for the live view."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

from ledgertide.embedded.budgets import Budgets, BudgetWatch, account_of
from ledgertide.overview import Group, group, is_fresh, is_on
from limiter.limiter import LimiterUnavailableError
from store import history, organisations, status
from store.events import Event
from store.history import PressLine
from sync.services import Services

QUEUES = ("push", "now", "upkeep", "sync")
LATELY = 5


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything the view shows. `budgets` and `queues` are None while Redis is away."""

    organisations: int
    feeds: int  # those that are to be read: what is off is in no number but its state's
    fresh: int
    errors: int
    groups: list[Group]
    waits: Counter[str]
    presses: list[PressLine]
    events: list[tuple[str, Event]]
    budgets: Budgets | None
    queues: dict[str, int] | None


class Observer:
    """Looks at everything; changes nothing."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._budgets = BudgetWatch(services.limiter)

    def look(self) -> Snapshot:
        """Read it all. Raises DatabaseUnavailableError."""
        with self._services.database.reading() as tx:
            lines = status.all_lines(tx)
            slugs = {one.id: one.slug for one in organisations.everyone(tx)}
            links = organisations.every_link(tx)
            presses = history.all_press_lines(tx, LATELY)
            events = history.all_events(tx, LATELY)
        budgets: Budgets | None = None
        queues: dict[str, int] | None = None
        with suppress(LimiterUnavailableError):
            budgets = self._budgets.look([(slugs[link.organisation_id], account_of(link)) for link in links])
            queues = self._services.belt.lengths(QUEUES)
        wanted = [line for line in lines if is_on(line)]
        return Snapshot(
            organisations=len(slugs),
            feeds=len(wanted),
            fresh=sum(is_fresh(line) for line in wanted),
            errors=sum(line.error is not None for line in wanted),
            groups=group(lines),
            waits=Counter(line.reason for line in wanted if line.reason),
            presses=presses,
            events=events,
            budgets=budgets,
            queues=queues,
        )

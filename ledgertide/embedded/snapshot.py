"""One look at everything that goes on, for the live view."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

from config.limits import LIMITS
from limiter.limiter import Account, LimiterUnavailableError
from store import history, organisations, status
from store.events import Event
from store.history import PressLine
from store.status import FeedLine
from sync.services import Services


@dataclass(frozen=True, slots=True)
class Left:
    """The connection with the fewest calls left: how many, of how many, and whose."""

    calls: int
    of: int
    organisation: str


@dataclass(frozen=True, slots=True)
class Budgets:
    """What the limiter knows of all connections together."""

    calls_in_last_minute: int
    in_flight: int
    least_this_minute: Left | None
    least_today: Left | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything the view shows. `budgets` and `queues` are None while Redis is away."""

    organisations: int
    feeds: int
    fresh: int
    records_read: int
    states: Counter[str]
    waits: Counter[str]
    errors: list[FeedLine]
    presses: list[PressLine]
    events: list[tuple[str, Event]]
    budgets: Budgets | None
    queues: dict[str, int] | None


def look(services: Services) -> Snapshot:
    """Read it all; changes nothing. Raises DatabaseUnavailableError."""
    with services.database.reading() as tx:
        lines = status.all_lines(tx)
        slugs = {one.id: one.slug for one in organisations.everyone(tx)}
        links = organisations.every_link(tx)
        presses = history.all_press_lines(tx, 5)
        events = history.all_events(tx, 5)
    budgets: Budgets | None = None
    queues: dict[str, int] | None = None
    with suppress(LimiterUnavailableError):
        budgets = _budgets(services, [(slugs[link.organisation_id], account_of(link)) for link in links])
        queues = services.belt.lengths(["now", "upkeep", "sync"])
    return Snapshot(
        organisations=len(slugs),
        feeds=len(lines),
        fresh=sum(is_fresh(line) for line in lines),
        records_read=sum(line.seen for line in lines),
        states=Counter(line.state for line in lines),
        waits=Counter(line.reason for line in lines if line.reason),
        errors=[line for line in lines if line.error],
        presses=presses,
        events=events,
        budgets=budgets,
        queues=queues,
    )


def is_fresh(line: FeedLine) -> bool:
    """Whether a feed was read within its cadence."""
    return line.last_synced_at is not None and not line.is_late


def account_of(link: organisations.Link) -> Account:
    """Whose limits a connection's calls spend."""
    return Account(link.provider, link.id, link.day_limit)


def _budgets(services: Services, accounts: list[tuple[str, Account]]) -> Budgets:
    minutes, days, flying, spent = [], [], 0, Counter[str]()
    for slug, account in accounts:
        limits = LIMITS[account.provider]
        budget = services.limiter.budget(account)
        minutes.append(Left(budget.minute, limits.minute, slug))
        days.append(Left(budget.day, account.day or limits.day, slug))
        flying += budget.in_flight
        spent[account.provider] = limits.app_minute - budget.app_minute
    return Budgets(
        calls_in_last_minute=spent.total(),
        in_flight=flying,
        least_this_minute=min(minutes, key=lambda left: left.calls / left.of, default=None),
        least_today=min(days, key=lambda left: left.calls / left.of, default=None),
    )

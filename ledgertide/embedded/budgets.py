"""How many calls are left over all connections, for a bounded number of questions to the limiter."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from config.limits import LIMITS, is_unlimited
from limiter.limiter import Account, Limiter
from store.organisations import Link

AT_ONCE = 32
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of one limit of a connection: how many calls, of how many, and whose."""

    calls: int
    of: int
    organisation: str

    @property
    def share(self) -> float:
        """From 0, nothing, to 1, all."""
        return self.calls / self.of


@dataclass(frozen=True, slots=True)
class Budgets:
    """What the limiter knows of all connections together; the tightest few of those that called."""

    calls_in_last_minute: int
    in_flight: int
    this_minute: tuple[Left, ...]
    today: tuple[Left, ...]


@dataclass(frozen=True, slots=True)
class _Reading:
    minute: Left
    day: Left
    in_flight: int

    @property
    def tightness(self) -> float:
        return min(self.minute.share, self.day.share)


class BudgetWatch:
    """Asks for at most 32 connections a look, and remembers what it heard.

    Half of the questions go to those that were tightest, half to the others in turn. So up to 32
    connections are exact at each look; of 500 each is heard again after some 30 looks, while the tight
    ones stay exact, and the calls of the last minute, which every answer tells for the whole app, too.
    """

    def __init__(self, limiter: Limiter, *, at_once: int = AT_ONCE) -> None:
        self._limiter = limiter
        self._at_once = at_once
        self._known: dict[str, _Reading] = {}  # by connection, the longest unheard first
        self._spent: dict[str, int] = {}

    def look(self, accounts: Sequence[tuple[str, Account]]) -> Budgets:
        """What is left, for these accounts by their organisations. Raises LimiterUnavailableError."""
        whose = {account.connection: (slug, account) for slug, account in accounts}
        for gone in self._known.keys() - whose.keys():
            del self._known[gone]
        for connection in self._chosen(list(whose)):
            self._ask(*whose[connection])
        heard = self._known.values()
        return Budgets(
            calls_in_last_minute=sum(self._spent.values()),
            in_flight=sum(one.in_flight for one in heard),
            this_minute=_tightest(one.minute for one in heard),
            today=_tightest(one.day for one in heard),
        )

    def _chosen(self, connections: list[str]) -> list[str]:
        new = [one for one in connections if one not in self._known]
        tight = sorted(self._known, key=lambda one: self._known[one].tightness)[: self._at_once // 2]
        return list(dict.fromkeys(chain(tight, new, list(self._known))))[: self._at_once]

    def _ask(self, slug: str, account: Account) -> None:
        limits = LIMITS[account.provider]
        budget = self._limiter.budget(account)
        self._spent[account.provider] = limits.app_minute - budget.app_minute
        self._known.pop(account.connection, None)
        self._known[account.connection] = _Reading(
            Left(budget.minute, limits.minute, slug),
            Left(budget.day, account.day or limits.day, slug),
            budget.in_flight,
        )


def account_of(link: Link) -> Account:
    """Whose limits a connection's calls spend."""
    return Account(link.provider, link.id, link.day_limit)


def _tightest(found: Iterable[Left]) -> tuple[Left, ...]:
    limited = (left for left in found if left.share < 1 and not is_unlimited(left.of))
    return tuple(sorted(limited, key=lambda left: left.share)[:SHOWN])

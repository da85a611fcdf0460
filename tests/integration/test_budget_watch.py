"""The view knows what is tightest among hundreds of connections for a bounded number of questions."""

from config.limits import XERO
from ledgertide.embedded.budgets import BudgetWatch
from limiter.limiter import Account, Budget, Limiter
from tests.integration.limiter_calls import call

CONNECTIONS = 100
AT_ONCE = 10


class Counting(Limiter):
    """Counts what it is asked for."""

    asked = 0

    def budget(self, account: Account) -> Budget:
        self.asked += 1
        return super().budget(account)


def account(number: int) -> Account:
    return Account("xero", f"connection-{number}", 1_000)


ACCOUNTS = [(f"customer-{number}", account(number)) for number in range(CONNECTIONS)]


def test_each_look_asks_a_bounded_number_and_in_the_end_all_are_heard(redis_url: str) -> None:
    limiter = Counting(redis_url, {"xero": XERO})
    watch = BudgetWatch(limiter, at_once=AT_ONCE)
    for _ in range(7):
        call(limiter, account(CONNECTIONS - 1))

    looks = [watch.look(ACCOUNTS) for _ in range(2 * CONNECTIONS // AT_ONCE)]

    assert limiter.asked == len(looks) * AT_ONCE
    assert [(left.organisation, left.calls) for left in looks[-1].this_minute] == [("customer-99", 53)]
    assert [(left.organisation, left.calls) for left in looks[-1].today] == [("customer-99", 993)]
    assert looks[0].calls_in_last_minute == 7


def test_the_tight_ones_are_exact_at_every_look(redis_url: str) -> None:
    limiter = Counting(redis_url, {"xero": XERO})
    watch = BudgetWatch(limiter, at_once=AT_ONCE)
    call(limiter, account(0))
    watch.look(ACCOUNTS)

    for spent in range(2, 6):
        call(limiter, account(0))
        seen = watch.look(ACCOUNTS)

        assert [(left.organisation, left.calls) for left in seen.this_minute] == [("customer-0", 60 - spent)]


def test_a_connection_that_is_gone_is_not_shown_any_more(redis_url: str) -> None:
    limiter = Counting(redis_url, {"xero": XERO})
    watch = BudgetWatch(limiter, at_once=AT_ONCE)
    call(limiter, account(0))
    call(limiter, account(1))

    assert len(watch.look(ACCOUNTS).this_minute) == 2
    assert [left.organisation for left in watch.look(ACCOUNTS[1:]).this_minute] == ["customer-1"]

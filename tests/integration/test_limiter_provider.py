"""The limiter and a provider that counts for itself: others' spending, and refusals as they really come.

Windows are so long that none ends by itself within a test; the clocks are moved on instead.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bench.week.clocks import Clocks, MovedLimiter
from config.limits import XERO, CallClass
from limiter.limiter import Account, Limiter, NotBeforeError, Remaining
from sandbox.testing import Answer, Sandbox
from tests.integration.limiter_calls import (
    NOT_AT_ALL,
    organisations,
    passes,
    refusal,
)

# Both less than the half hour for which a token is good.
MINUTE_WINDOW, DAY_WINDOW = timedelta(minutes=10), timedelta(minutes=20)


class Client:
    """Calls one organisation of the sandbox whenever the limiter lets it."""

    def __init__(self, sandbox: Sandbox, limiter: Limiter, organisation: dict[str, Any]) -> None:
        self.account = Account("xero", organisation["tenant"], day=5_000)
        self._sandbox, self._limiter, self._token = sandbox, limiter, organisation["token"]

    def call(self, call_class: CallClass = CallClass.SCHEDULED) -> Answer:
        """One call, now; raises NotBeforeError instead of waiting."""
        return self._report(passes(self._limiter, self.account, call_class))

    def call_in_the_end(self) -> Answer:
        """One call as soon as the limiter lets it through: the clocks move on until then."""
        return self._report(self._limiter.acquire(self.account, CallClass.SCHEDULED, max_wait=DAY_WINDOW))

    def _report(self, permit: Any) -> Answer:
        answer = self._sandbox.get(self.account.connection, "Organisation", self._token)
        left = [
            int(answer.headers[name]) if name in answer.headers else None
            for name in ("X-MinLimit-Remaining", "X-DayLimit-Remaining", "X-AppMinLimit-Remaining")
        ]
        retry_after = answer.headers["Retry-After"]
        self._limiter.answered(
            permit,
            Remaining(*left),
            problem=answer.headers["X-Rate-Limit-Problem"],
            retry_after=timedelta(seconds=int(retry_after)) if retry_after else None,
        )
        return answer


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=2) as started:
        yield started


@pytest.fixture(params=["fixed", "rolling"])
def style(request: pytest.FixtureRequest, sandbox: Sandbox) -> str:
    """Counts of every window start afresh."""
    unlike = {"fixed": "rolling", "rolling": "fixed"}[request.param]
    sandbox.limits(style=unlike)
    minute, day = MINUTE_WINDOW.total_seconds(), DAY_WINDOW.total_seconds()
    sandbox.limits(minute=60, minute_window=minute, day=5_000, day_window=day, app_minute=10_000, in_flight=5)
    sandbox.limits(style=request.param)
    return str(request.param)


@pytest.fixture
def clocks(sandbox: Sandbox, redis_url: str) -> Iterator[Clocks]:
    made = Clocks()
    let_go = made.take_along(sandbox, redis_url)
    yield made
    let_go()


def moved(redis_url: str, clocks: Clocks, **changed: Any) -> Limiter:
    """A limiter on these clocks that knows the windows."""
    windows = {"minute_window": MINUTE_WINDOW, "day_window": DAY_WINDOW, "app_window": MINUTE_WINDOW}
    limits = replace(XERO, retry_after_slack=NOT_AT_ALL, **(windows | changed))
    return MovedLimiter(redis_url, {"xero": limits}, clocks)


@pytest.fixture
def clients(sandbox: Sandbox, style: str, redis_url: str, clocks: Clocks) -> tuple[Limiter, Client, Client]:
    limiter = moved(redis_url, clocks)
    one, other = (Client(sandbox, limiter, each) for each in organisations(sandbox))
    return limiter, one, other


def test_what_others_spend_is_known_with_the_next_answer(
    sandbox: Sandbox, clients: tuple[Limiter, Client, Client]
) -> None:
    limiter, one, other = clients
    for _ in range(5):
        assert one.call().status == 200
    assert limiter.budget(one.account).minute == 55

    sandbox.spend(one.account.connection, 40)
    one.call()

    left = limiter.budget(one.account)
    assert (left.minute, left.day) == (14, 4_954)
    assert limiter.budget(other.account).minute == 60


def test_what_others_leave_is_used_up_without_a_refusal(
    sandbox: Sandbox, clients: tuple[Limiter, Client, Client]
) -> None:
    limiter, one, other = clients
    one.call()
    sandbox.spend(one.account.connection, 40)

    scheduled = answered(one, CallClass.SCHEDULED)
    pressed = answered(one, CallClass.PRESS)

    assert scheduled == [200] * (60 - 40 - 1 - 3)
    assert pressed == [200] * 3
    assert refusal(limiter, one.account, CallClass.DECISION).reason == "minute limit"
    assert other.call().status == 200


def test_a_refused_minute_is_waited_for_and_then_used(
    sandbox: Sandbox, clients: tuple[Limiter, Client, Client]
) -> None:
    limiter, one, other = clients
    one.call()
    sandbox.spend(one.account.connection, 59)

    refused = one.call()
    paused = limiter.budget(one.account)

    assert (refused.status, refused.headers["X-Rate-Limit-Problem"]) == (429, "minute")
    assert paused.reason == "minute limit"
    assert other.call().status == 200
    assert one.call_in_the_end().status == 200


def test_a_refused_day_is_waited_for_and_then_used(
    sandbox: Sandbox, clients: tuple[Limiter, Client, Client]
) -> None:
    limiter, one, other = clients
    one.call()
    sandbox.spend(one.account.connection, 5_000)
    sandbox.limits(minute=10_000)

    refused = one.call()
    paused = limiter.budget(one.account)

    assert (refused.status, refused.headers["X-Rate-Limit-Problem"]) == (429, "day")
    assert paused.reason == "day limit"
    assert other.call().status == 200
    assert one.call_in_the_end().status == 200
    assert limiter.budget(one.account).day > 4_900


def test_a_refusal_for_the_whole_app_is_waited_for_by_all(
    sandbox: Sandbox, style: str, redis_url: str, clocks: Clocks
) -> None:
    limiter = moved(redis_url, clocks, app_minute=100, app_window=timedelta(minutes=1))
    one, other = (Client(sandbox, limiter, each) for each in organisations(sandbox))
    sandbox.limits(app_minute=100, minute=1_000, minute_window=60)
    assert one.call().status == other.call().status == 200
    sandbox.spend(one.account.connection, 100)

    refused = one.call()

    assert (refused.status, refused.headers["X-Rate-Limit-Problem"]) == (429, "appminute")
    assert limiter.budget(other.account).reason == "app limit"
    # One call asks after a second or two, and if that was too soon, another as much later.
    while other.call_in_the_end().status == 429:
        assert limiter.budget(one.account).reason == "app limit"
    assert one.call_in_the_end().status == 200


def answered(client: Client, call_class: CallClass) -> list[int]:
    """The statuses of all calls of a class that the limiter lets through."""
    statuses = []
    try:
        while True:
            statuses.append(client.call(call_class).status)
    except NotBeforeError:
        return statuses
